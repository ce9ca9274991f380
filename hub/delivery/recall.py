"""Recall: a wrong delivery is a leak. Access ends at once, erasure at the recipient is asked and confirmed.

Nothing is routed anew after release; whoever should have received it gets it when the reporter pushes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.delivery.ports import DeliveryStore, DeliveryUnit
from hub.errors import BadInput, Gone, NotFound
from hub.members.credentials import require
from hub.records import Caller, ParcelStatus, Recall
from hub.vocabulary import ParcelState, RecallReason, ReportState, Scope

SENDERS_REASONS = frozenset(
    {RecallReason.REPORT_WITHDRAWN, RecallReason.REPORT_CORRECTED, RecallReason.CONSENT_WITHDRAWN}
)
"""Why a reporter may take its report back; the others are for the hub's officer."""


@dataclass(frozen=True, slots=True)
class RecallDesk:
    """Use cases around recall; made by :mod:`hub.wiring`."""

    store: DeliveryStore
    clock: Clock
    minimum_cell: int
    """Counts below this are not told."""

    def recall(self, parcel_id: UUID, reason: RecallReason, *, rows: Sequence[int] | None, officer: str) -> None:
        """Recall a parcel, or some of its rows, by an officer's decision."""
        with self.store.writing() as unit:
            parcel = unit.parcels.status(parcel_id)
            if parcel is None:
                raise NotFound("There is no such parcel.", expected="the id of a released parcel", got=str(parcel_id))
            _require_recallable(parcel, rows)
            self._recall(unit, parcel, reason, rows, by=officer)

    def withdraw(self, caller: Caller, report_id: UUID, reason: RecallReason) -> int | None:
        """Take a report back by its sender's will; returns how many parcels are recalled, ``None`` where too few.

        What was not delivered yet is deleted; what was is recalled. Again changes nothing.
        """
        require(caller, Scope.PUSH)
        if reason not in SENDERS_REASONS:
            raise BadInput(
                "A sender cannot withdraw a report for this reason.",
                expected=", ".join(sorted(word.value for word in SENDERS_REASONS)),
                got=reason.value,
            )
        now = self.clock.now()
        with self.store.writing() as unit:
            status = unit.reports.status(report_id, for_update=True)
            if status is None or status.member_id != caller.member_id:
                raise NotFound("You have no such report.", expected="the id of a report of yours")
            if status.state is ReportState.WITHDRAWN:
                return self._told(unit.recalls.parcels_of_report(report_id))
            for parcel in unit.parcels.of_report(report_id):
                self._take_back(unit, parcel, reason, caller)
            unit.sealed.delete([report_id], status.blob_bucket.deadline)
            unit.reports.withdraw(report_id, now)
            unit.audit.append(
                AuditEntry.of(Act.WITHDRAWN, at=now, actor=caller.credential_id, report=report_id, reason=reason.value)
            )
            return self._told(unit.recalls.parcels_of_report(report_id))

    def open_cases(self, caller: Caller, *, only_open: bool) -> list[Recall]:
        """Return what the caller has to erase, or has erased."""
        require(caller, Scope.INBOX)
        with self.store.reading() as unit:
            return unit.recalls.of_capacity(caller.capacity_id, only_open=only_open)

    def confirm(self, caller: Caller, recall_id: UUID) -> Recall:
        """Record that the caller has erased its copy."""
        require(caller, Scope.INBOX)
        now = self.clock.now()
        with self.store.writing() as unit:
            case = unit.recalls.confirm(recall_id, caller.capacity_id, caller.credential_id, now)
            if case is None:
                raise NotFound("You have no such recall.", expected="the id of a recall of yours")
            unit.audit.append(
                AuditEntry.of(Act.RECALL_CONFIRMED, at=now, actor=caller.credential_id, parcel=case.parcel_id)
            )
        return case

    def _told(self, count: int) -> int | None:
        """Suppress a small count: it would tell the sender whether one source's network is a member's."""
        return count if count >= self.minimum_cell else None

    def _take_back(self, unit: DeliveryUnit, parcel: ParcelStatus, reason: RecallReason, caller: Caller) -> None:
        if parcel.state is ParcelState.SEALED:
            unit.sealed.delete([parcel.id], parcel.bucket.deadline)
            unit.parcels.drop_staged([parcel.id], self.clock.now())
        else:
            self._recall(unit, parcel, reason, None, by=str(caller.credential_id))

    def _recall(
        self, unit: DeliveryUnit, parcel: ParcelStatus, reason: RecallReason, rows: Sequence[int] | None, *, by: str
    ) -> None:
        now = self.clock.now()
        unit.parcels.recall(parcel.id, rows, now)
        if rows is None:
            unit.sealed.delete([parcel.id], parcel.bucket.deadline)
        unit.recalls.open(parcel.id, unit.parcels.grantees(parcel.id), reason, rows, by=by, at=now)
        unit.audit.append(
            AuditEntry.of(
                Act.RECALLED,
                at=now,
                actor=None,
                parcel=parcel.id,
                capacity=parcel.recipient.capacity_id,
                reason=reason.value,
            )
        )


def _require_recallable(parcel: ParcelStatus, rows: Sequence[int] | None) -> None:
    if parcel.state is not ParcelState.RELEASED:
        raise Gone(
            "Only a released parcel can be recalled.",
            expected=ParcelState.RELEASED.value,
            got=parcel.state.value,
            action="Nothing: nobody can read it.",
        )
    count = parcel.record_count or 0
    if rows is not None and not (rows and all(1 <= row <= count for row in rows)):
        raise BadInput("The rows are not in this parcel.", expected=f"numbers from 1 to {count}")
