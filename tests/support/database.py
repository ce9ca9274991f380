"""A PostgreSQL for the test session and a fresh, migrated database for each test.

The server is an embedded one of this process (each pytest-xdist worker has its own), or the one that
``KESSETSU_TEST_DATABASE_URL`` names: a superuser's URL, password included, PostgreSQL 16 or newer.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from hub.store.embedded import EmbeddedServer
from hub.store.engine import DatabaseTarget, ensure_password, make_engine
from hub.store.migrate import upgrade
from hub.store.roles import Role, bootstrap, close_database, password_file

URL_VARIABLE = "KESSETSU_TEST_DATABASE_URL"

FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "autovacuum": "off"}
"""A test's data need not survive the machine; they do survive a killed server."""


@dataclass
class Database:
    """One database and the way into it for each role."""

    name: str
    superuser: DatabaseTarget
    targets: dict[Role, DatabaseTarget]
    _engines: dict[Role, Engine] = field(default_factory=dict)

    def target(self, role: Role) -> DatabaseTarget:
        """Return where the database is, as ``role``."""
        return self.targets[role]

    def engine(self, role: Role) -> Engine:
        """Return this test's engine as ``role``; disposed of with the database."""
        if role not in self._engines:
            self._engines[role] = make_engine(self.targets[role], application_name="kessetsu test")
        return self._engines[role]

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection as superuser that commits each statement; the caller closes it."""
        return psycopg.connect(**self.superuser.parameters("kessetsu test"), autocommit=True)

    def set_clock(self, instant: datetime) -> None:
        """Let the functions that drop partitions take ``instant`` for the present, as the hub's stepped clock does."""
        body = sql.Literal(f"SELECT timestamptz '{instant.isoformat()}'")
        with closing(self.connect()) as connection:
            connection.execute(
                sql.SQL("CREATE OR REPLACE FUNCTION present() RETURNS timestamptz LANGUAGE sql AS {}").format(body)
            )

    def close(self) -> None:
        """Close the engines' connections."""
        for engine in self._engines.values():
            engine.dispose()


class Cluster:
    """A server with a migrated template."""

    def __init__(self, superuser: DatabaseTarget, secrets: Path) -> None:
        """Make roles and template; ``secrets`` holds the roles' passwords."""
        self.superuser = superuser
        self.secrets = secrets
        self._prefix = f"kessetsu_test_{os.getpid()}"
        self._numbers = count(1)
        self._template = f"{self._prefix}_template"
        targets = bootstrap(superuser, secrets, database=self._template)
        upgrade(targets[Role.OWNER])

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[Database]:
        """Yield a database of its own, dropped afterwards; ``migrated=False``: with nothing in it yet."""
        name = f"{self._prefix}_{next(self._numbers)}"
        if migrated:
            self._execute(
                "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}", name, self._template, Role.OWNER
            )
            with closing(self._connect()) as connection:
                close_database(connection, name)
        else:
            bootstrap(self.superuser, self.secrets, database=name)
        targets = {
            role: self.superuser.to(role=role, password_file=password_file(self.secrets, role), name=name)
            for role in Role
        }
        superuser = self.superuser.to(role=self.superuser.role, password_file=self.superuser.password_file, name=name)
        database = Database(name, superuser, targets)
        try:
            yield database
        finally:
            database.close()
            self._execute("DROP DATABASE {} (FORCE)", name)

    def drop_template(self) -> None:
        """Remove what this session made on a server that lives on."""
        self._execute("DROP DATABASE {} (FORCE)", self._template)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.superuser.parameters("kessetsu test"), autocommit=True)

    def _execute(self, statement: str, *names: str) -> None:
        with closing(self._connect()) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def traversable_directory() -> Iterator[Path]:
    """Yield a temporary directory that the database's account can pass through when the tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix="kessetsu-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _embedded_cluster() -> Iterator[Cluster]:
    with traversable_directory() as base:
        secrets = base / "secrets"
        superuser = ensure_password(secrets / "db-postgres.password")
        server = EmbeddedServer(base / "database", settings=FAST)
        server.initialise(superuser)
        try:
            with server:
                yield Cluster(server.superuser(superuser), secrets)
        finally:
            server.remove()


@contextmanager
def _external_cluster(url: str) -> Iterator[Cluster]:
    """Use the server at ``url``. Roles and their passwords are the server's, so all sessions share one directory."""
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    secrets = Path(tempfile.gettempdir()) / f"kessetsu-test-{os.getuid()}-{key}"
    secrets.mkdir(mode=0o700, exist_ok=True)
    parts = urlsplit(url)
    password = secrets / "superuser.password"
    password.touch(mode=0o600)
    password.write_text(unquote(parts.password or ""))
    without = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
    with (secrets / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Cluster(DatabaseTarget.from_url(without, password), secrets)
    try:
        yield cluster
    finally:
        cluster.drop_template()


@pytest.fixture(scope="session")
def database_cluster() -> Iterator[Cluster]:
    """Give the session's server."""
    url = os.environ.get(URL_VARIABLE)
    with _external_cluster(url) if url else _embedded_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(database_cluster: Cluster) -> Iterator[Database]:
    """Give a fresh, migrated database with all its roles."""
    with database_cluster.fresh() as fresh:
        yield fresh
