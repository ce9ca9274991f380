"""The whole story, in order: how a push becomes what each carrier may know, and when it is forgotten.

    receive()      attribute()     decide()       seal()        release()      sweep()
    intake    ──▶  attribution ──▶ disclosure ──▶ delivery ──▶  streams   ──▶  retention

Steps do not know each other; they meet here, and each hands the next a record it cannot change.
"""

from dataclasses import dataclass
from uuid import UUID

from hub.attribution.step import attribute
from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.delivery.step import Delivery, bucket_deadlines, seal
from hub.disclosure.door import Door
from hub.disclosure.step import decide, narrow_frame
from hub.errors import Conflict, Gone, KeyDestroyed, NotFound
from hub.intake.blob import from_chunks, to_chunks
from hub.intake.receipts import receipt_of, replay_of
from hub.intake.step import Arrival, IntakeRules, Push, check, identify
from hub.members.credentials import require, require_active
from hub.records import (
    AttributedReport,
    Binding,
    Bucket,
    DecidedReport,
    Delivered,
    GrantedParcel,
    Receipt,
    Report,
    ReportStatus,
    SealedReport,
    StoredPush,
)
from hub.retention.policy import RetentionPolicy
from hub.sealing.boxes import BoxRoom, open_all, seal_one
from hub.sealing.canonical import canonical_json
from hub.sealing.keystore import KeyService
from hub.sealing.signing import Signer
from hub.store.directory import Directory
from hub.store.unit import Store, Unit
from hub.vocabulary import DataClass, HoldReason, ReportState, Scope, Severity

PROCESS_REPORT = "process-report"
"""The job that carries a report from receipt to release."""

REPORTS_QUEUE = "reports"
URGENT, NORMAL = 10, 0
"""Priorities: a report of an ongoing attack overtakes the others."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps with everything they need; made by :mod:`hub.wiring`."""

    store: Store
    keys: KeyService
    signer: Signer
    clock: Clock
    retention: RetentionPolicy
    rules: IntakeRules
    directory: Directory
    door: Door
    minimum_cell: int

    # --- a member pushes ------------------------------------------------------------------------------

    def receive(self, push: Push) -> Receipt:
        """Take a push: when this returns, it is committed; a retry gets the same receipt and changes nothing.

        Raises:
            BadInput: nothing was taken; the faults say what to mend.
            Conflict: the Idempotency-Key was used for other content.
            Unavailable: nothing was taken; send it again.
        """
        require(push.caller, Scope.PUSH)
        earlier = self._earlier(push)
        if earlier is not None:
            return earlier
        arrival = check(push, rules=self.rules, deadlines=self.retention, clock=self.clock)
        return self._keep(push, arrival)

    def _earlier(self, push: Push) -> Receipt | None:
        """Answer a retry by its key, even where its data would be refused as too old by now."""
        with self.store.reading() as unit:
            stored = unit.reports.by_key(push.caller.member_id, push.idempotency_key)
        if stored is None:
            return None
        content_sha256, identity = identify(push, self.rules)
        bucket = self.retention.intake_bucket(stored.status.received_at, stored.status.deadline)
        try:
            same = self.keys.tag(bucket, "push", identity) == stored.body_tag
        except KeyDestroyed:
            same = True  # nobody can tell any more; the key alone names the push
        if not same:
            raise Conflict(
                "This Idempotency-Key was used for a different push.",
                expected="one key per push, repeated only with the same records and envelope",
                action="Make a new key for a new push.",
            )
        return replay_of(stored, content_sha256, self.signer, canonical_json)

    def _keep(self, push: Push, arrival: Arrival) -> Receipt:
        bucket = arrival.blob_bucket
        self.keys.ensure(bucket)
        stored = self._same_content(arrival)
        if stored is None:
            tag = self.keys.tag(bucket, "push", arrival.identity)
            binding = Binding(arrival.report_id, push.caller.capacity_id, bucket)
            blob = seal_one(self.keys, binding, to_chunks(arrival.envelope, arrival.checked.records))
            self.store.ensure_partitions([bucket.deadline])
            with self.store.writing() as unit:
                require_active(unit.members.standing_locked(push.caller.member_id))
                unit.credentials.require_in_force(push.caller.credential_id, self.clock.now())
                if unit.reports.add(arrival, tag):
                    unit.sealed.put([blob], self.clock)
                    unit.audit.append(self._entry(Act.PUSHED, push.caller.credential_id, report=arrival.report_id))
                    enqueue(unit, arrival.report_id, arrival.envelope.severity)
                    return receipt_of(arrival, self.signer, canonical_json)
            stored = self._same_content(arrival)
        if stored is None:  # its key was used meanwhile, for other content or by a push that is gone
            raise Conflict(
                "The same Idempotency-Key is in use by another push at this moment.",
                expected="one key per push",
                action="Send this push again; use a new key for a new push.",
            )
        return replay_of(stored, arrival.content_sha256, self.signer, canonical_json)

    def _same_content(self, arrival: Arrival) -> StoredPush | None:
        """Find the same push under another key: its tag may stand under any intake key still alive."""
        buckets = self.keys.live(DataClass.INTAKE)
        tags = [tag for bucket in buckets if (tag := self._tag_if_alive(bucket, arrival.identity)) is not None]
        with self.store.reading() as unit:
            return unit.reports.by_content(arrival.caller.member_id, tags)

    def _tag_if_alive(self, bucket: Bucket, identity: bytes) -> bytes | None:
        try:
            return self.keys.tag(bucket, "push", identity)
        except KeyDestroyed:
            return None

    # --- the worker carries it on ---------------------------------------------------------------------

    def process(self, report_id: UUID) -> None:
        """Carry a report as far as it can go by itself: to release, or to an officer's desk.

        Safe to run again after any interruption, and beside itself: states move only from the expected one.
        """
        with self.store.reading() as unit:
            status = unit.reports.status(report_id)
        if status is not None and status.state is ReportState.RECEIVED:
            self._decide_and_stage(status)
        self.release(report_id)

    def _decide_and_stage(self, status: ReportStatus) -> None:
        report = self._open(status)
        if report is None:
            return
        attributed = attribute(report, self.directory.networks())
        no_table = attributed.hold is HoldReason.NO_PREFIX_TABLE
        if no_table or (attributed.hold is not None and status.decided_by is None):
            self._hold(status, attributed)
            return
        self._stage(status, self._sealed(self._decided(attributed)))

    def _open(self, status: ReportStatus) -> Report | None:
        """Open a received report's blob; ``None`` where its key or rows are gone (the sweep marks it lapsed)."""
        try:
            with self.store.reading() as unit:
                sealed = unit.sealed.get(status.id, status.blob_bucket.deadline)
            envelope, records = from_chunks(open_all(self.keys, sealed))
        except (KeyDestroyed, Gone):
            return None
        return Report(
            id=status.id,
            reporter_id=status.member_id,
            reporter_capacity_id=status.capacity_id,
            received_at=status.received_at,
            deadline=status.deadline,
            envelope=envelope,
            records=records,
        )

    def _decided(self, attributed: AttributedReport) -> DecidedReport:
        now = self.clock.now()
        with self.store.reading() as unit:
            parties = unit.members.parties([recipient.capacity_id for recipient in attributed.recipients], now)
        return decide(attributed, parties, self.door.engine, now)

    def _sealed(self, decided: DecidedReport) -> SealedReport:
        with BoxRoom(self.keys) as boxes:
            delivery = Delivery(
                deadlines=self.retention,
                boxes=boxes,
                narrow=narrow_frame,
                minimum_cell=self.minimum_cell,
                now=self.clock.now(),
            )
            return seal(decided, delivery)

    def _stage(self, status: ReportStatus, sealed: SealedReport) -> None:
        """Store parcels that nobody can see yet: all of a report's, or none."""
        now = self.clock.now()
        self.store.ensure_partitions(bucket_deadlines(sealed))
        with self.store.writing() as unit:
            unit.parcels.remember_policies(self.door.engine.hash, self.door.engine.text, now)
            unit.sealed.put([parcel.sealed for parcel in sealed.parcels], self.clock)
            unit.parcels.stage(sealed.parcels, now)
            unit.facts.add(sealed)
            unit.reports.mark_sealed(status.id, now)

    def release(self, report_id: UUID) -> None:
        """Make a sealed report's parcels visible in one short transaction, if policy still lets them out today."""
        now = self.clock.now()
        with self.store.writing() as unit:
            status = unit.reports.status(report_id, for_update=True)
            if status is None or status.state is not ReportState.SEALED:
                return
            staged = unit.parcels.staged(report_id)
            parties = unit.members.parties([item.parcel.recipient.capacity_id for item in staged], now)
            visible: list[GrantedParcel] = []
            withheld: list[GrantedParcel] = []
            for item in staged:
                (visible if self.door.verdict_today(item, parties, now) else withheld).append(item)
            self._withhold(unit, withheld)
            unit.parcels.release([item.parcel for item in visible], now)
            unit.reports.mark_released(report_id, self._delivered(visible), now)
            unit.sealed.delete([report_id], status.blob_bucket.deadline)
            unit.audit.append_all(self._release_entries(report_id, visible))

    def _delivered(self, items: list[GrantedParcel]) -> Delivered:
        recipients = {item.parcel.recipient.member_id for item in items}
        records = sum(item.parcel.record_count or 0 for item in items)
        return Delivered.suppressed(records, len(recipients), self.minimum_cell)

    def _withhold(self, unit: Unit, items: list[GrantedParcel]) -> None:
        for item in items:
            unit.sealed.delete([item.parcel.id], item.parcel.bucket.deadline)
        if items:
            unit.parcels.drop_staged([item.parcel.id for item in items], self.clock.now())

    def _release_entries(self, report_id: UUID, items: list[GrantedParcel]) -> list[AuditEntry]:
        return [
            self._entry(
                Act.RELEASED,
                None,
                report=report_id,
                parcel=item.parcel.id,
                capacity=item.parcel.recipient.capacity_id,
                policy=item.grant.policy_hash,
            )
            for item in items
        ]

    # --- an officer decides ---------------------------------------------------------------------------

    def _hold(self, status: ReportStatus, attributed: AttributedReport) -> None:
        """Move a report's blob under the longer key of held reports, and stop."""
        report = attributed.report
        if attributed.hold is None:
            raise ValueError("only a report with a reason to be held is held")
        bucket = self.retention.held_bucket(status.received_at, status.deadline)
        self.keys.ensure(bucket)
        blob = seal_one(
            self.keys, Binding(report.id, status.capacity_id, bucket), to_chunks(report.envelope, report.records)
        )
        self.store.ensure_partitions([bucket.deadline])
        with self.store.writing() as unit:
            unit.reports.hold(report.id, attributed.hold, attributed.spoofing, bucket)
            unit.sealed.delete([report.id], status.blob_bucket.deadline)
            unit.sealed.put([blob], self.clock)
            unit.audit.append(self._entry(Act.HELD, None, report=report.id, reason=attributed.hold.value))

    def deliver_held(self, report_id: UUID, *, officer: str, reason: str) -> None:
        """Let a held report go on, by an officer's decision."""
        with self.store.writing() as unit:
            status = self._held(unit, report_id)
            unit.reports.decide(report_id, ReportState.RECEIVED, by=officer, reason=reason, at=self.clock.now())
            unit.audit.append(self._entry(Act.HELD_DELIVERED, None, report=report_id))
            enqueue(unit, report_id, status.severity)

    def refuse_held(self, report_id: UUID, *, officer: str, reason: str) -> None:
        """End a held report undelivered, by an officer's decision; its blob is deleted."""
        with self.store.writing() as unit:
            status = self._held(unit, report_id)
            unit.reports.decide(report_id, ReportState.REFUSED, by=officer, reason=reason, at=self.clock.now())
            unit.sealed.delete([report_id], status.blob_bucket.deadline)
            unit.audit.append(self._entry(Act.REFUSED, None, report=report_id))

    def _held(self, unit: Unit, report_id: UUID) -> ReportStatus:
        status = unit.reports.status(report_id, for_update=True)
        if status is None or status.state is not ReportState.HELD:
            raise NotFound(
                "There is no such held report.",
                expected="the id of a report in state 'held'",
                got="none" if status is None else status.state.value,
                action="List held reports with: kessetsu report held",
            )
        return status

    def _entry(self, act: Act, actor: UUID | None, **subjects: UUID | str) -> AuditEntry:
        return AuditEntry.of(act, at=self.clock.now(), actor=actor, **subjects)


def enqueue(unit: Unit, report_id: UUID, severity: Severity) -> None:
    """Ask the worker to carry a report on, once this transaction commits."""
    priority = URGENT if severity is Severity.ONGOING_ATTACK else NORMAL
    unit.jobs.defer(PROCESS_REPORT, queue=REPORTS_QUEUE, priority=priority, report_id=str(report_id))
