"""Commands that look: deadlines, certificates, the log, the state of everything. They change nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.cli.catalogue import say
from hub.cli.failures import CheckFailed
from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import plain, progress, show_facts, show_rows, write_json
from hub.cli.speaking import Command, Group
from hub.cli.values import EXISTING_FILE

if TYPE_CHECKING:
    from hub.cli.acts import oversight as acts
else:
    acts = lazily("hub.cli.acts.oversight")


@click.group(
    cls=Group,
    help="What is kept, and when it dies.",
    examples=("kessetsu retention preview", "kessetsu retention certificates --limit 10"),
)
def retention() -> None:
    """Hold the commands together."""


@retention.command(
    help="Show what is kept by class and deadline, soonest first.",
    examples=("kessetsu retention preview", "kessetsu retention preview --json"),
)
@pass_session
def preview(session: Session) -> None:
    """Show what dies when."""
    with session.hub() as hub:
        rows = acts.due(hub)
    headings = {
        "deadline": "deadline",
        "data_class": "class",
        "parcels": "parcels",
        "records": "records",
        "waiting_reports": "waiting reports",
        "key_lives": "key is there",
        "due": "due",
    }
    show_rows(session, rows, headings, empty="Nothing is kept.")


@retention.command(
    help="Show deletion certificates, newest first; with --json as they were signed.",
    examples=("kessetsu retention certificates", "kessetsu retention certificates --limit 10 --json"),
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@pass_session
def certificates(session: Session, /, *, limit: int) -> None:
    """Show certificates."""
    with session.store() as store:
        rows = acts.certificates(store, limit)
    headings = {
        "deadline": "deadline",
        "data_class": "class",
        "key_destroyed_at": "key destroyed",
        "rows_dropped_at": "rows dropped",
        "parcels": "parcels",
        "records": "records",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="Nothing was erased yet.")


@click.group(
    cls=Group,
    help="The log of everything that was done with secrets.",
    examples=("kessetsu audit verify",),
)
def audit() -> None:
    """Hold the commands together."""


@audit.command(
    help="""Check the whole log: every entry's hash, every number, every root against what was signed.

    Ends with code 3 where anything is wrong.""",
    examples=("kessetsu audit verify", "kessetsu audit verify --checkpoint kept-in-the-safe.txt --json"),
)
@click.option(
    "--checkpoint",
    "kept",
    type=EXISTING_FILE,
    multiple=True,
    metavar="FILE",
    help="A checkpoint that was kept elsewhere, to be covered too; may be repeated.",
)
@pass_session
def verify(session: Session, /, *, kept: tuple[Path, ...]) -> None:
    """Check the log."""
    settings = session.settings()
    remembered = [file.read_text(encoding="utf-8", errors="replace") for file in kept]
    with session.store() as store, progress(session, "Checking the log", total=acts.log_size(store)) as tick:
        found = acts.verify_log(store, settings, remembered, tick)
    if session.json:
        write_json(plain({"well": bool(found), **plain(found)}))
    else:
        for fault in found.faults:
            click.echo(f"- {fault}")
        counted = {"entries": found.entries, "checkpoints": found.checkpoints}
        click.echo(say("{entries:,} entries and {checkpoints:,} checkpoints were checked.", **counted))
    if not found:
        raise CheckFailed(
            say("The log is not whole: {count} faults.", count=len(found.faults)),
            action=say("Keep database and backups as they are, and call the officer."),
        )
    if not session.json:
        click.echo(say("The log is whole."))


@click.command(
    cls=Command,
    help="""Show how everything is: database, keys, worker, what waits, what is late.

    Ends with code 3 where something is not as it should be.""",
    examples=("kessetsu status", "kessetsu status --json"),
)
@pass_session
def status(session: Session) -> None:
    """Show the state of everything."""
    facts = acts.status(session.settings(), session.clock)
    labels = {
        "database": "database",
        "schema": "tables",
        "keys": "key store",
        "worker": "worker",
        "jobs_waiting": "jobs waiting",
        "jobs_running": "jobs running",
        "reports": "reports by state",
        "parcels_unacknowledged": "parcels not acknowledged",
        "recalls_unconfirmed": "recalls not confirmed",
        "holdings_proposed": "declarations to decide",
        "erasures_due": "erasures due",
        "erasures_late": "erasures late",
        "log_entries_unnumbered": "log entries not numbered",
        "checkpoint_size": "last checkpoint, entries",
        "checkpoint_at": "last checkpoint, signed",
    }
    show_facts(session, facts, labels)
    if not facts["well"]:
        raise CheckFailed(
            say("Something is not as it should be."),
            action=say("Start what is down with `kessetsu up`, and look into its log."),
        )


COMMANDS: Final = (retention, audit, status)
