"""Each program's role has the verbs it needs in roles.sql, and no others."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from hub.errors import Unavailable
from hub.store.embedded import EmbeddedServer
from hub.store.engine import ensure_password, make_engine
from hub.store.migrate import upgrade
from hub.store.roles import Role, bootstrap, check_attributes, check_grants, password_file
from hub.store.tables import metadata
from tests.support.database import FAST, Database, traversable_directory

PROGRAMS = [Role.API, Role.WORKER, Role.OPERATOR]
KEPT = {"audit_entries", "audit_leaves", "audit_checkpoints"}
"""The log cannot lie: nobody changes or deletes any of it."""


ON_COLUMNS = ["SELECT", "INSERT", "UPDATE", "REFERENCES"]
ON_TABLES = [*ON_COLUMNS, "DELETE", "TRUNCATE", "TRIGGER"]
ASK = """
SELECT verb FROM unnest(%(on_tables)s::text[]) AS verb WHERE has_table_privilege(%(role)s, %(table)s, verb)
UNION SELECT verb FROM unnest(%(on_columns)s::text[]) AS verb WHERE has_any_column_privilege(%(role)s, %(table)s, verb)
"""


def verbs(database: Database, role: Role, table: str) -> set[str]:
    """Return what a role may do with a table, or with some column of it."""
    with closing(database.connect()) as admin:
        on_tables = [*ON_TABLES, "MAINTAIN"] if admin.info.server_version >= 170000 else ON_TABLES
        asked = {"role": role.value, "table": table, "on_tables": on_tables, "on_columns": ON_COLUMNS}
        return {row[0] for row in admin.execute(ASK, asked)}


class TestGrants:
    """What the database grants is what roles.sql says, to the letter."""

    def test_live_is_the_file(self, database: Database) -> None:
        """After an upgrade there is no difference."""
        assert check_grants(database.engine(Role.OWNER)) == []

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                "GRANT DELETE ON audit_entries TO kessetsu_api",
                "kessetsu_api may DELETE on public.audit_entries, and should not",
            ),
            (
                "GRANT UPDATE (name) ON members TO kessetsu_api",
                "kessetsu_api may UPDATE on public.members (name), and should not",
            ),
            ("GRANT SELECT ON members TO PUBLIC", "PUBLIC may SELECT on public.members, and should not"),
            ("REVOKE INSERT ON reports FROM kessetsu_api", "kessetsu_api may not INSERT on public.reports, and should"),
            (
                "GRANT CREATE ON SCHEMA public TO kessetsu_worker",
                "kessetsu_worker may CREATE on schema public, and should not",
            ),
            (
                "GRANT EXECUTE ON FUNCTION drop_sealed_partition TO kessetsu_api",
                "kessetsu_api may EXECUTE on public.drop_sealed_partition(deadline timestamp with time zone)",
            ),
            (
                "GRANT USAGE ON SEQUENCE outcomes_id_seq TO PUBLIC",
                "PUBLIC may USAGE on public.outcomes_id_seq, and should not",
            ),
        ],
    )
    def test_difference_is_told_and_mended(self, database: Database, change: str, told: str) -> None:
        """A privilege too many or too few is named, and the next upgrade takes it back."""
        with closing(database.connect()) as admin:
            admin.execute(change)

        assert [line for line in check_grants(database.engine(Role.OWNER)) if line.startswith(told)] != []

        upgrade(database.target(Role.OWNER))

        assert check_grants(database.engine(Role.OWNER)) == []

    def test_temporary_tables(self, database: Database) -> None:
        """No program can make a temporary table: no plain record may come to lie in one."""
        with closing(database.connect()) as admin:
            admin.execute(f"GRANT TEMP ON DATABASE {database.name} TO kessetsu_worker")

        assert check_grants(database.engine(Role.OWNER)) == [
            "kessetsu_worker may TEMPORARY on the database, and should not"
        ]

    def test_partitions_are_reached_through_their_parent_only(self, database: Database) -> None:
        """A partition made on the way gives nobody a way around its parent's grants."""
        with closing(database.connect()) as admin:
            admin.execute("SELECT ensure_sealed_partition(now())")
            admin.execute("SELECT ensure_sealed_partition(now() + interval '1 day')")

        assert check_grants(database.engine(Role.OWNER)) == []

    def test_every_table_stands_in_the_file(self, database: Database) -> None:
        """A table that nobody may read was forgotten in roles.sql."""
        unreadable = [
            table for table in metadata.tables if not any("SELECT" in verbs(database, role, table) for role in PROGRAMS)
        ]

        assert unreadable == []


class TestLimits:
    """Whatever roles.sql comes to say, these hold."""

    @pytest.mark.parametrize("role", PROGRAMS)
    def test_log_is_only_appended_to(self, database: Database, role: Role) -> None:
        """No program changes or deletes any part of the audit log."""
        assert {table: verbs(database, role, table) - {"SELECT", "INSERT"} for table in KEPT} == {
            table: set() for table in KEPT
        }

    @pytest.mark.parametrize("role", PROGRAMS)
    def test_nobody_goes_beyond_rows(self, database: Database, role: Role) -> None:
        """No program may truncate, reference, put a trigger on or maintain any table."""
        beyond = {"TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"}

        assert {table for table in metadata.tables if verbs(database, role, table) & beyond} == set()

    def test_api_deletes_ciphertext_only(self, database: Database) -> None:
        """What faces the network can make secrets disappear (a sender withdraws), and no record of anything."""
        deletable = {table for table in metadata.tables if "DELETE" in verbs(database, Role.API, table)}

        assert deletable <= {"sealed_objects", "sealed_chunks"}

    def test_api_makes_no_credential(self, database: Database) -> None:
        """What faces the network can read tokens' digests, and can neither add nor change one."""
        assert verbs(database, Role.API, "credentials") == {"SELECT"}

    def test_sealed_rows_are_never_changed(self, database: Database) -> None:
        """Ciphertext is inserted and erased; no program updates it."""
        for role in PROGRAMS:
            for table in ("sealed_objects", "sealed_chunks"):
                assert "UPDATE" not in verbs(database, role, table)

    @pytest.mark.parametrize("role", PROGRAMS)
    @pytest.mark.parametrize(
        "statement", ["CREATE TABLE mine (id int)", "CREATE TEMP TABLE mine (id int)", "CREATE SCHEMA mine"]
    )
    def test_no_tables_of_their_own(self, database: Database, role: Role, statement: str) -> None:
        """No program can store anything outside the tables there are."""
        parameters = database.target(role).parameters("test")
        with closing(psycopg.connect(**parameters)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


class TestRoles:
    """The roles can log in and be limited, and nothing more."""

    def test_no_powers(self, database: Database) -> None:
        """None is a superuser, makes roles or databases, copies the server, or belongs to another role."""
        assert check_attributes(database.engine(Role.OWNER)) == []

    def test_power_is_told(self, database: Database) -> None:
        """A role that was given more is named."""
        with closing(database.connect()) as admin, admin.transaction():
            admin.execute("ALTER ROLE kessetsu_worker CREATEDB")
        try:
            assert check_attributes(database.engine(Role.OWNER)) == ["kessetsu_worker may make databases"]
        finally:
            with closing(database.connect()) as admin:
                admin.execute("ALTER ROLE kessetsu_worker NOCREATEDB")

    @pytest.mark.parametrize("role", list(Role))
    def test_limits_are_set(self, database: Database, role: Role) -> None:
        """Every role has limits in time, one time zone, and temporary objects searched last."""
        with closing(psycopg.connect(**database.target(role).parameters("test"))) as connection:
            shown = {
                name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index] -- SHOW has a row
                for name in (
                    "statement_timeout",
                    "lock_timeout",
                    "idle_in_transaction_session_timeout",
                    "timezone",
                    "search_path",
                )
            }

        assert "0" not in shown.values()
        assert shown["timezone"] == "UTC"
        assert shown["search_path"] == "public, jobs, pg_temp"

    def test_each_has_its_own_password(self, database: Database) -> None:
        """No password opens two roles."""
        passwords = {database.target(role).password_file.read_text() for role in Role}

        assert len(passwords) == len(Role)
        parameters = database.target(Role.API).parameters("test") | {
            "password": database.target(Role.WORKER).password_file.read_text().strip()
        }
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**parameters)

    def test_strangers_are_kept_out(self, database: Database) -> None:
        """A role that is not ours cannot even connect."""
        with closing(database.connect()) as admin:
            admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'a stranger''s'")
        try:
            parameters = database.superuser.parameters("test") | {"user": "stranger", "password": "a stranger's"}
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(**parameters)
        finally:
            with closing(database.connect()) as admin:
                admin.execute("DROP ROLE stranger")


class TestBootstrap:
    """A server is set up once, and again after any failure."""

    def test_again_keeps_passwords_and_data(self, database: Database) -> None:
        """A second run leaves passwords and data as they are."""
        secrets = database.target(Role.API).password_file.parent
        before = {role: password_file(secrets, role).read_text() for role in Role}

        targets = bootstrap(database.superuser, secrets, database=database.name)

        assert {role: password_file(secrets, role).read_text() for role in Role} == before
        engine = make_engine(targets[Role.OWNER], application_name="test")
        assert check_grants(engine) == []
        engine.dispose()

    def test_who_is_no_administrator(self, database: Database, tmp_path: Path) -> None:
        """Somebody without the right to make roles is told what right is missing."""
        with pytest.raises(Unavailable, match="permission denied") as refused:
            bootstrap(database.target(Role.WORKER), tmp_path, database="another")

        assert "CREATEROLE" in (refused.value.expected or "")

    def test_administrator_without_superpowers(self) -> None:
        """A role with CREATEROLE and CREATEDB is enough, as providers of databases give out."""
        with traversable_directory() as base:
            secrets = base / "secrets"
            superuser = ensure_password(secrets / "superuser")
            server = EmbeddedServer(base / "home", settings=FAST)
            server.initialise(superuser)
            with server:
                admin = server.superuser(superuser).to(role="keeper", password_file=ensure_password(secrets / "keeper"))
                with closing(
                    psycopg.connect(**server.superuser(superuser).parameters("test"), autocommit=True)
                ) as connection:
                    password = admin.password_file.read_text().strip()
                    connection.execute(f"CREATE ROLE keeper LOGIN CREATEROLE CREATEDB PASSWORD '{password}'")

                bootstrap(admin, secrets)
                targets = bootstrap(admin, secrets)
                upgrade(targets[Role.OWNER])

                engine = make_engine(targets[Role.OWNER], application_name="test")
                assert check_grants(engine) == []
                assert check_attributes(engine) == []
                engine.dispose()
