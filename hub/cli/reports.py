"""Commands on reports that wait for an officer, and on deliveries that were wrong."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import report_done, show_facts, show_rows
from hub.cli.speaking import Group
from hub.cli.values import ROWS
from hub.vocabulary import RecallReason

if TYPE_CHECKING:
    from hub.cli.acts import reports as acts
else:
    acts = lazily("hub.cli.acts.reports")

_by = click.option("--by", "officer", required=True, metavar="OFFICER", help="Who decides; kept with the decision.")
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the decision.")


@click.group(
    cls=Group,
    help="""Reports that wait for an officer.

    A report whose sources look forged accuses the innocent; until somebody decides, nobody is told. Undecided it
    is erased at its deadline.""",
    examples=("kessetsu report held", 'kessetsu report deliver 1e2f… --by "山田 花子" --reason "sensor verified"'),
)
def report() -> None:
    """Hold the commands together."""


@report.command(
    help="List what waits, oldest first, with why and until when.",
    examples=("kessetsu report held", "kessetsu report held --json"),
)
@pass_session
def held(session: Session) -> None:
    """List held reports."""
    with session.store() as store:
        rows = acts.held(store)
    headings = {
        "member": "member",
        "received_at": "received",
        "rows_taken": "records",
        "decide_by": "decide by",
        "why": "why it waits",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="Nothing waits.")


@report.command(
    help="Show a report: how far it has come and why; nothing of its records.",
    examples=("kessetsu report show 1e2f…",),
)
@click.argument("report_id", metavar="ID", type=click.UUID)
@pass_session
def show(session: Session, /, *, report_id: UUID) -> None:
    """Show one report."""
    with session.store() as store:
        facts = acts.show(store, report_id)
    labels = {
        "member": "member",
        "state": "state",
        "kind": "kind",
        "drill": "drill",
        "severity": "severity",
        "received_at": "received",
        "rows_taken": "records",
        "rows_refused": "refused rows",
        "why": "why it waits",
        "decide_by": "decide by",
        "decided_by": "decided by",
        "deadline": "erased by",
    }
    show_facts(session, facts, labels)


@report.command(
    help="Let a held report go on; the worker delivers it.",
    examples=('kessetsu report deliver 1e2f… --by "山田 花子" --reason "sensor verified with the member"',),
)
@click.argument("report_id", metavar="ID", type=click.UUID)
@_by
@_reason
@pass_session
def deliver(session: Session, /, *, report_id: UUID, officer: str, reason: str) -> None:
    """Deliver a held report."""
    with session.hub() as hub:
        acts.deliver(hub, report_id, officer=officer, reason=reason)
    report_done(session, "The report goes on.", {"id": report_id})


@report.command(
    help="End a held report undelivered; its records are erased now.",
    examples=('kessetsu report refuse 1e2f… --by "山田 花子" --reason "sources forged"',),
)
@click.argument("report_id", metavar="ID", type=click.UUID)
@_by
@_reason
@pass_session
def refuse(session: Session, /, *, report_id: UUID, officer: str, reason: str) -> None:
    """Refuse a held report."""
    with session.hub() as hub:
        acts.refuse(hub, report_id, officer=officer, reason=reason)
    report_done(session, "The report is refused and erased.", {"id": report_id})


@click.group(
    cls=Group,
    help="Delivered parcels.",
    examples=('kessetsu parcel recall 3a4b… --reason not-ours --by "山田 花子"',),
)
def parcel() -> None:
    """Hold the commands together."""


@parcel.command(
    help="""Recall a wrong delivery, whole or by rows.

    Access ends at once; the recipient is asked to erase its copy and to confirm it. Nothing is routed anew: the
    reporter sends it again.""",
    examples=(
        'kessetsu parcel recall 3a4b… --reason holding-corrected --by "山田 花子"',
        'kessetsu parcel recall 3a4b… --rows 1,2-5 --reason not-ours --by "山田 花子"',
    ),
)
@click.argument("parcel_id", metavar="ID", type=click.UUID)
@click.option("--rows", type=ROWS, help="Only these rows of it, as 1,2-5.")
@click.option(
    "--reason",
    type=click.Choice([word.value for word in RecallReason]),
    required=True,
    help="Why; the recipient sees it.",
)
@_by
@pass_session
def recall(session: Session, /, *, parcel_id: UUID, rows: tuple[int, ...] | None, reason: str, officer: str) -> None:
    """Recall a parcel."""
    with session.hub() as hub:
        hub.recalls.recall(parcel_id, RecallReason(reason), rows=rows, officer=officer)
    report_done(session, "Recalled; the recipient is asked to erase its copy.", {"id": parcel_id})


@click.group(
    name="recall",
    cls=Group,
    help="Recalls and whether the recipients have erased their copies.",
    examples=("kessetsu recall list",),
)
def recalls() -> None:
    """Hold the commands together."""


@recalls.command(
    name="list",
    help="List the recalls no recipient has confirmed yet, oldest first.",
    examples=("kessetsu recall list", "kessetsu recall list --json"),
)
@pass_session
def list_(session: Session) -> None:
    """List unconfirmed recalls."""
    with session.store() as store:
        rows = acts.unconfirmed(store)
    headings = {
        "member": "member",
        "reason": "reason",
        "rows": "rows",
        "opened_at": "opened",
        "parcel": "parcel",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="Every recall is confirmed.")


COMMANDS: Final = (report, parcel, recalls)
