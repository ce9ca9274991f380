"""Migrations bring any database to the declared tables, one migrator at a time, within limits."""

import ast
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, text

from hub.errors import Unavailable
from hub.store.job_schema import ensure_job_schema
from hub.store.migrate import check_drift, configuration, current, head, prepare, upgrade
from hub.store.roles import Role
from hub.store.tables import metadata
from migrations import directory
from tests.support.database import Cluster, Database


class TestUpgrade:
    """An upgrade ends at the head, however often and by however many it is run."""

    def test_empty_database(self, database_cluster: Cluster) -> None:
        """From nothing to the head, and the database says so."""
        with database_cluster.fresh(migrated=False) as database:
            owner = database.engine(Role.OWNER)

            assert current(owner) is None
            assert upgrade(database.target(Role.OWNER)) == head()
            assert current(owner) == head()
            assert check_drift(owner) == []

    def test_again(self, database: Database) -> None:
        """What is at the head stays as it is."""
        assert upgrade(database.target(Role.OWNER)) == head()
        assert check_drift(database.engine(Role.OWNER)) == []

    def test_two_at_once(self, database_cluster: Cluster) -> None:
        """Two migrators on one empty database both succeed: the second waits for the first and finds nothing to do."""
        with database_cluster.fresh(migrated=False) as database, ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(upgrade, [database.target(Role.OWNER)] * 2))

            assert ends == [head(), head()]
            assert check_drift(database.engine(Role.OWNER)) == []

    def test_lock_that_is_not_to_be_had(self, database: Database) -> None:
        """A migration behind somebody's lock gives up after four seconds, says so, and keeps nobody waiting."""
        _make_job_schema_older(database)
        with closing(database.connect()) as admin, admin.transaction():
            admin.execute("LOCK TABLE jobs.procrastinate_jobs")
            began = monotonic()
            with pytest.raises(Unavailable, match="lock timeout") as refused:
                upgrade(database.target(Role.OWNER))

        assert 4 <= monotonic() - began < 20
        assert "pg_stat_activity" in (refused.value.action or "")
        assert upgrade(database.target(Role.OWNER)) == head()

    def test_limits(self, database: Database) -> None:
        """A revision runs under 4 s for a lock and 60 s for a statement."""
        with database.engine(Role.OWNER).connect() as connection:
            prepare(connection)
            limits = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in _LIMITS]

        assert limits == ["4s", "1min"]

    def test_alembic_alone_is_refused(self) -> None:
        """Without the migrators' lock nothing runs."""
        with pytest.raises(Unavailable, match="migrators' lock"):
            command.upgrade(configuration(), "head")

    def test_roles_other_than_the_owner(self, database: Database) -> None:
        """No program that serves anybody can change the schema."""
        with pytest.raises(Unavailable, match="permission denied"):
            upgrade(database.target(Role.WORKER))


class TestDrift:
    """Any difference between tables.py and the database is told."""

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("ALTER TABLE members ADD COLUMN nickname text", "members: column nickname text"),
            ("ALTER TABLE members DROP COLUMN name_ja", "members: column name_ja text"),
            ("ALTER TABLE members ALTER COLUMN name DROP NOT NULL", "members: column name text NOT NULL"),
            (
                "ALTER TABLE members ALTER COLUMN country TYPE varchar(2)",
                "members: column country character varying(2)",
            ),
            ("ALTER TABLE members ALTER COLUMN language SET DEFAULT 'en'", "members: column language text NOT NULL"),
            ("ALTER TABLE members DROP CONSTRAINT ck_members_standing_known", "constraint ck_members_standing_known"),
            ("ALTER TABLE parcels DROP CONSTRAINT fk_parcels_report_id_reports", "FOREIGN KEY (report_id)"),
            ("DROP INDEX ix_reports_blob", "CREATE INDEX ix_reports_blob"),
            ("CREATE INDEX extra ON members (name)", "CREATE INDEX extra ON members"),
            ("CREATE TABLE extra (id int)", "extra: kind r p"),
            ("DROP TABLE audit_leaves", "audit_leaves: kind r p"),
            ("ALTER TABLE streams SET UNLOGGED", "streams: kind r u"),
            ("COMMENT ON TABLE streams IS 'other'", "streams: comment other"),
        ],
    )
    def test_change_is_told(self, database: Database, change: str, told: str) -> None:
        """A change in the database alone is told by table and kind."""
        with closing(database.connect()) as admin:
            admin.execute(change)

        assert any(told in line for line in check_drift(database.engine(Role.OWNER)))

    def test_declared_alone(self, database: Database) -> None:
        """A table that is declared and was forgotten in the migrations is told too."""
        declared = MetaData(naming_convention=metadata.naming_convention)
        for table in metadata.sorted_tables:
            table.to_metadata(declared)
        Table("forgotten", declared)

        assert check_drift(database.engine(Role.OWNER), declared) == [
            "in tables.py, not in the database: forgotten: kind r p"
        ]

    def test_leaves_nothing(self, database: Database) -> None:
        """Looking changes nothing."""
        check_drift(database.engine(Role.OWNER))

        with closing(database.connect()) as admin:
            assert admin.execute("SELECT to_regnamespace('drift_check')").fetchone() == (None,)


class TestRevisions:
    """Revisions stand in one line, are dated, go forward only, and carry the rules with them."""

    def test_one_line(self) -> None:
        """There is one head, one base, and no branch."""
        scripts = ScriptDirectory.from_config(configuration())

        assert len(scripts.get_heads()) == 1
        assert len(scripts.get_bases()) == 1

    def test_names_begin_with_the_date(self) -> None:
        """Files sort by the day they were written."""
        names = [file.name for file in (directory() / "versions").glob("*.py")]

        assert names
        assert [name for name in names if not re.fullmatch(r"20\d{6}_[0-9a-f]{12}_\w+\.py", name)] == []

    def test_no_way_down(self) -> None:
        """A released schema is left by going forward; none of the files offers anything else."""
        for file in (directory() / "versions").glob("*.py"):
            functions = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
            assert functions == ["upgrade"]

    def test_template_prints_the_rules(self, database: Database, tmp_path: Path) -> None:
        """A new file is named after the day and tells its author what holds for it."""
        with database.engine(Role.OWNER).connect() as connection:
            config = configuration(connection)
            config.set_main_option("version_locations", str(tmp_path))
            script = command.revision(config, message="add a thing", head="base", splice=True)

        assert not isinstance(script, list)
        assert script is not None
        written = Path(script.path)
        rules = ast.get_docstring(ast.parse(written.read_text())) or ""
        assert re.fullmatch(r"\d{8}_[0-9a-f]{12}_add_a_thing\.py", written.name)
        for rule in ("previous", "three steps", "lock_timeout is 4 s", "CONCURRENTLY", "roles.sql", "no way down"):
            assert rule in rules


class TestJobSchema:
    """The queue's tables follow the installed library."""

    def test_version_is_kept(self, database: Database) -> None:
        """The schema says which version made it, and at that version nothing is done."""
        with database.engine(Role.OWNER).begin() as connection:
            before = _comment(connection.engine)
            ensure_job_schema(connection)

        assert before.startswith("procrastinate ")
        assert _comment(database.engine(Role.OWNER)) == before

    def test_older_one_is_brought_up_to_date(self, database: Database) -> None:
        """The library's scripts since the version noted are run, in its schema, and the version is noted."""
        owner = database.engine(Role.OWNER)
        now = _comment(owner)
        _make_job_schema_older(database)

        upgrade(database.target(Role.OWNER))

        assert _comment(owner) == now
        with owner.connect() as connection:
            made = connection.execute(
                text(
                    "SELECT pronamespace::regnamespace::text FROM pg_proc WHERE proname = 'procrastinate_retry_job_v2'"
                )
            ).all()
        assert made == [("jobs",)]


_LIMITS = ("lock_timeout", "statement_timeout")


def _comment(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(
            connection.execute(text("SELECT obj_description('jobs'::regnamespace, 'pg_namespace')")).scalar_one()
        )


def _make_job_schema_older(database: Database) -> None:
    """Take back what version 3.4.0 of the library brought."""
    with closing(database.connect()) as admin:
        admin.execute("COMMENT ON SCHEMA jobs IS 'procrastinate 3.3.0'")
        admin.execute("DROP FUNCTION jobs.procrastinate_retry_job_v2")
        admin.execute("ALTER TYPE jobs.procrastinate_job_event_type RENAME VALUE 'retried' TO 'not-yet-there'")
