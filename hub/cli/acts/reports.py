"""Acts on reports that wait for an officer, and on deliveries that were wrong."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from hub.cli.catalogue import say
from hub.errors import NotFound
from hub.records import ReportStatus
from hub.store.unit import Store
from hub.vocabulary import HoldReason
from hub.wiring import Hub


def held(store: Store) -> list[dict[str, Any]]:
    """Return the reports that wait for a decision, oldest first, with why they do."""
    with store.reading() as unit:
        names = {member.id: member.name for member in unit.members.all()}
        return [_held(status, figures, names) for status, figures in unit.reports.held()]


def show(store: Store, report_id: UUID) -> dict[str, Any]:
    """Return a report as an officer may see it: nothing of its records.

    Raises:
        NotFound: there is none of this id.
    """
    with store.reading() as unit:
        status = unit.reports.status(report_id)
        if status is None:
            raise NotFound(
                say("There is no such report."),
                got=str(report_id),
                expected=say("the id of a report"),
                action=say("List those that wait with: kessetsu report held"),
            )
        names = {member.id: member.name for member in unit.members.all()}
        figures = {one.id: figures for one, figures in unit.reports.held()}.get(report_id)
    return _held(status, figures, names)


def deliver(hub: Hub, report_id: UUID, *, officer: str, reason: str) -> None:
    """Let a held report go on; the worker delivers it.

    Raises:
        NotFound: no held report of this id.
    """
    hub.flow.deliver_held(report_id, officer=officer, reason=reason)


def refuse(hub: Hub, report_id: UUID, *, officer: str, reason: str) -> None:
    """End a held report undelivered.

    Raises:
        NotFound: no held report of this id.
    """
    hub.flow.refuse_held(report_id, officer=officer, reason=reason)


def unconfirmed(store: Store) -> list[dict[str, Any]]:
    """Return the recalls whose erasure no recipient has confirmed, oldest first."""
    with store.reading() as unit:
        cases: Sequence[Any] = unit.recalls.unconfirmed()
        holders = {
            capacity_id: unit.members.capacity(capacity_id) for capacity_id in {case.capacity_id for case in cases}
        }
        names = {member.id: member.name for member in unit.members.all()}
    return [
        {
            "id": case.id,
            "parcel": case.parcel_id,
            "member": names[holder.member_id] if (holder := holders[case.capacity_id]) else None,
            "reason": case.reason,
            "rows": case.rows,
            "opened_at": case.opened_at,
        }
        for case in cases
    ]


def _held(status: ReportStatus, figures: Mapping[str, Any] | None, names: Mapping[UUID, str]) -> dict[str, Any]:
    waits = {} if figures is None else dict(figures)
    return {
        "id": status.id,
        "member": names[status.member_id],
        "state": status.state,
        "kind": status.kind,
        "drill": status.drill,
        "severity": status.severity,
        "received_at": status.received_at,
        "rows_taken": status.rows_taken,
        "rows_refused": status.rows_refused,
        "hold_reason": status.hold_reason,
        "decide_by": status.blob_bucket.deadline if figures is not None else None,
        "why": _why(status.hold_reason, waits),
        "figures": waits,
        "decided_by": status.decided_by,
        "deadline": status.deadline,
    }


def _why(reason: HoldReason | None, figures: Mapping[str, Any]) -> str | None:
    if reason is HoldReason.NO_PREFIX_TABLE:
        return say("There is no prefix table for the time of its records: import one, then deliver it.")
    if reason is None or "distinct_share" not in figures:
        return None
    return say(
        "Its sources look forged: {distinct:.0%} are seen once only, {unrouted:.1%} are routed nowhere (of random "
        "addresses it would be {expected:.1%}).",
        distinct=figures["distinct_share"],
        unrouted=figures["unrouted_share"],
        expected=figures["expected_unrouted_share"],
    )
