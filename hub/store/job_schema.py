"""The job queue's own tables, in a schema of theirs: made and brought up to date as its library says.

The library ships one script for a fresh database and one per change since. Which of them this database has
seen stands in the comment on the schema.
"""

import re
from importlib.metadata import version
from pathlib import Path

from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text

from hub.store.roles import driver_connection, run_script

SCHEMA = "jobs"
_LIBRARY = "procrastinate"
_SEEN = text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")


def ensure_job_schema(connection: Connection) -> None:
    """Bring the schema to the installed library's version, in the caller's transaction, as the owner."""
    installed = _numbers(version(_LIBRARY))
    comment = connection.execute(_SEEN, {"schema": SCHEMA}).scalar_one()
    seen = _numbers(comment) if comment else None
    if seen == installed:
        return
    driver = driver_connection(connection)
    run_script(driver, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; SET LOCAL search_path = {SCHEMA}")
    for script in [SchemaManager.get_schema()] if seen is None else _changes(seen, installed):
        run_script(driver, script)
    run_script(driver, f"COMMENT ON SCHEMA {SCHEMA} IS '{_LIBRARY} {'.'.join(map(str, installed))}'")
    run_script(driver, "SET LOCAL search_path = public")


def _changes(seen: tuple[int, ...], installed: tuple[int, ...]) -> list[str]:
    """Return the scripts after ``seen`` up to ``installed``, in order; a file's name begins with its version."""
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return [file.read_text() for file in files if seen < _numbers(file.name) <= installed]


def _numbers(name: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", name)
    if found is None:
        raise ValueError(f"{name!r} holds no version of the form 1.2.3")
    return tuple(map(int, found.groups()))
