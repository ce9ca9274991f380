"""Engines say nothing of values, read the password anew, and keep their limits."""

import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from hub.errors import BadInput, Unavailable
from hub.store import engine as engines
from hub.store.engine import DatabaseTarget, make_engine
from hub.store.roles import Role
from tests.support.database import Database

SECRET = "203.0.113.77"


@pytest.fixture
def tried(database: Database) -> Engine:
    """Give the owner's engine on a database with a table to fail on."""
    engine = database.engine(Role.OWNER)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tried (source text PRIMARY KEY CHECK (length(source) < 20), octets int)"))
        connection.execute(text("INSERT INTO tried VALUES (:source)"), {"source": SECRET})
    return engine


class TestValuesAreWithheld:
    """No value that travelled in a statement can be read from what a failure prints."""

    @pytest.mark.parametrize(
        ("statement", "source"),
        [
            ("INSERT INTO tried VALUES (:source)", SECRET),
            ("INSERT INTO tried VALUES (:source)", f"{SECRET}, {SECRET}"),
            ("SELECT CAST(CAST(:source AS text) AS integer)", SECRET),
            ("SELECT CAST(:source AS inet)", f"{SECRET}/99"),
            ("INSERT INTO tried VALUES ('x', CAST(CAST(:source AS text) AS numeric))", "20301137720301137"),
            ("SELECT CAST(:source AS text)", f"{SECRET}\0"),
        ],
        ids=["key", "check", "cast", "address", "range", "driver"],
    )
    def test_failure_quotes_nothing(self, tried: Engine, statement: str, source: str) -> None:
        """Message, representation, cause and traceback hold the statement but none of its values."""
        with pytest.raises(DBAPIError) as failed, tried.begin() as connection:
            connection.execute(text(statement), {"source": source})

        told = "".join(traceback.format_exception(failed.value)) + repr(failed.value) + repr(failed.value.orig)
        assert source.partition(",")[0].rstrip("\0") not in told
        assert "withheld" in told

    def test_names_stay(self, tried: Engine) -> None:
        """Which constraint of which table was violated can still be told, by people and by code."""
        with pytest.raises(IntegrityError) as failed, tried.begin() as connection:
            connection.execute(text("INSERT INTO tried VALUES (:source)"), {"source": SECRET})

        assert "SQLSTATE 23505, table tried, constraint tried_pkey" in str(failed.value)

        assert failed.value.orig is not None
        assert failed.value.orig.diag.constraint_name == "tried_pkey"

    def test_what_holds_no_value_is_said(self, tried: Engine) -> None:
        """A missing table or privilege is named, so that it can be mended."""
        with pytest.raises(ProgrammingError, match='relation "nowhere" does not exist'), tried.begin() as connection:
            connection.execute(text("SELECT * FROM nowhere"))

    def test_password_cannot_be_printed(self, database: Database) -> None:
        """Neither target nor engine shows the password."""
        target = database.target(Role.API)
        password = target.password_file.read_text().strip()

        assert password not in repr(target) + repr(database.engine(Role.API).url)


class TestConnecting:
    """An engine connects as its role, and goes on when the server comes back."""

    def test_role_and_name(self, database: Database) -> None:
        """The session has the role and the name it was asked for."""
        engine = make_engine(database.target(Role.WORKER), application_name="a test")
        with engine.connect() as connection:
            row = connection.execute(text("SELECT session_user::text, current_setting('application_name')")).one()
        engine.dispose()

        assert tuple(row) == ("kessetsu_worker", "a test")

    def test_statement_timeout(self, database: Database) -> None:
        """A limit given to the engine wins over the role's; without one the role's holds."""
        limited = make_engine(
            database.target(Role.API), application_name="test", statement_timeout=timedelta(milliseconds=250)
        )
        with limited.connect() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "250ms"
        limited.dispose()
        with database.engine(Role.API).connect() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "15s"

    def test_lost_connections_are_replaced(self, database: Database) -> None:
        """A pooled connection that the server ended is noticed before it is used."""
        engine = database.engine(Role.API)
        with engine.connect() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with database.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        with engine.connect() as connection:
            assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid

    def test_changed_password_is_read_anew(self, database: Database, tmp_path: Path) -> None:
        """A password changed in its file is used by the next connection, without a restart."""
        file = tmp_path / "password"
        file.write_text("wrong\n")
        engine = make_engine(database.target(Role.API).to(role=Role.API, password_file=file), application_name="test")
        with pytest.raises(DBAPIError, match="password authentication failed"):
            engine.connect()

        file.write_text(database.target(Role.API).password_file.read_text())

        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()

    def test_old_server_is_refused(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server older than what the code was written for is refused at the first connection."""
        monkeypatch.setattr(engines, "OLDEST_SERVER", 99)
        engine = make_engine(database.target(Role.API), application_name="test")

        with pytest.raises(Unavailable, match="The database server is PostgreSQL") as refused:
            engine.connect()

        assert refused.value.expected == "PostgreSQL 99 or newer"
        engine.dispose()


class TestTarget:
    """A target comes from a URL without a password, and insists on a checked certificate over a network."""

    def test_url_in_full(self, tmp_path: Path) -> None:
        """Every part of a URL arrives where it belongs."""
        url = "postgresql://kessetsu_api@db.example.net:5433/kessetsu?sslmode=verify-ca&sslrootcert=/etc/ca.pem"

        target = DatabaseTarget.from_url(url, tmp_path / "password")

        assert target == DatabaseTarget(
            host="db.example.net",
            port=5433,
            name="kessetsu",
            role="kessetsu_api",
            password_file=tmp_path / "password",
            tls="verify-ca",
            tls_ca=Path("/etc/ca.pem"),
        )

    @pytest.mark.parametrize(
        ("url", "fault"),
        [
            ("mysql://a@b/c", "scheme"),
            ("postgresql://a:secret@b/c", "holds a password"),
            ("postgresql://b/c", "names no role"),
            ("postgresql://a@/c", "names no host"),
            ("postgresql://a@b", "names no database"),
            ("postgresql://a@b/c?sslmode=perhaps", "sslmode"),
            ("postgresql://a@b/c?colour=red", "unknown options: colour"),
        ],
    )
    def test_unusable_url(self, url: str, fault: str, tmp_path: Path) -> None:
        """A URL is refused for what is wrong in it, and not repeated: it may hold a password."""
        with pytest.raises(BadInput, match=fault) as refused:
            DatabaseTarget.from_url(url, tmp_path)

        assert "secret" not in str(refused.value)

    def test_network_is_checked_and_kept_alive(self, tmp_path: Path) -> None:
        """Over a network the server's certificate is verified unless told otherwise, and dead peers are noticed."""
        password = tmp_path / "password"
        password.write_text("x\n")
        parameters = DatabaseTarget.from_url("postgresql://a@db.example.net/c", password).parameters("test")

        assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", "system")
        assert parameters["keepalives"] == 1
        assert parameters["connect_timeout"] == 5
        assert parameters["password"] == "x"

    def test_socket_knows_no_tls(self, tmp_path: Path) -> None:
        """Over a Unix socket there is nothing to encrypt and nothing to keep alive."""
        password = tmp_path / "password"
        password.write_text("x\n")

        parameters = DatabaseTarget("/run/x", 5432, "c", "a", password).parameters("test")

        assert not {"sslmode", "keepalives"} & set(parameters)
