"""The database roles: one per program, with only the verbs it needs (``migrations/roles.sql``)."""

import re
from contextlib import closing
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine

from hub.errors import Unavailable
from hub.store.engine import OLDEST_SERVER, DatabaseTarget, ensure_password, read_password
from migrations import directory

DATABASE = "kessetsu"
_APPLICATION = "kessetsu bootstrap"
_LOCK = 0x6B657373
"""Key of the advisory lock that keeps two bootstraps apart."""
_FIRST_WITH_BUILTIN_LOCALE = 17


class Role(StrEnum):
    """A program's role in the database."""

    OWNER = "kessetsu_owner"
    """Owns the schema and runs migrations; no program that serves anybody uses it."""
    API = "kessetsu_api"
    WORKER = "kessetsu_worker"
    OPERATOR = "kessetsu_operator"
    """The operator's commands."""


def password_file(secrets_dir: Path, role: str) -> Path:
    """Return where the password of ``role`` stands under ``secrets_dir``."""
    return secrets_dir / f"db-{role}.password"


def bootstrap(admin: DatabaseTarget, secrets_dir: Path, *, database: str = DATABASE) -> dict[Role, DatabaseTarget]:
    """Make roles, passwords and an empty database; may be run again after any failure.

    Args:
        admin: any database on the server (``postgres``), as its superuser or a role with CREATEROLE and CREATEDB.
        secrets_dir: gets ``db-<role>.password``, 256 random bits each, mode 0600; those that are there are kept.
        database: its name.

    Raises:
        Unavailable: the server does not answer, is too old, or refuses the administrator.
    """
    files = {role: ensure_password(password_file(secrets_dir, role)) for role in Role}
    try:
        with closing(_connect(admin)) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            run_script(connection, _part("cluster"))
            _set_passwords(connection, files)
            _create_database(connection, database)
            close_database(connection, database)
    except psycopg.Error as error:
        raise Unavailable(
            f"The database could not be set up: {error.diag.message_primary or type(error).__name__}",
            expected="a superuser, or a role with CREATEROLE and CREATEDB",
            action="Check address, role and password of the administrator, then run this again.",
        ) from error
    return {role: admin.to(role=role, password_file=file, name=database) for role, file in files.items()}


def has_database(admin: DatabaseTarget, name: str = DATABASE) -> bool:
    """Tell whether there is a database of this name on a server, an instance's that is, before making one.

    Raises:
        Unavailable: the server does not answer, is too old, or refuses the administrator.
    """
    try:
        with closing(_connect(admin)) as connection:
            return connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None
    except psycopg.Error as error:
        raise Unavailable(
            f"The database server does not let the administrator in: {error.diag.message_primary or error}",
            action="Check address, role and password of the administrator, then run this again.",
        ) from error


def apply_grants(connection: Connection) -> None:
    """Give every role what ``roles.sql`` says and nothing else, in the caller's transaction, as the owner."""
    driver = driver_connection(connection)
    close_database(driver, driver.info.dbname)
    run_script(driver, _part("grants"))


def check_grants(engine: Engine) -> list[str]:
    """Return how the live database differs from ``roles.sql``, one line each; empty is well.

    ``engine`` is the owner's. The grants are applied in a transaction that is rolled back; what that would
    change is the difference.
    """
    with engine.connect() as connection:
        before = _live_grants(connection)
        apply_grants(connection)
        wanted = _live_grants(connection)
        connection.rollback()
    foreign = {grant for grant in wanted if grant[0] not in set(Role)}
    return sorted(
        [f"{role} may {verb} on {what}, and should not" for role, verb, what in (before - wanted) | foreign]
        + [f"{role} may not {verb} on {what}, and should" for role, verb, what in wanted - before]
    )


def check_attributes(engine: Engine) -> list[str]:
    """Return which of our roles have more power over the server than to log in; empty is well."""
    with engine.connect() as connection:
        rows = driver_connection(connection).execute(_POWERS, {"roles": [role.value for role in Role]})
        return [f"{role} {power}" for role, power in rows]


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """Return the psycopg connection under SQLAlchemy's, inside the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def run_script(connection: psycopg.Connection[Any], script: str) -> None:
    """Run several statements as they stand: no parameters, hence no placeholders to escape."""
    connection.execute(script)


@cache
def _part(name: str) -> str:
    text = (directory() / "roles.sql").read_text()
    parts = re.split(r"^-- part: (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[name]


def _connect(admin: DatabaseTarget) -> psycopg.Connection[Any]:
    parameters: dict[str, Any] = admin.parameters(_APPLICATION)
    connection = psycopg.connect(**parameters, autocommit=True)
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        connection.close()
        raise Unavailable(
            f"The database server is PostgreSQL {version}.",
            expected=f"PostgreSQL {OLDEST_SERVER} or newer",
            action="Upgrade it, or name another server.",
        )
    return connection


def _set_passwords(connection: psycopg.Connection[Any], files: dict[Role, Path]) -> None:
    """Send verifiers, not passwords: whatever the server logs of its statements, no password is in it."""
    for role, file in files.items():
        verifier = connection.pgconn.encrypt_password(read_password(file).encode(), role.encode(), b"scram-sha-256")
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
        )


def _create_database(connection: psycopg.Connection[Any], name: str) -> None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None:
        return
    builtin = connection.info.server_version // 10_000 >= _FIRST_WITH_BUILTIN_LOCALE
    locale = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'" if builtin else "LOCALE 'C'"
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' ").format(
            sql.Identifier(name), sql.Identifier(Role.OWNER)
        )
        + sql.SQL(locale)
    )


def close_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Let in our roles only, and let none of them make temporary tables: no plain record may lie in one.

    A database copied from a template needs this again: what is granted on a database is not copied.
    """
    database = sql.Identifier(name)
    roles = sql.SQL(", ").join(sql.Identifier(role) for role in Role if role is not Role.OWNER)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}").format(database, roles))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, roles))


def _live_grants(connection: Connection) -> set[tuple[str, str, str]]:
    """Return (role, verb, object) for every privilege somebody other than the object's owner has."""
    return {(role, verb, what) for role, verb, what in driver_connection(connection).execute(_PRIVILEGES)}


_PRIVILEGES = """
WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'jobs')),
held AS (
    SELECT format('%I.%I', nspname, relname) AS what, relowner AS owner, relacl AS acl
    FROM pg_class JOIN ours ON ours.oid = relnamespace
    UNION ALL
    SELECT format('%I.%I (%I)', nspname, relname, attname), relowner, attacl
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN ours ON ours.oid = relnamespace
    UNION ALL
    SELECT format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(pg_proc.oid)), proowner,
        coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc JOIN ours ON ours.oid = pronamespace
    UNION ALL
    SELECT format('schema %I', nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace WHERE nspname IN ('public', 'jobs')
    UNION ALL
    SELECT 'the database', datdba, coalesce(datacl, acldefault('d', datdba))
    FROM pg_database WHERE datname = current_database()
)
SELECT coalesce(pg_roles.rolname, 'PUBLIC'), privilege_type, what
FROM held CROSS JOIN aclexplode(acl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
WHERE grantee <> owner
"""

_POWERS = """
SELECT rolname, power
FROM pg_roles CROSS JOIN LATERAL (VALUES
    (rolsuper, 'is a superuser'), (rolcreatedb, 'may make databases'), (rolcreaterole, 'may make roles'),
    (rolreplication, 'may copy the whole server'), (rolbypassrls, 'passes by row security'),
    (EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid), 'is a member of another role')
) AS powers (held, power)
WHERE held AND rolname = ANY (%(roles)s)
ORDER BY 1, 2
"""
