"""Commands on members: who takes part, in which roles, whom to reach, what they agreed to."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import progress, report_done, show_facts, show_rows
from hub.cli.speaking import Group
from hub.cli.values import EXISTING_FILE, INSTANT, service_hours
from hub.vocabulary import CapacityKind, ContactRole, Standing

if TYPE_CHECKING:
    from hub.cli.acts import importing
    from hub.cli.acts import members as acts
else:
    importing = lazily("hub.cli.acts.importing")
    acts = lazily("hub.cli.acts.members")

KINDS: Final = click.Choice([kind.value for kind in CapacityKind])
_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the member.")
_language = click.option("--language", default="ja", show_default=True, metavar="CODE", help="Language to write in.")


@click.group(
    cls=Group,
    help="Who takes part: members, their roles, contacts and agreements.",
    examples=("kessetsu member list", 'kessetsu member show "Example Net"'),
)
def member() -> None:
    """Hold the commands together."""


@member.command(
    help="Let a member join, with the roles it acts in.",
    examples=(
        'kessetsu member add "Example Net" --name-ja エグザンプルネット --kind carrier',
        (
            'kessetsu member add "Sample Security" --kind vendor --country US --language en \\\n'
            '    --agreement rules:2026-04 --accepted-by "J. Doe"'
        ),
    ),
)
@click.argument("name")
@click.option("--name-ja", metavar="TEXT", help="Name in Japanese.")
@click.option("--country", default="JP", show_default=True, metavar="CODE", help="Country, two capitals.")
@_language
@click.option("--kind", "kinds", type=KINDS, multiple=True, required=True, help="Role it acts in; may be repeated.")
@click.option("--agreement", metavar="DOC:VERSION", help="Agreement it accepted.")
@click.option("--accepted-by", metavar="NAME", help="Who accepted it for the member.")
@pass_session
def add(
    session: Session,
    /,
    *,
    name: str,
    kinds: tuple[str, ...],
    agreement: str | None,
    **rest: Any,  # noqa: ANN401 - click's own
) -> None:
    """Let a member join."""
    new = acts.NewMember(
        name=name,
        kinds=tuple(map(CapacityKind, dict.fromkeys(kinds))),
        agreement=None if agreement is None else acts.agreement_of(agreement),
        **rest,
    )
    with session.store() as store:
        member_id, capacity_ids = acts.add(store, session.clock, new)
    facts = {"id": member_id, "capacities": dict(zip(new.kinds, capacity_ids, strict=True))}
    report_done(session, "{name} is a member: {id}", facts, name=name, id=member_id)


@member.command(
    name="import",
    help="""Let all members of a CSV file join, or none.

    Columns: name, kind (several with blanks between); and, where wanted, name_ja, country, language, agreement
    (DOC:VERSION), accepted_by. All faults are listed at once.""",
    examples=("kessetsu member import members.csv",),
)
@click.argument("file", type=EXISTING_FILE)
@pass_session
def import_(session: Session, /, *, file: Path) -> None:
    """Let many members join."""
    with session.store() as store, progress(session, "Taking members") as tick:
        made = importing.import_members(store, session.clock, file, tick)
    report_done(session, "{count} members joined.", {"ids": made}, count=len(made))


@member.command(
    name="list",
    help="List members.",
    examples=("kessetsu member list", "kessetsu member list --standing suspended", "kessetsu member list --json"),
)
@click.option("--standing", type=click.Choice([word.value for word in Standing]), help="Only those of this standing.")
@click.option("--kind", type=KINDS, help="Only those that act in this role.")
@pass_session
def list_(session: Session, /, *, standing: str | None, kind: str | None) -> None:
    """List members."""
    with session.store() as store:
        rows = acts.overview(
            store, Standing(standing) if standing else None, CapacityKind(kind) if kind else None, session.clock.now()
        )
    headings = {
        "name": "name",
        "name_ja": "name (Japanese)",
        "country": "country",
        "standing": "standing",
        "kinds": "acts as",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="There are no such members.")


@member.command(
    help="Show a member with its roles, contacts and agreements.",
    examples=('kessetsu member show "Example Net"', "kessetsu member show 7d1f3a52-… --json"),
)
@click.argument("member_name", metavar="MEMBER")
@pass_session
def show(session: Session, /, *, member_name: str) -> None:
    """Show one member."""
    with session.store() as store:
        facts = acts.details(store, member_name)
    if session.json:
        show_facts(session, facts, {})
        return
    readable = {
        **facts,
        "capacities": [f"{one.kind.value} ({one.id})" for one in facts["capacities"]],
        "contacts": [f"{one.role.value}: {one.name} <{one.email}>" for one in facts["contacts"]],
        "agreements": [f"{one['document']}:{one['version']}" for one in facts["agreements"]],
    }
    labels = {
        "name": "name",
        "name_ja": "name (Japanese)",
        "id": "id",
        "country": "country",
        "language": "language",
        "standing": "standing",
        "standing_since": "since",
        "standing_reason": "reason",
        "capacities": "acts as",
        "contacts": "contacts",
        "agreements": "agreements",
    }
    show_facts(session, readable, labels)


def _change(session: Session, name: str, standing: Standing, reason: str, said: str) -> None:
    with session.store() as store:
        changed = acts.change_standing(store, session.clock, name, standing, reason)
    report_done(session, said, {"id": changed.id, "standing": standing}, name=changed.name)


@member.command(
    help="""Suspend a member: the hub takes nothing from it and gives it nothing until it is reinstated.

    In force for every request that begins from now on.""",
    examples=('kessetsu member suspend "Example Net" --reason "agreement under review"',),
)
@click.argument("member_name", metavar="MEMBER")
@_reason
@pass_session
def suspend(session: Session, /, *, member_name: str, reason: str) -> None:
    """Suspend a member."""
    _change(session, member_name, Standing.SUSPENDED, reason, "{name} is suspended.")


@member.command(
    help="Let a suspended member, or one that left, take part again. Who left needs new tokens.",
    examples=('kessetsu member reinstate "Example Net" --reason "review done"',),
)
@click.argument("member_name", metavar="MEMBER")
@_reason
@pass_session
def reinstate(session: Session, /, *, member_name: str, reason: str) -> None:
    """Reinstate a member."""
    _change(session, member_name, Standing.ACTIVE, reason, "{name} takes part again.")


@member.command(
    help="Note that a member has left; all its tokens are revoked.",
    examples=('kessetsu member leave "Example Net" --reason "merged with Sample Net"',),
)
@click.argument("member_name", metavar="MEMBER")
@_reason
@pass_session
def leave(session: Session, /, *, member_name: str, reason: str) -> None:
    """See a member off."""
    _change(session, member_name, Standing.LEFT, reason, "{name} has left; its tokens are revoked.")


@member.group(
    help="Roles members act in; what they may see hangs on them.",
    examples=('kessetsu member capacity add "Example Net" network-operator',),
)
def capacity() -> None:
    """Hold the commands together."""


@capacity.command(
    name="add",
    help="""Let a member act in a further role.

    A delegate acts for one operator, on that operator's networks, until a date.""",
    examples=(
        'kessetsu member capacity add "Example Net" network-operator',
        (
            'kessetsu member capacity add "Sample Security" delegate --delegator "Example Net" \\\n'
            "    --to 2027-04-01T00:00:00+09:00"
        ),
    ),
)
@click.argument("member_name", metavar="MEMBER")
@click.argument("kind", type=KINDS)
@click.option("--delegator", metavar="MEMBER", help="Operator it acts for, or that operator's capacity by id.")
@click.option("--from", "valid_from", type=INSTANT, help="When it begins; otherwise now.")
@click.option("--to", "valid_to", type=INSTANT, help="When it ends; otherwise it does not.")
@pass_session
def add_capacity(
    session: Session,
    /,
    *,
    member_name: str,
    kind: str,
    delegator: str | None,
    valid_from: datetime | None,
    valid_to: datetime | None,
) -> None:
    """Add a capacity."""
    with session.store() as store:
        capacity_id = acts.add_capacity(
            store,
            session.clock,
            member_name,
            CapacityKind(kind),
            delegator=delegator,
            valid_from=valid_from,
            valid_to=valid_to,
        )
    report_done(session, "The member acts as {kind}: {id}", {"id": capacity_id}, kind=kind, id=capacity_id)


@member.group(
    help="People to reach at a member.",
    examples=('kessetsu member contact list "Example Net"',),
)
def contact() -> None:
    """Hold the commands together."""


@contact.command(
    name="add",
    help="Add a person to reach; without hours, around the clock.",
    examples=(
        'kessetsu member contact add "Example Net" --role abuse --name "Abuse desk" --email abuse@example.jp',
        (
            'kessetsu member contact add "Example Net" --role officer --name "山田 花子" --email yamada@example.jp \\\n'
            "    --hours mon-fri=09:00-17:30 --zone Asia/Tokyo"
        ),
    ),
)
@click.argument("member_name", metavar="MEMBER")
@click.option("--role", type=click.Choice([word.value for word in ContactRole]), required=True, help="For what.")
@click.option("--name", required=True, metavar="TEXT", help="Person or desk.")
@click.option("--email", required=True, metavar="ADDRESS", help="Mail address.")
@click.option("--phone", metavar="NUMBER", help="Telephone.")
@_language
@click.option("--hours", multiple=True, metavar="DAYS=HOURS", help="Service hours; may be repeated.")
@click.option("--zone", metavar="ZONE", help="Time zone of the hours.")
@pass_session
def add_contact(
    session: Session,
    /,
    *,
    member_name: str,
    role: str,
    hours: tuple[str, ...],
    zone: str | None,
    **rest: Any,  # noqa: ANN401 - click's own
) -> None:
    """Add a contact."""
    new = acts.NewContact(role=ContactRole(role), hours=service_hours(hours, zone), **rest)
    with session.store() as store:
        contact_id = acts.add_contact(store, session.clock, member_name, new)
    report_done(session, "The contact is there: {id}", {"id": contact_id}, id=contact_id)


@contact.command(
    name="list",
    help="List whom to reach at a member.",
    examples=('kessetsu member contact list "Example Net"',),
)
@click.argument("member_name", metavar="MEMBER")
@pass_session
def list_contacts(session: Session, /, *, member_name: str) -> None:
    """List contacts."""
    with session.store() as store:
        found = acts.contacts(store, member_name)
    rows = [
        {
            "id": one.id,
            "role": one.role,
            "name": one.name,
            "email": one.email,
            "phone": one.phone,
            "language": one.language,
            "service_hours": one.service_hours,
        }
        for one in found
    ]
    headings = {
        "role": "role",
        "name": "name",
        "email": "mail",
        "phone": "telephone",
        "language": "language",
        "service_hours": "hours",
    }
    show_rows(session, rows, headings, empty="There are no contacts.")


@member.group(
    help="Agreements members accepted; without one in force a member gets nothing.",
    examples=('kessetsu member agreement accept "Example Net" rules:2026-04 --by "山田 花子"',),
)
def agreement() -> None:
    """Hold the commands together."""


@agreement.command(
    help="Note that a member accepted a version of an agreement.",
    examples=('kessetsu member agreement accept "Example Net" rules:2026-04 --by "山田 花子"',),
)
@click.argument("member_name", metavar="MEMBER")
@click.argument("document", metavar="DOC:VERSION")
@click.option("--by", required=True, metavar="NAME", help="Who accepted it for the member.")
@pass_session
def accept(session: Session, /, *, member_name: str, document: str, by: str) -> None:
    """Accept an agreement."""
    with session.store() as store:
        acts.accept(store, session.clock, member_name, acts.agreement_of(document), by=by)
    report_done(session, "The agreement is in force for the member.")


COMMANDS: Final = (member,)
