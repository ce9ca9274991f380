"""Write a revision from the difference between ``hub.store.tables`` and the revisions there are.

    python -m hub.store.revise next "add the language of a contact"
    python -m hub.store.revise first        # until the first release: write the first revision anew

A database of its own is made for it and removed again. Read what was written before committing it: checks,
data and locks are beyond what a comparison can see, and ``check_drift`` says whether something is missing.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import MigrateOperation
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hub.errors import Conflict
from hub.store.embedded import EmbeddedServer
from hub.store.engine import DatabaseTarget, ensure_password, make_engine
from hub.store.migrate import configuration, prepare, upgrade
from hub.store.roles import Role, bootstrap
from migrations import directory

FIRST_SCRIPT = "20261120_first.sql"
"""What the first revision does beyond tables."""


class RunSql(MigrateOperation):
    """Stands for a call of :func:`migrations.scripts.run_sql` in a revision."""

    def __init__(self, name: str) -> None:
        """Name the script."""
        self.name = name


@renderers.dispatch_for(RunSql)
def _render_run_sql(context: AutogenContext, operation: RunSql) -> str:
    context.imports.add("from migrations.scripts import run_sql")
    return f'run_sql("{operation.name}")'


def revise(message: str) -> Path:
    """Write the next revision; return its file."""
    with _scratch_database() as owner:
        upgrade(owner)
        return _write(owner, message)


def rewrite_first() -> Path:
    """Write the first revision anew under its old name and id; return its file.

    Raises:
        Conflict: there are later revisions, which stand on it.
    """
    versions = directory() / "versions"
    scripts = list(ScriptDirectory.from_config(configuration()).walk_revisions())
    if len(scripts) > 1:
        raise Conflict(
            "The first revision has successors and may not change any more.",
            expected="one revision",
            action='Write another: python -m hub.store.revise next "what it does".',
        )
    first = Path(scripts[0].path) if scripts else versions / f"{datetime.now(UTC):%Y%m%d}_000000000001_first.py"
    with tempfile.TemporaryDirectory(prefix=".first-", dir=versions) as aside, _scratch_database() as owner:
        return _write(owner, "The first schema", revision=first.name.split("_")[1], aside=Path(aside)).replace(first)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m hub.store.revise", description=__doc__)
    parser.add_argument("which", choices=["next", "first"])
    parser.add_argument("message", nargs="?", help="what the next revision does, in a few words")
    chosen = parser.parse_args(arguments)
    if (chosen.which == "next") is (chosen.message is None):
        parser.error("'next' takes a message, 'first' takes none")
    written = rewrite_first() if chosen.which == "first" else revise(chosen.message)
    sys.stdout.write(f"{written}\n")
    return 0


def _write(owner: DatabaseTarget, message: str, *, revision: str | None = None, aside: Path | None = None) -> Path:
    """Write a revision after those there are; or, into the directory ``aside``, one that follows none."""
    engine = make_engine(owner, application_name="kessetsu revise", pool_size=1)
    try:
        with engine.connect() as connection:
            prepare(connection)
            script = command.revision(_writing(connection, aside), message=message, autogenerate=True, rev_id=revision)
    finally:
        engine.dispose()
    if script is None or isinstance(script, list):
        raise TypeError(f"one revision was asked for, Alembic wrote {script!r}")
    written = Path(script.path)
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join(line for line in lines if "# ###" not in line))  # Alembic's remarks on its work
    return written


def _writing(connection: Connection, aside: Path | None) -> Config:
    config = configuration(connection)
    config.set_section_option("post_write_hooks", "hooks", "mend, format")
    for hook, options in (("mend", "check --fix --quiet --exit-zero"), ("format", "format --quiet")):
        config.set_section_option("post_write_hooks", f"{hook}.type", "module")
        config.set_section_option("post_write_hooks", f"{hook}.module", "ruff")
        config.set_section_option("post_write_hooks", f"{hook}.options", f"{options} REVISION_SCRIPT_FILENAME")
    if aside is not None:
        config.set_main_option("version_locations", str(aside).replace("%", "%%"))
        config.attributes["edit"] = _add_first_script
    return config


def _add_first_script(_context: object, _revision: object, directives: list[Any]) -> None:
    directives[0].upgrade_ops.ops.append(RunSql(FIRST_SCRIPT))


@contextmanager
def _scratch_database() -> Iterator[DatabaseTarget]:
    with tempfile.TemporaryDirectory(prefix="kessetsu-revise-") as base:
        Path(base).chmod(0o711)  # the database's account passes through; what lies in it is closed
        secrets = Path(base, "secrets")
        server = EmbeddedServer(Path(base, "database"))
        superuser = ensure_password(secrets / "db-postgres.password")
        server.initialise(superuser)
        with server:
            yield bootstrap(server.superuser(superuser), secrets)[Role.OWNER]


if __name__ == "__main__":
    sys.exit(main())
