"""Bring a database to the schema of this version of the code, and tell whether it is there."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from hub.errors import Unavailable
from hub.store.drift import check_drift
from hub.store.engine import DatabaseTarget, make_engine
from hub.store.job_schema import ensure_job_schema
from hub.store.roles import apply_grants
from migrations import directory

__all__ = ["check_drift", "configuration", "current", "head", "prepare", "standing", "upgrade"]

_LOCK = 0x6D696772
"""Key of the advisory lock that makes a second migrator wait for the first."""


def upgrade(owner: DatabaseTarget, revision: str = "head") -> str:
    """Run what is missing up to ``revision``, then set every role's grants anew; return where it ends.

    Each revision is one transaction with limits of 4 s for a lock and 60 s for a statement, so that one which
    does not get its lock fails instead of stopping everybody; it may be run again.

    Raises:
        Unavailable: another migrator works for more than ten minutes, or a limit was reached.
    """
    engine = make_engine(owner, application_name="kessetsu migrate", pool_size=1)
    try:
        with engine.connect() as connection:
            prepare(connection)
            command.upgrade(configuration(connection), revision)
            connection.commit()  # where nothing was missing, Alembic's look at the version is still open
            with connection.begin():
                apply_grants(connection)
            return _revision(connection) or ""
    except (DBAPIError, psycopg.Error) as error:
        raise Unavailable(
            f"The migration stopped: {error.orig if isinstance(error, DBAPIError) else error}",
            expected="every lock within 4 s and every statement within 60 s",
            action="What was finished is kept. See what holds the locks (pg_stat_activity), then run it again.",
        ) from error
    finally:
        engine.dispose()  # ends the session, and with it the lock


def current(engine: Engine) -> str | None:
    """Return the revision the database is at; ``None`` where none has run."""
    with engine.connect() as connection:
        return _revision(connection)


def standing(target: DatabaseTarget) -> tuple[str | None, bool]:
    """Return the revision a database is at, and whether this code brings later ones.

    A revision this code does not know is a newer version's, which suits it.

    Raises:
        Unavailable: the database does not answer.
    """
    engine = make_engine(target, application_name="kessetsu", pool_size=1)
    try:
        revision = current(engine)
    except DBAPIError as error:
        raise Unavailable(
            f"The database does not answer: {error.orig}", action="Look whether it runs, and where the settings say."
        ) from error
    finally:
        engine.dispose()
    earlier = {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()} - {head()}
    return revision, revision is None or revision in earlier


def head() -> str:
    """Return the revision this code expects."""
    return ScriptDirectory.from_config(configuration()).get_current_head() or ""


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, made here: there is no file to find or to forget."""
    config = Config()
    config.set_main_option("script_location", str(directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(rev)s_%%(slug)s")
    config.set_main_option("timezone", "UTC")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def prepare(connection: Connection) -> None:
    """Take the migrators' lock for this session, set its limits, and make the job queue's tables."""
    with connection.begin():
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.execute(text("SET lock_timeout = '4s'"))
        connection.execute(text("SET statement_timeout = '60s'"))
    with connection.begin():
        ensure_job_schema(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
