"""Commands that make an instance and look after its database: ``init``, ``migrate``, ``database``."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import progress, report_done, show_facts, write_json
from hub.cli.speaking import Command, Group
from hub.cli.text import columns
from hub.cli.values import EXISTING_FILE

if TYPE_CHECKING:
    from hub.cli.acts import databases, founding
else:
    databases = lazily("hub.cli.acts.databases")
    founding = lazily("hub.cli.acts.founding")


@click.command(
    cls=Command,
    help="""Make an instance: secrets, keys, database, settings.

    Without --database-url it has a PostgreSQL of its own, from the programs that came with this one. What is made
    is private to this account. Broken off, the same command goes on where it stopped; over an instance that is
    there already it does nothing.

    The master key opens everything: keep a copy of it where no backup of this machine goes. Never back up the
    key store: what it forgets must stay forgotten.""",
    examples=(
        "kessetsu init --home /srv/kessetsu",
        "kessetsu init --home /srv/kessetsu --key-store /mnt/keys/kessetsu",
        (
            "kessetsu init --home /srv/kessetsu --database-url postgresql://admin@db.example.jp/postgres \\\n"
            "    --admin-password-file /run/secrets/admin"
        ),
    ),
)
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Where to make it."
)
@click.option("--demo", is_flag=True, help="An instance that takes drill reports only, for good.")
@click.option(
    "--key-store",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Directory of the bucket keys, best on a volume of its own; otherwise below the home.",
)
@click.option("--database-url", metavar="URL", help="PostgreSQL 16 or newer to use instead of the embedded one.")
@click.option("--admin-password-file", type=EXISTING_FILE, metavar="FILE", help="Password of the role the URL names.")
@pass_session
def init(
    session: Session,
    /,
    *,
    home: Path,
    demo: bool,
    key_store: Path | None,
    database_url: str | None,
    admin_password_file: Path | None,
) -> None:
    """Make an instance."""
    plan = founding.plan(
        home, demo=demo, key_store=key_store, database_url=database_url, admin_password_file=admin_password_file
    )

    def step(text: str) -> None:
        if not session.json:
            click.echo(f"{text} …", err=True)

    settings = founding.found(plan, session.clock, step)
    if session.json:
        write_json({"home": str(plan.home), "settings": str(settings), "demo": demo})
    else:
        click.echo(_what_next(plan.home, settings))


def _what_next(home: Path, settings: Path) -> str:
    commands = {
        "kessetsu up": "starts database, API and worker",
        "kessetsu prefixes import --help": "who runs which network",
        "kessetsu member add --help": "who takes part",
        "kessetsu token issue --help": "the way in for a member's programs",
    }
    made = [[f"  {say('settings')}", str(settings)], [f"  {say('secrets')}", str(home / "secrets")]]
    kept = [["", say("Keep a copy of master.key where no backup of this machine goes.")]]
    steps = [[f"  {command}", say(purpose)] for command, purpose in commands.items()]
    return "\n".join(
        (
            say("The instance is ready."),
            "",
            columns(made + kept),
            "",
            say("Next:"),
            f"  export KESSETSU_CONFIG={settings}",
            columns(steps),
        )
    )


@click.command(
    cls=Command,
    help="""Bring the database to this version of the program.

    Runs what is missing and sets every role's rights anew. Programs of the version before go on working
    meanwhile.""",
    examples=("kessetsu migrate",),
)
@pass_session
def migrate(session: Session) -> None:
    """Bring the database up to date."""
    with progress(session, "Migrating"):
        revision = databases.migrate(session.settings())
    report_done(session, "The database is at revision {revision}.", {"revision": revision}, revision=revision)


@click.group(
    cls=Group,
    help="The embedded database by itself: start, stop, look.",
    examples=("kessetsu database start", "kessetsu database status --json"),
)
def database() -> None:
    """Hold the commands together."""


@database.command(
    help="""Start the embedded database and leave it running.

    `kessetsu up` does that by itself; this is for work on the directory while the hub is down.""",
    examples=("kessetsu database start",),
)
@pass_session
def start(session: Session) -> None:
    """Start it."""
    server = databases.embedded_server(session.settings())
    with progress(session, "Starting the database"):
        server.start(detached=True)
    report_done(session, "The database runs.")


@database.command(
    help="""Stop the embedded database; sessions are ended, everything is written out.

    What `kessetsu up` started, it starts again: end that instead.""",
    examples=("kessetsu database stop",),
)
@pass_session
def stop(session: Session) -> None:
    """Stop it."""
    server = databases.embedded_server(session.settings())
    with progress(session, "Stopping the database"):
        server.stop()
    report_done(session, "The database is stopped.")


@database.command(
    help="Show whether the database runs and suits this version of the program.",
    examples=("kessetsu database status", "kessetsu database status --json"),
)
@pass_session
def status(session: Session) -> None:
    """Show how it is."""
    state = databases.state_of(session.settings())
    facts = {
        "embedded": state.embedded,
        "host": state.host,
        "running": state.running,
        "answers": state.answers,
        "revision": state.revision,
        "behind": state.behind,
    }
    labels = {
        "embedded": "embedded",
        "host": "host",
        "running": "running",
        "answers": "answers",
        "revision": "revision",
        "behind": "to be migrated",
    }
    show_facts(session, facts, labels)


COMMANDS: Final = (init, migrate, database)
