"""How a program reaches the database: as which role, with which password file, under which limits."""

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from hub.errors import BadInput, Unavailable

OLDEST_SERVER = 16
_CONNECT_TIMEOUT = 5
_PREPARE_AFTER = 5
_SPEAK_OF_NO_VALUES = frozenset({"08", "25", "28", "3D", "40", "42", "53", "55", "57"})
"""Classes of SQLSTATE (PostgreSQL manual, appendix A) whose messages name objects, roles and limits only.

Connection, transaction state, authorisation, catalogue, rollback, syntax and access rule, resources, object
state, operator intervention. Not among them, because they quote data: 22 (data exception), 23 (integrity).
"""
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """One database as one role."""

    host: str
    """Host name, or the absolute path of the directory with the Unix socket."""
    port: int
    name: str
    role: str
    password_file: Path
    tls: str = "verify-full"
    """libpq's ``sslmode``; without meaning over a Unix socket."""
    tls_ca: Path | None = None
    """Certificates that the server's must come from; the system's where ``None``."""

    @property
    def local(self) -> bool:
        """Whether the way goes over a Unix socket."""
        return self.host.startswith("/")

    @classmethod
    def from_url(cls, url: str, password_file: Path) -> Self:
        """Read ``postgresql://role@host:port/name?sslmode=…&sslrootcert=…``.

        Raises:
            BadInput: another scheme, a part missing, an unknown option, or a password in the URL.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        host = options.pop("host", None) or unquote(parts.hostname or "")
        tls = options.pop("sslmode", "verify-full")
        ca = options.pop("sslrootcert", None)
        wrong = [
            says
            for is_wrong, says in (
                (parts.scheme not in {"postgresql", "postgres"}, "its scheme is not postgresql"),
                (parts.password is not None, "it holds a password"),
                (not parts.username, "it names no role"),
                (not host, "it names no host"),
                (not parts.path.strip("/"), "it names no database"),
                (tls not in _TLS_MODES, "its sslmode is none of libpq's"),
                (bool(options), f"it has unknown options: {', '.join(sorted(options))}"),
            )
            if is_wrong
        ]
        if wrong:
            raise BadInput(
                f"The database URL cannot be used: {'; '.join(wrong)}.",
                expected="postgresql://role@host:port/database?sslmode=verify-full&sslrootcert=/path",
                action="Write it so, and the password into a file of its own.",
            )
        return cls(
            host=host,
            port=parts.port or 5432,
            name=unquote(parts.path.strip("/")),
            role=unquote(parts.username or ""),
            password_file=password_file,
            tls=tls,
            tls_ca=Path(ca) if ca else None,
        )

    def to(self, *, role: str, password_file: Path, name: str | None = None) -> "DatabaseTarget":
        """Return the same server as another role, or another database on it."""
        return replace(self, role=role, password_file=password_file, name=name or self.name)

    def parameters(self, application_name: str) -> dict[str, Any]:
        """Return libpq's connection parameters, password included: read anew each time, so that it can be changed."""
        parameters: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.role,
            "password": read_password(self.password_file),
            "application_name": application_name,
            "client_encoding": "utf8",
            "connect_timeout": _CONNECT_TIMEOUT,
        }
        return parameters if self.local else parameters | self._remote_parameters()

    def _remote_parameters(self) -> dict[str, Any]:
        ca = str(self.tls_ca) if self.tls_ca else "system" if self.tls == "verify-full" else ""
        return {
            "sslmode": self.tls,
            **({"sslrootcert": ca} if ca else {}),
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        }


def read_password(file: Path) -> str:
    """Return the password in ``file``, without the line's end.

    Raises:
        Unavailable: there is no such file, or nothing in it.
    """
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise Unavailable(
            f"The password file {file} cannot be read: {error.strerror}.",
            expected="a file with one line, the password",
            action="Put it there, or correct its path in the settings.",
        ) from error
    if not password:
        raise Unavailable(
            f"The password file {file} is empty.",
            expected="a file with one line, the password",
            action="Write the password into it.",
        )
    return password


def ensure_password(file: Path) -> Path:
    """Make ``file`` with 256 random bits, readable by its owner only, unless it is there; return it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        return file
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(32) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    return file


def make_engine(
    target: DatabaseTarget,
    *,
    application_name: str,
    pool_size: int = 5,
    max_overflow: int = 0,
    statement_timeout: timedelta | None = None,
) -> Engine:
    """Return an engine on ``target``. Connects when first used.

    No value that travels in a statement can be read from its errors: neither SQLAlchemy's parameters nor
    what the server quotes. SQLSTATE and the names of table, column and constraint stay.

    Args:
        target: which database, as which role.
        application_name: shown in ``pg_stat_activity``.
        pool_size: connections kept.
        max_overflow: connections more than that, for a moment.
        statement_timeout: instead of the limit set on the role.

    Raises (on first use):
        Unavailable: the server is older than PostgreSQL 16, or the password file cannot be read.
    """
    limits = _limits(statement_timeout)

    def connect() -> psycopg.Connection[object]:
        return psycopg.connect(
            **target.parameters(application_name),
            **limits,
            prepare_threshold=_PREPARE_AFTER,
        )

    engine = create_engine(
        URL.create("postgresql+psycopg"),
        creator=connect,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=10,
        pool_recycle=3600,
    )
    event.listen(engine, "connect", _refuse_old_server)
    event.listen(engine, "handle_error", _remove_values)
    return engine


def _limits(statement_timeout: timedelta | None) -> Mapping[str, Any]:
    if statement_timeout is None:
        return {}
    return {"options": f"-c statement_timeout={int(statement_timeout.total_seconds() * 1000)}"}


def _refuse_old_server(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    version = connection.info.server_version
    if version < OLDEST_SERVER * 10_000:
        raise Unavailable(
            f"The database server is PostgreSQL {version // 10_000}.",
            expected=f"PostgreSQL {OLDEST_SERVER} or newer",
            action="Upgrade it, or name another server in the settings.",
        )


def _remove_values(context: ExceptionContext) -> None:
    """Rewrite the driver's and SQLAlchemy's message before anybody can print it."""
    error = context.original_exception
    if not isinstance(error, psycopg.Error) or _raised_by_driver_of_no_value(error):
        return
    error.args = (_described(error),)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(error).__module__}.{type(error).__name__}) {error}",)


def _raised_by_driver_of_no_value(error: psycopg.Error) -> bool:
    """Tell whether the driver itself speaks, of hosts, placeholders or types; only its DataError quotes data."""
    return error.sqlstate is None and not isinstance(error, psycopg.DataError)


def _described(error: psycopg.Error) -> str:
    diagnosis = error.diag
    names = {
        "SQLSTATE": error.sqlstate,
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "constraint": diagnosis.constraint_name,
    }
    known = ", ".join(f"{label} {name}" for label, name in names.items() if name)
    if (error.sqlstate or "")[:2] in _SPEAK_OF_NO_VALUES:
        return f"{diagnosis.message_primary} ({known})"
    return f"{type(error).__name__}: {known or 'raised by the driver'}; the values are withheld"
