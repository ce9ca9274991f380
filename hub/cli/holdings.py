"""Commands on holdings: which member operates which network, since when and until when."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import plain, progress, report_done, show_facts, show_rows, write_json
from hub.cli.speaking import Group
from hub.cli.values import EXISTING_FILE, INSTANT
from hub.vocabulary import HoldingState

if TYPE_CHECKING:
    from hub.cli.acts import holdings as acts
    from hub.cli.acts import importing
else:
    acts = lazily("hub.cli.acts.holdings")
    importing = lazily("hub.cli.acts.importing")

_SHOWN_REMARKS: Final = 20
_by = click.option("--by", "officer", required=True, metavar="OFFICER", help="Who decides; kept with the decision.")
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the decision.")
_HEADINGS: Final = {
    "member": "member",
    "network": "network",
    "valid_from": "from",
    "valid_to": "to",
    "shared": "shared",
    "state": "state",
    "id": "id",
}


@click.group(
    cls=Group,
    help="""Networks and who operated them when.

    A declaration is a proposal until an officer approves it; only then are sources attributed by it.""",
    examples=("kessetsu holding list --state proposed", "kessetsu holding review 5a6b…"),
)
def holding() -> None:
    """Hold the commands together."""


@holding.command(
    help="Declare a network for a member, as a proposal.",
    examples=(
        'kessetsu holding declare "Example Net" --asn 64496 --from 2020-04-01T00:00:00+09:00',
        (
            'kessetsu holding declare "Example Net" --prefix 198.51.100.0/24 --shared \\\n'
            "    --from 2020-04-01T00:00:00+09:00 --to 2027-04-01T00:00:00+09:00"
        ),
    ),
)
@click.argument("member_name", metavar="MEMBER")
@click.option("--prefix", metavar="PREFIX", help="The network as address/length.")
@click.option("--asn", type=int, metavar="NUMBER", help="The network as an AS number.")
@click.option("--from", "valid_from", type=INSTANT, required=True, help="Since when the member operates it.")
@click.option("--to", "valid_to", type=INSTANT, help="Until when, if that is known.")
@click.option("--shared", is_flag=True, help="Subscribers share addresses in it (CGNAT, MAP-E, DS-Lite).")
@click.option("--capacity", metavar="KIND|ID", help="In which capacity, where the member holds networks in several.")
@pass_session
def declare(session: Session, /, *, member_name: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Declare a holding."""
    with session.store() as store:
        holding_id = acts.declare(store, session.clock, member_name, **given)
    report_done(session, "Declared, waits for an officer: {id}", {"id": holding_id}, id=holding_id)


@holding.command(
    name="import",
    help="""Declare all holdings of a CSV file, or none; with --approve they are in force at once.

    Columns: member (name or id), prefix or asn, valid_from; and, where wanted, valid_to and shared (yes or no).
    What was declared before is passed over. Where the routing table says otherwise, it is listed.""",
    examples=(
        "kessetsu holding import holdings.csv",
        'kessetsu holding import holdings.csv --approve --by "山田 花子"',
    ),
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--approve", is_flag=True, help="Approve them at once; needs --by.")
@click.option("--by", "officer", metavar="OFFICER", help="Who decides; kept with the decision.")
@pass_session
def import_(session: Session, /, *, file: Path, approve: bool, officer: str | None) -> None:
    """Declare many holdings."""
    if approve != (officer is not None):
        raise click.UsageError(say("--approve and --by go together"))
    with session.store() as store, progress(session, "Taking holdings") as tick:
        taken = importing.import_holdings(store, session.clock, file, approved_by=officer, tick=tick)
    remarks = importing.remark_rows(taken.remarks)
    facts = {
        "declared": taken.declared,
        "approved": taken.approved,
        "already_there": taken.already_there,
        "remarks": remarks,
    }
    if session.json:
        write_json(plain(facts))
        return
    click.echo(say("{declared} declared, {approved} approved, {already_there} there before.", **facts))
    if remarks:
        click.echo(say("The routing table says otherwise of {count}:", count=len(remarks)))
        headings = {"line": "line", "origin": "origin", "overlap": "part"}
        show_rows(session, [_with_origin(one) for one in remarks[:_SHOWN_REMARKS]], headings, empty="")


@holding.command(
    name="list",
    help="List declarations in the order they came.",
    examples=("kessetsu holding list --state proposed", 'kessetsu holding list --member "Example Net"'),
)
@click.option("--state", type=click.Choice([word.value for word in HoldingState]), help="Only those in this state.")
@click.option("--member", "member_name", metavar="MEMBER", help="Only those of this member.")
@pass_session
def list_(session: Session, /, *, state: str | None, member_name: str | None) -> None:
    """List declarations."""
    with session.store() as store:
        rows = acts.listed(store, state=HoldingState(state) if state else None, member=member_name)
    show_rows(session, rows, _HEADINGS, empty="There are no such declarations.")


@holding.command(
    help="""Show a declaration with what speaks against it: other members' holdings, and the routing table.

    For officers only: it says who else holds what.""",
    examples=("kessetsu holding review 5a6b…",),
)
@click.argument("holding_id", metavar="ID", type=click.UUID)
@pass_session
def review(session: Session, /, *, holding_id: UUID) -> None:
    """Show what an officer should know."""
    with session.store() as store:
        facts = acts.review(store, session.clock, holding_id)
    if session.json:
        write_json(plain(facts))
        return
    labels = {**_HEADINGS, "proposed_at": "declared"}
    show_facts(session, facts, labels)
    click.echo()
    rows = [{**_with_origin(one), "said": say(_SAID[one["kind"]])} for one in facts["conflicts"]]
    headings = {"said": "what speaks against it", "member": "member", "origin": "origin", "overlap": "part"}
    show_rows(session, rows, headings, empty="Nothing speaks against it.")


def _with_origin(conflict: dict[str, Any]) -> dict[str, Any]:
    return {**conflict, "origin": None if conflict["asn"] is None else f"AS{conflict['asn']}"}


_SAID: Final = {
    "other-member": "another member holds the same",
    "sub-allocation": "one lies within the other; the longer wins",
    "routing-table": "the routing table says otherwise",
}


@holding.command(
    help="Approve a declaration: from now on sources are attributed by it.",
    examples=('kessetsu holding approve 5a6b… --by "山田 花子" --reason "registry entry seen"',),
)
@click.argument("holding_id", metavar="ID", type=click.UUID)
@_by
@_reason
@click.option("--despite-conflicts", is_flag=True, help="Even where another member holds the same network.")
@pass_session
def approve(session: Session, /, *, holding_id: UUID, officer: str, reason: str, despite_conflicts: bool) -> None:
    """Approve a declaration."""
    with session.store() as store:
        acts.approve(store, session.clock, holding_id, by=officer, reason=reason, despite_conflicts=despite_conflicts)
    report_done(session, "Approved.", {"id": holding_id})


@holding.command(
    help="Reject a declaration.",
    examples=('kessetsu holding reject 5a6b… --by "山田 花子" --reason "not in the registry"',),
)
@click.argument("holding_id", metavar="ID", type=click.UUID)
@_by
@_reason
@pass_session
def reject(session: Session, /, *, holding_id: UUID, officer: str, reason: str) -> None:
    """Reject a declaration."""
    with session.store() as store:
        acts.reject(store, session.clock, holding_id, by=officer, reason=reason)
    report_done(session, "Rejected.", {"id": holding_id})


@holding.command(
    help="Date the end of an approved holding; what was seen later is no longer its holder's.",
    examples=("kessetsu holding end 5a6b… --at 2026-12-01T00:00:00+09:00",),
)
@click.argument("holding_id", metavar="ID", type=click.UUID)
@click.option("--at", type=INSTANT, required=True, help="When it ends.")
@pass_session
def end(session: Session, /, *, holding_id: UUID, at: datetime) -> None:
    """End a holding."""
    with session.store() as store:
        acts.end(store, session.clock, holding_id, at)
    report_done(session, "The end is dated.", {"id": holding_id, "valid_to": at})


COMMANDS: Final = (holding,)
