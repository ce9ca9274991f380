"""The strongest plain way known: DuckDB, one join per prefix length, on all cores. No checks, no keys, no commit.

Addresses become integers in SQL. For each prefix length the addresses, cut to that length, are joined on equality
with the prefixes of that length; as no prefix lies inside another, the answers only need be put together. Columns
other than the source are carried as text, unread.
"""

# ruff: noqa: S608 -- what is put into the SQL are names and numbers of this file's own

import sys
from pathlib import Path

import duckdb

from tests.benchmarks.baselines.talking import Work, answer

WAYS = ("count", "files")
"""``count`` stops at the number of records of each holder; ``files`` writes one CSV file per holder."""

_FUNCTIONS = (
    """v4(s) AS split_part(s, '.', 1)::UBIGINT * 16777216 + split_part(s, '.', 2)::UBIGINT * 65536
    + split_part(s, '.', 3)::UBIGINT * 256 + split_part(s, '.', 4)::UBIGINT""",
    "hextets(s) AS CASE WHEN s = '' THEN [] ELSE string_split(s, ':') END",
    "filled(l, r) AS list_concat(list_concat(l, list_resize(['0'], 8 - len(l) - len(r), '0')), r)",
    """all_hextets(s) AS CASE WHEN contains(s, '::')
    THEN filled(hextets(split_part(s, '::', 1)), hextets(split_part(s, '::', 2))) ELSE string_split(s, ':') END""",
    "v6(s) AS ('0x' || array_to_string(list_transform(all_hextets(s), lambda g: lpad(g, 4, '0')), ''))::UHUGEINT",
)
_FAMILIES = (("v4", 32, "NOT contains(src_ip, ':')"), ("v6", 128, "contains(src_ip, ':')"))


def prepared(prefixes: str, holders: str) -> tuple[duckdb.DuckDBPyConnection, str]:
    """Load prefixes, a table for each length, and return the query that finds the holder of every record."""
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    for function in _FUNCTIONS:
        connection.execute(f"CREATE MACRO {function}")
    connection.execute(
        "CREATE TABLE prefix AS SELECT split_part(column0, '/', 1) AS src_ip, split_part(column0, '/', 2)::INTEGER AS"
        " length, member FROM read_csv(?, header = false, delim = '\t')"
        " JOIN (SELECT column0 AS asn, column1 AS member FROM read_csv(?, header = false)) ON asn = column1",
        [prefixes, holders],
    )
    joins = [
        join for name, bits, which in _FAMILIES for join in _joins(connection, family=name, bits=bits, which=which)
    ]
    return connection, " UNION ALL ".join(joins)


def _joins(connection: duckdb.DuckDBPyConnection, *, family: str, bits: int, which: str) -> list[str]:
    lengths = connection.execute(f"SELECT DISTINCT length FROM prefix WHERE {which} ORDER BY 1").fetchall()
    joins = []
    for (length,) in lengths:
        table, cut = f"{family}_{length}", bits - length
        connection.execute(
            f"CREATE TABLE {table} AS SELECT {family}(src_ip) >> {cut} AS key, member FROM prefix"
            f" WHERE {which} AND length = {length}"
        )
        joins.append(f"SELECT row, member FROM {family} JOIN {table} ON {family}.address >> {cut} = {table}.key")
    return joins


def work_of(way: str, connection: duckdb.DuckDBPyConnection, holders_of_records: str) -> Work:
    """Return what splits one file."""

    def work(source: Path, target: Path) -> int:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE record AS SELECT row_number() OVER () AS row, *"
            " FROM read_csv(?, all_varchar = true, header = true)",
            [str(source)],
        )
        for family, _, which in _FAMILIES:
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {family} AS SELECT row, {family}(src_ip) AS address FROM record"
                f" WHERE {which}"
            )
        if way == "count":
            counted = connection.execute(f"SELECT member, count(*) FROM ({holders_of_records}) GROUP BY member")
            return int(sum(count for _, count in counted.fetchall()))
        copied = connection.execute(
            f"COPY (SELECT record.* EXCLUDE (row), member FROM record JOIN ({holders_of_records}) USING (row))"
            f" TO '{target / 'split'}' (FORMAT csv, PARTITION_BY (member))"
        ).fetchone()
        return 0 if copied is None else int(copied[0])

    return work


if __name__ == "__main__":
    chosen, prefix_file, holder_file = sys.argv[1:]
    answer(work_of(chosen, *prepared(prefix_file, holder_file)))
