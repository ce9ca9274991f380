"""``inbox``, ``outcome`` and ``recall``: receive, act, say so."""

from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final, Literal

import click

from kessetsu_client import words
from kessetsu_client.cli.catalogue import VOICE, say
from kessetsu_client.cli.layout import pairs, printable, table, wrap
from kessetsu_client.cli.progress import progress_bar
from kessetsu_client.cli.session import Session, pass_session
from kessetsu_client.cli.speaking import Group
from kessetsu_client.cli.values import Rows, local, rows_text

if TYPE_CHECKING:
    from kessetsu_client.answers import InboxPage, Parcel, ParcelDetail


@click.group(cls=Group, help="Read what others reported of your networks.")
def inbox() -> None:
    """Group the inbox commands."""


@inbox.command(
    "list",
    help="""List parcels, oldest first.

    Pass the printed cursor as --since next time to see only what is new.""",
    examples=(
        "kessetsu-client inbox list --state released",
        "kessetsu-client inbox list --since CURSOR --json",
    ),
)
@click.option("--state", type=click.Choice(words.PARCEL_STATES), help="Only parcels in this state.")
@click.option("--kind", type=click.Choice(words.KINDS), help="Only reports of this kind.")
@click.option("--since", metavar="CURSOR", help="Only what came after this cursor.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many.")
@click.option("--drill/--no-drill", default=None, help="Only exercises, or none.")
@pass_session
def list_parcels(
    session: Session, state: str | None, kind: str | None, since: str | None, limit: int | None, *, drill: bool | None
) -> None:
    """Show one page of the inbox."""
    with session.client() as client:
        page = client.inbox_list(state=state, kind=kind, since=since, limit=limit, drill=drill)
    session.write(page, lambda: _page(page))


@inbox.command(
    "get",
    help="""Save the records of a parcel to a file, and show why each field was released or withheld.

    The file is readable by you alone, and must be erased by the deadline shown.""",
    examples=(
        "kessetsu-client inbox get PARCEL",
        "kessetsu-client inbox get PARCEL --format arrow --output sources.arrow",
    ),
)
@click.argument("parcel")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Where to; otherwise PARCEL.FORMAT here."
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(tuple(words.MEDIA_TYPES)),
    default="csv",
    show_default=True,
    help="Format of the records.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.option("--metadata-only", is_flag=True, help="Save nothing, only show what accompanies the records.")
@pass_session
def get_parcel(
    session: Session,
    parcel: str,
    output: Path | None,
    file_format: Literal["csv", "json", "arrow"],
    *,
    overwrite: bool,
    metadata_only: bool,
) -> None:
    """Save a parcel's records and show its metadata."""
    with session.client() as client:
        detail = client.inbox_show(parcel)
        if metadata_only:
            session.write(detail, lambda: _detail(detail))
            return
        path = output or Path(f"{parcel}.{file_format}")
        with progress_bar(session, say("Receiving")) as progress:
            saved = client.inbox_get(parcel, path, file_format, replace_existing=overwrite, progress=progress)
    session.write(
        {"parcel": detail, "saved": saved},
        lambda: (
            f"{_detail(detail)}\n"
            + say("Records kept in {path}; erase them by {deadline}.", path=saved.path, deadline=local(detail.deadline))
        ),
    )


@inbox.command(
    "ack",
    help="Acknowledge parcels: you have them and will act.",
    examples=("kessetsu-client inbox ack PARCEL",),
)
@click.argument("parcels", metavar="PARCEL...", nargs=-1, required=True)
@pass_session
def acknowledge(session: Session, parcels: tuple[str, ...]) -> None:
    """Acknowledge one parcel after the other."""
    with session.client() as client:
        done = {parcel: client.inbox_ack(parcel) for parcel in parcels}
    session.write(done, lambda: pairs([(parcel, local(ack.acknowledged_at)) for parcel, ack in done.items()]))


@click.group(cls=Group, help="Say what was done about the sources in a parcel.")
def outcome() -> None:
    """Group the outcome commands."""


@outcome.command(
    "report",
    help="""Report outcomes by row.

    Give --code and --rows in pairs, as many as needed.""",
    examples=(
        "kessetsu-client outcome report PARCEL --code warned --rows 1,2-5 --code not-our-customer --rows 6",
        "kessetsu-client outcome report PARCEL --code blocked --rows all",
    ),
)
@click.argument("parcel")
@click.option("--code", "codes", type=click.Choice(words.OUTCOMES), multiple=True, required=True, help="What was done.")
@click.option("--rows", type=Rows(), multiple=True, required=True, help="Row numbers, as 1,2-5, or all.")
@pass_session
def report_outcomes(
    session: Session, parcel: str, codes: tuple[str, ...], rows: tuple[tuple[int, ...] | Literal["all"], ...]
) -> None:
    """Report outcomes on rows."""
    if len(codes) != len(rows):
        raise click.UsageError(say("--code and --rows must come in pairs"), click.get_current_context(silent=True))
    from kessetsu_client.answers import Outcome  # noqa: PLC0415 - --help need not pay for it

    with session.client() as client:
        recorded = client.outcome_report(parcel, [Outcome(*pair) for pair in zip(codes, rows, strict=True)])
    session.write(recorded, lambda: say("Recorded for {rows} rows.", rows=recorded.recorded))


@outcome.command(
    "list", help="List the outcomes reported on a parcel.", examples=("kessetsu-client outcome list PARCEL",)
)
@click.argument("parcel")
@pass_session
def list_outcomes(session: Session, parcel: str) -> None:
    """Show what was reported."""
    with session.client() as client:
        statement = client.outcomes(parcel)
    rows = [(item.code, say("all") if item.rows == "all" else rows_text(item.rows)) for item in statement.outcomes]
    session.write(
        statement,
        lambda: (
            f"{table((say('Outcome'), say('Rows')), rows)}\n\n" + say("Rows without one: {open}", open=statement.open)
        ),
    )


@click.group(cls=Group, help="Honour recalls: a wrong delivery is a leak.")
def recall() -> None:
    """Group the recall commands."""


@recall.command(
    "list",
    help="List recalled deliveries whose erasure you have not confirmed.",
    examples=("kessetsu-client recall list",),
)
@click.option("--all", "everything", is_flag=True, help="Confirmed ones too.")
@pass_session
def list_recalls(session: Session, *, everything: bool) -> None:
    """Show recalls."""
    with session.client() as client:
        recalls = client.recalls(None if everything else "open")
    headings = tuple(map(say, ("Recall", "Parcel", "Rows", "Reason", "Opened", "Confirmed")))
    rows = [
        (
            item.recall_id,
            item.parcel_id,
            say("all") if item.rows is None else rows_text(item.rows),
            item.reason,
            local(item.opened_at),
            local(item.confirmed_at),
        )
        for item in recalls
    ]
    session.write({"recalls": recalls}, lambda: table(headings, rows) if rows else say("No recall is open."))


@recall.command(
    "confirm",
    help="""Confirm that every copy of what was recalled is erased.

    This is your organisation's statement to the hub and is kept in its log.""",
    examples=("kessetsu-client recall confirm RECALL",),
)
@click.argument("recall_id", metavar="RECALL")
@pass_session
def confirm(session: Session, recall_id: str) -> None:
    """Confirm an erasure."""
    with session.client() as client:
        client.confirm_recall(recall_id)
    session.write({"recall_id": recall_id, "confirmed": True}, lambda: say("The erasure is confirmed."))


COMMANDS: Final = (inbox, outcome, recall)


def _page(page: "InboxPage") -> str:
    headings = tuple(map(say, ("Parcel", "Kind", "Urgency", "Rows", "State", "Erased by", "Acknowledged")))
    parts = [table(headings, list(map(_parcel, page.parcels))) if page.parcels else say("There is nothing new.")]
    if page.next is not None:
        parts.append(say("There is more: --since {cursor}", cursor=page.next))
    elif page.cursor is not None:
        parts.append(say("Next time: --since {cursor}", cursor=page.cursor))
    return "\n\n".join(parts)


def _parcel(parcel: "Parcel") -> tuple[str, ...]:
    return (
        parcel.parcel_id,
        _kind(parcel),
        parcel.severity,
        _known(parcel.record_count),
        parcel.state,
        local(parcel.deadline),
        local(parcel.acknowledged_at),
    )


def _kind(parcel: "Parcel") -> str:
    return f"{parcel.kind} ({say('DRILL')})" if parcel.drill else parcel.kind


def _detail(detail: "ParcelDetail") -> str:
    lines = [
        (say("Parcel"), detail.parcel_id),
        (say("Kind"), _kind(detail)),
        (say("Urgency"), detail.severity),
        (say("State"), detail.state),
        (say("Rows"), _known(detail.record_count)),
        (say("Erased by"), local(detail.deadline)),
    ]
    if detail.recalled_rows:
        lines.append((say("Recalled rows"), rows_text(detail.recalled_rows)))
    lines += [
        (name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in detail.header.items()
        if value is not None
    ]
    return "\n\n".join([pairs(lines), *_why(detail)]) + "\n"


def _why(detail: "ParcelDetail") -> list[str]:
    """Return a paragraph for each reason, under the fields it holds for."""
    fields: dict[tuple[bool, str], list[str]] = {}
    for grant in detail.explanation:
        reason = grant.reason_ja if VOICE.language == "ja" and grant.reason_ja else grant.reason
        fields.setdefault((grant.granted, printable(reason or "")), []).append(grant.field)
    columns = min(get_terminal_size().columns, 100) - 2
    paragraphs = []
    for (granted, reason), names in fields.items():
        heading = f"{say('released') if granted else say('withheld')}: {printable(', '.join(names))}"
        first, *more = wrap(heading, columns)
        paragraphs.append("\n".join([first, *(f"  {line}" for line in (*more, *wrap(reason, columns)) if line)]))
    return paragraphs


def _known(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
