"""Values that must not come out where they are not granted, in every spelling they could come out in."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from ipaddress import IPv4Address, ip_address
from typing import Any

import httpx
from psycopg import sql

from tests.support.database import Database


def spellings(address: str) -> frozenset[bytes]:
    """Return an address as text, number, hexadecimal and packed bytes, alone and as IPv4-mapped IPv6."""
    parsed = ip_address(address)
    number = int(parsed)
    texts = {str(parsed), parsed.exploded, str(number), parsed.reverse_pointer}
    packed = {parsed.packed}
    if isinstance(parsed, IPv4Address):
        mapped = ip_address(f"::ffff:{address}")
        texts |= {f"::ffff:{address}", mapped.exploded, str(int(mapped)), parsed.packed.hex()}
        packed |= {mapped.packed}
    texts |= {one.hex() for one in packed}
    return frozenset({text.encode() for text in texts} | {text.upper().encode() for text in texts} | packed)


def found(secrets: Iterable[bytes], within: bytes) -> list[bytes]:
    """Return which of the spellings occur."""
    return [secret for secret in secrets if secret in within]


def everything_in(answer: httpx.Response) -> bytes:
    """Return an answer's status line, headers and body as one text to look through."""
    headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
    return b"%d %s\n%s\n\n%s" % (answer.status_code, answer.reason_phrase.encode(), headers, answer.content)


def stored_values(database: Database) -> Iterator[tuple[str, bytes]]:
    """Yield every value of every table of the database, as (table.column, bytes)."""
    with closing(database.connect()) as connection:
        columns = connection.execute(
            "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns AS c"
            " JOIN information_schema.tables AS t USING (table_schema, table_name)"
            " WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table, column, kind in columns:
            query = sql.SQL("SELECT {}{} FROM {}").format(
                sql.Identifier(column), sql.SQL("" if kind == "bytea" else "::text"), sql.Identifier(schema, table)
            )
            for (value,) in connection.execute(query):
                if value is not None:
                    yield f"{table}.{column}", _bytes(value)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
