"""``report``: follow one's own reports."""

from typing import TYPE_CHECKING, Final

import click

from kessetsu_client import words
from kessetsu_client.cli.catalogue import say
from kessetsu_client.cli.layout import pairs, table
from kessetsu_client.cli.session import Session, pass_session
from kessetsu_client.cli.speaking import Group
from kessetsu_client.cli.values import count, local

if TYPE_CHECKING:
    from kessetsu_client.answers import Report, ReportPage


@click.group(cls=Group, help="Follow your own reports.")
def report() -> None:
    """Group the report commands."""


@report.command("list", help="List your reports, newest first.", examples=("kessetsu-client report list --limit 20",))
@click.option("--cursor", metavar="CURSOR", help="Where the page begins, as printed by the one before.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many.")
@pass_session
def list_reports(session: Session, cursor: str | None, limit: int | None) -> None:
    """Show one page of reports."""
    with session.client() as client:
        page = client.report_list(cursor=cursor, limit=limit)
    session.write(page, lambda: _page(page))


@report.command("show", help="Show how far a report has come.", examples=("kessetsu-client report show REPORT",))
@click.argument("report_id", metavar="REPORT")
@pass_session
def show(session: Session, report_id: str) -> None:
    """Show one report."""
    with session.client() as client:
        found = client.report_get(report_id)
    session.write(found, lambda: _detail(found))


@report.command(
    "withdraw",
    help="""Withdraw a report: recipients lose access at once and are asked to erase their copies.

    To correct a report, withdraw it and push the corrected one.""",
    examples=("kessetsu-client report withdraw REPORT --reason report-corrected",),
)
@click.argument("report_id", metavar="REPORT")
@click.option(
    "--reason",
    type=click.Choice(words.WITHDRAWAL_REASONS),
    default="report-withdrawn",
    show_default=True,
    help="Why it is withdrawn.",
)
@pass_session
def withdraw(session: Session, report_id: str, reason: str) -> None:
    """Withdraw one report."""
    with session.client() as client:
        withdrawal = client.withdraw(report_id, reason)
    session.write(withdrawal, lambda: _told(withdrawal.recalls))


COMMANDS: Final = (report,)


def _page(page: "ReportPage") -> str:
    if not page.reports:
        return say("There are no reports.")
    headings = tuple(map(say, ("Report", "Kind", "State", "Received", "Rows taken", "Delivered", "Recipients")))
    parts = [table(headings, list(map(_line, page.reports)))]
    if page.next is not None:
        parts.append(say("There is more: --cursor {cursor}", cursor=page.next))
    return "\n\n".join(parts)


def _line(item: "Report") -> tuple[str, ...]:
    return (
        item.report_id,
        f"{item.kind} ({say('DRILL')})" if item.drill else item.kind,
        item.state,
        local(item.received_at),
        f"{item.rows_taken:,}",
        count(item.delivered.records),
        count(item.delivered.recipients),
    )


def _detail(item: "Report") -> str:
    labels = ("Report", "Kind", "State", "Received", "Rows taken", "Delivered", "Recipients")
    lines = list(zip(map(say, labels), _line(item), strict=True))
    lines += [(say("Rows refused"), f"{item.rows_refused:,}"), (say("Erased by"), local(item.deadline))]
    if item.hold_reason is not None:
        lines.append((say("Held because"), item.hold_reason))
    return pairs(lines)


def _told(recalls: int | None) -> str:
    if recalls is None:
        return say("Withdrawn; whatever was delivered of it is recalled.")
    return say("Withdrawn; {recalls} deliveries are recalled.", recalls=recalls)
