"""Pushes and how far they have come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.intake.envelope import public_envelope
from hub.intake.step import Arrival
from hub.records import Bucket, Delivered, ReportStatus, RowError, SpoofingAssessment, StoredPush
from hub.store.tables import outcome_totals, reports
from hub.vocabulary import DataClass, HoldReason, ReportKind, ReportState, Severity

_HAS_NO_JOB = text(
    "NOT EXISTS (SELECT FROM jobs.procrastinate_jobs AS job WHERE job.status IN ('todo', 'doing')"
    " AND job.args ->> 'report_id' = CAST(reports.id AS text))"
)


class ReportRepository:
    """Reads and moves reports. A state changes only from the state it is expected in."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def add(self, arrival: Arrival, body_tag: bytes) -> bool:
        """Insert a received report; ``False`` where the same push is there already, by key or by content."""
        checked = arrival.checked
        inserted = self._connection.execute(
            upsert(reports)
            .on_conflict_do_nothing()
            .values(
                id=arrival.report_id,
                member_id=arrival.caller.member_id,
                capacity_id=arrival.caller.capacity_id,
                credential_id=arrival.caller.credential_id,
                state=ReportState.RECEIVED.value,
                kind=arrival.envelope.kind.value,
                drill=arrival.envelope.drill,
                severity=arrival.envelope.severity.value,
                statement=dict(public_envelope(arrival.envelope)),
                idempotency_key=arrival.idempotency_key,
                body_tag=body_tag,
                received_at=arrival.received_at,
                deadline=arrival.deadline,
                blob_class=arrival.blob_bucket.data_class.value,
                blob_deadline=arrival.blob_bucket.deadline,
                rows_taken=checked.records.height,
                rows_refused=checked.refused,
                row_errors=[[error.row, error.column, error.reason] for error in checked.errors],
                refusal_reasons=dict(checked.reasons),
            )
            .returning(reports.c.id)
        )
        return inserted.one_or_none() is not None

    def by_key(self, member_id: UUID, idempotency_key: str) -> StoredPush | None:
        """Return the report a member pushed under this key."""
        return self._stored(reports.c.member_id == member_id, reports.c.idempotency_key == idempotency_key)

    def by_content(self, member_id: UUID, body_tags: Sequence[bytes]) -> StoredPush | None:
        """Return the report a member pushed with this content, by any of the tags it may stand under."""
        return self._stored(
            reports.c.member_id == member_id,
            reports.c.body_tag.in_(body_tags),
            reports.c.state != ReportState.WITHDRAWN.value,
        )

    def _stored(self, *conditions: ColumnElement[bool]) -> StoredPush | None:
        query = select(reports).where(*conditions).order_by(reports.c.received_at).limit(1)
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        errors = tuple(RowError(*error) for error in row["row_errors"])
        return StoredPush(_status(row), bytes(row["body_tag"]), errors, row["refusal_reasons"])

    def status(self, report_id: UUID, *, for_update: bool = False) -> ReportStatus | None:
        """Return one report, locked against others' changes if asked."""
        query = select(reports).where(reports.c.id == report_id)
        if for_update:
            query = query.with_for_update()
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _status(row)

    def page(self, member_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int) -> list[ReportStatus]:
        """Return a member's reports, newest first, from a keyset position."""
        query = select(reports).where(reports.c.member_id == member_id)
        if before is not None:
            query = query.where(tuple_(reports.c.received_at, reports.c.id) < tuple_(*before))
        query = query.order_by(reports.c.received_at.desc(), reports.c.id.desc()).limit(limit)
        return [_status(row) for row in self._connection.execute(query).mappings()]

    def hold(self, report_id: UUID, reason: HoldReason, figures: SpoofingAssessment, bucket: Bucket) -> None:
        """Stop a received report for an officer; its blob now stands in ``bucket``."""
        self._move(
            report_id,
            ReportState.RECEIVED,
            state=ReportState.HELD.value,
            hold_reason=reason.value,
            hold_figures=_figures(figures),
            blob_class=bucket.data_class.value,
            blob_deadline=bucket.deadline,
        )

    def decide(self, report_id: UUID, state: ReportState, *, by: str, reason: str, at: datetime) -> None:
        """Record an officer's decision on a held report: back to ``received`` (deliver) or ``refused``."""
        ended = at if state is ReportState.REFUSED else None
        self._move(
            report_id, ReportState.HELD, state=state.value, decided_by=by, decision_reason=reason, ended_at=ended
        )

    def mark_sealed(self, report_id: UUID, at: datetime) -> None:
        """Record that all parcels of a report are staged."""
        self._move(report_id, ReportState.RECEIVED, state=ReportState.SEALED.value, sealed_at=at)

    def mark_released(self, report_id: UUID, delivered: Delivered, at: datetime) -> None:
        """Record that all parcels of a report are visible, and how much that was, suppressed."""
        self._move(
            report_id,
            ReportState.SEALED,
            state=ReportState.RELEASED.value,
            released_at=at,
            delivered_records=delivered.records,
            delivered_recipients=delivered.recipients,
        )

    def withdraw(self, report_id: UUID, at: datetime) -> None:
        """End a report by its sender's will, whatever state it is in."""
        self._connection.execute(
            update(reports).where(reports.c.id == report_id).values(state=ReportState.WITHDRAWN.value, ended_at=at)
        )

    def statement(self, report_id: UUID) -> dict[str, Any]:
        """Return what a report's envelope says besides its secrets."""
        said: dict[str, Any] = self._connection.execute(
            select(reports.c.statement).where(reports.c.id == report_id)
        ).scalar_one()
        return said

    def held(self) -> list[tuple[ReportStatus, Mapping[str, Any]]]:
        """Return what waits for an officer, oldest first, with the figures that made it wait."""
        query = select(reports).where(reports.c.state == ReportState.HELD.value).order_by(reports.c.received_at)
        return [(_status(row), row["hold_figures"]) for row in self._connection.execute(query).mappings()]

    def without_job(self, since: datetime) -> list[tuple[UUID, Severity]]:
        """Return id and severity of reports on their way since before ``since`` that no job carries."""
        query = select(reports.c.id, reports.c.severity).where(
            reports.c.state.in_([ReportState.RECEIVED.value, ReportState.SEALED.value]),
            reports.c.received_at < since,
            reports.c.blob_deadline > func.now(),
            _HAS_NO_JOB,
        )
        return [(report_id, Severity(severity)) for report_id, severity in self._connection.execute(query)]

    def outcome_totals(self, report_id: UUID) -> dict[str, int]:
        """Return what recipients did, counted over erased parcels."""
        query = select(outcome_totals.c.code, outcome_totals.c.records).where(outcome_totals.c.report_id == report_id)
        return dict(map(tuple, self._connection.execute(query)))

    def _move(self, report_id: UUID, expected: ReportState, **values: object) -> None:
        moved = self._connection.execute(
            update(reports).where(reports.c.id == report_id, reports.c.state == expected.value).values(**values)
        )
        if moved.rowcount != 1:
            raise RuntimeError(f"a report expected to be {expected.value} was moved by someone else meanwhile")


def _figures(figures: SpoofingAssessment) -> dict[str, object]:
    return {
        "distinct_share": figures.distinct_share,
        "unrouted_share": figures.unrouted_share,
        "expected_unrouted_share": figures.expected_unrouted_share,
        "single_packet_share": figures.single_packet_share,
        "reason": figures.reason,
    }


def _status(row: RowMapping) -> ReportStatus:
    return ReportStatus(
        id=row["id"],
        member_id=row["member_id"],
        capacity_id=row["capacity_id"],
        state=ReportState(row["state"]),
        kind=ReportKind(row["kind"]),
        drill=row["drill"],
        severity=Severity(row["severity"]),
        received_at=row["received_at"],
        deadline=row["deadline"],
        blob_bucket=Bucket(DataClass(row["blob_class"]), row["blob_deadline"]),
        rows_taken=row["rows_taken"],
        rows_refused=row["rows_refused"],
        hold_reason=None if row["hold_reason"] is None else HoldReason(row["hold_reason"]),
        decided_by=row["decided_by"],
        delivered=Delivered(row["delivered_records"], row["delivered_recipients"]),
    )
