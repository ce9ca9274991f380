"""The frozen records that travel between the steps; each step takes the one before and returns its own.

Bulk is held in columns (:class:`polars.DataFrame`), never as an object per row. Evidence columns, in every
record below that has a ``records`` frame:

=============  ================================  =======================================================
column         type                              meaning
=============  ================================  =======================================================
``row``        ``UInt32``                        1-based number of the data row in the member's file
``src_hi``     ``UInt64``                        upper half of the source address as 128 bits
``src_lo``     ``UInt64``                        lower half; an IPv4 address is IPv4-mapped (RFC 4291)
``src_port``   ``UInt16``, null                  source port
``dst_hi``     ``UInt64``, null                  destination address, as above
``dst_lo``     ``UInt64``, null
``dst_port``   ``UInt16``, null                  destination port
``protocol``   ``UInt8``, null                   IANA protocol number
``first_seen`` ``Datetime('us', 'UTC')``         start of what was seen
``last_seen``  ``Datetime('us', 'UTC')``         its end; equals ``first_seen`` where none was given
``packets``    ``UInt64``, null
``bytes``      ``UInt64``, null
``tcp_flags``  ``UInt8``, null                   union of the flags seen (RFC 9293 bit values)
=============  ================================  =======================================================

Attribution appends:

=============  ================================  =======================================================
``outcome``    ``UInt8``                         :class:`~hub.vocabulary.SourceOutcome`
``recipient``  ``Int32``                         index into ``recipients``; -1 where there is none
``asn``        ``UInt32``                        origin AS by the prefix table; 0 where there is none
``marks``      ``UInt8``                         :class:`~hub.vocabulary.Mark` bits
=============  ================================  =======================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

import polars as pl

from hub.vocabulary import (
    CapacityKind,
    DataClass,
    Field,
    HoldReason,
    LegalBasis,
    OutcomeCode,
    ParcelState,
    Purpose,
    RecallReason,
    Relation,
    ReportKind,
    ReportState,
    RequestedAction,
    Scope,
    Severity,
    Standing,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: one credential of one member, in one capacity."""

    member_id: UUID
    capacity_id: UUID
    kind: CapacityKind
    standing: Standing
    credential_id: UUID
    scopes: frozenset[Scope]
    delegator_id: UUID | None = None
    """The operator's capacity this one acts for, where ``kind`` is ``delegate``."""

    @property
    def inbox_id(self) -> UUID:
        """The capacity whose inbox stream this caller reads: its own, or that of the operator it acts for."""
        return self.delegator_id or self.capacity_id


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a member states about a report, checked. ``target`` is as secret as the records.

    ``hub.intake.envelope`` makes it; nothing else should.
    """

    kind: ReportKind
    legal_basis: LegalBasis
    purpose: Purpose
    data_class: DataClass
    mandate: str
    """Reference of the mandate: which member asked the hub to act, for which matter."""
    consent: str | None
    """Reference of the consent the basis rests on; required where the basis is a consent."""
    requested_action: RequestedAction
    severity: Severity
    vectors: tuple[str, ...]
    target: str | None = field(repr=False)
    """Address or prefix under attack, canonical text; required for attacks."""
    start: datetime | None
    end: datetime | None
    malware_family: str | None
    detection: str | None
    vulnerability: str | None
    time_zone: str | None
    """IANA zone of naive times in the records; without it naive times are refused."""
    epoch_columns: frozenset[str]
    """Time columns that hold seconds since 1970; an undeclared number is refused."""
    reject_report: bool
    """``on_error=reject-report``: one bad row refuses all."""

    @property
    def drill(self) -> bool:
        """Whether this is an exercise."""
        return self.purpose is Purpose.DRILL


@dataclass(frozen=True, slots=True)
class RowError:
    """One refused row, by place and reason; the value itself is not kept (it may be an address)."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckedRecords:
    """The records of a report after the column check."""

    records: pl.DataFrame = field(repr=False)
    total: int
    """Data rows in the file."""
    refused: int
    """Rows refused; ``total - refused == records.height``."""
    errors: tuple[RowError, ...]
    """The first of the refusals, at most the stated limit."""
    reasons: Mapping[str, int]
    """All refusals, counted by ``column:reason``."""


@dataclass(frozen=True, slots=True)
class Report:
    """A member's push, accepted: envelope and checked columns."""

    id: UUID
    reporter_id: UUID
    reporter_capacity_id: UUID
    received_at: datetime
    deadline: datetime
    """Of its earliest event: no parcel of it may outlive its own, none is later than the class maximum."""
    envelope: Envelope
    records: pl.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A capacity whose holdings a report's sources fell into."""

    capacity_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True)
class SpoofingAssessment:
    """Whether a report's sources look randomly spoofed, and the figures that say so."""

    looks_spoofed: bool
    distinct_share: float
    unrouted_share: float
    expected_unrouted_share: float
    single_packet_share: float | None
    reason: str
    """One plain sentence with the figures; holds no address."""


@dataclass(frozen=True, slots=True)
class AttributedReport:
    """A report whose every record says in whose network its source was at the time."""

    report: Report
    records: pl.DataFrame = field(repr=False)
    recipients: tuple[Recipient, ...]
    countries: Mapping[int, str]
    """ISO country by AS number, for the ASes that occur."""
    table_ids: tuple[UUID, ...]
    """The prefix table versions that answered."""
    spoofing: SpoofingAssessment
    hold: HoldReason | None
    """Set where a person must decide before anybody is told."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy engine answered for one capacity: the fields granted, and why."""

    capacity_id: UUID
    member_id: UUID
    fields: frozenset[Field]
    policy_ids: tuple[str, ...]
    """Policies that permitted, in order of name."""
    denied_by: tuple[str, ...]
    """Policies that forbade; empty where nothing permitted in the first place."""
    policy_hash: str

    def __bool__(self) -> bool:
        """Tell whether anything at all may be shown; a source without its address is nothing."""
        return Field.SOURCE_ADDRESS in self.fields


@dataclass(frozen=True, slots=True)
class DecidedReport:
    """An attributed report with, per recipient index, what that recipient and its delegates may see."""

    attributed: AttributedReport
    verdicts: tuple[Verdict, ...]
    """One per entry of ``attributed.recipients``, same order."""
    delegates: Mapping[int, tuple[Verdict, ...]]
    """Verdicts of the recipient's delegates in force, by recipient index; fields are a subset of the recipient's."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One (class, deadline) of the key store: all that dies together."""

    data_class: DataClass
    deadline: datetime

    @property
    def name(self) -> str:
        """File-safe name, sortable by time within the class."""
        return f"{self.data_class.value}/{self.deadline:%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed object is bound to: opened for another object, owner or deadline, it fails."""

    object_id: UUID
    owner_id: UUID
    """The capacity (a parcel) or the reporter's capacity (an intake blob)."""
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ciphertext of one object: its wrapped data key, and chunks that open separately."""

    binding: Binding
    wrapped_key: bytes = field(repr=False)
    chunks: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedParcel:
    """What one recipient gets from one report and UTC day, sealed; nobody can see it before release."""

    id: UUID
    report_id: UUID
    recipient: Recipient
    kind: ReportKind
    drill: bool
    severity: Severity
    legal_basis: LegalBasis
    purpose: Purpose
    record_count: int
    sealed: Sealed
    grants: tuple[Verdict, ...]
    """The recipient's own first, then its delegates'."""


@dataclass(frozen=True, slots=True)
class FactRow:
    """One cell of ``report_facts``: a count that singles out nobody."""

    hour: datetime
    asn: int | None
    country: str | None
    vector: str | None
    recipient_id: UUID | None
    outcome: int
    records: int


@dataclass(frozen=True, slots=True)
class SealedReport:
    """A decided report as parcels, with what stays behind as statistics."""

    report_id: UUID
    bucket: Bucket
    """The report's own class and deadline."""
    parcels: tuple[SealedParcel, ...]
    facts: tuple[FactRow, ...]
    target_tag: bytes | None = field(repr=False)
    """HMAC of the target under the report's bucket key: recognisable while the key lives, nothing after."""
    undelivered: int
    """Records that went to nobody: non-members', unrouted, special-use, or not permitted."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The hub's signed answer to a push: what was taken and what was not."""

    report_id: UUID
    member_id: UUID
    received_at: datetime
    rows_taken: int
    rows_refused: int
    errors: Sequence[RowError]
    reasons: Mapping[str, int]
    content_sha256: str | None
    """Of the decoded body; in the member's copy only, the hub keeps no digest anybody could test."""
    deadline: datetime
    replayed: bool
    """True where this answers a retry: nothing was taken a second time."""
    signature: str
    """Ed25519 over the canonical JSON of all the above but ``replayed``; base64."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How much of a report went out, and to how many; ``None`` where the figure would single somebody out."""

    records: int | None
    recipients: int | None

    @classmethod
    def suppressed(cls, records: int, recipients: int, minimum: int) -> Self:
        """Return both figures, or neither where one is below ``minimum``: together they say more than each."""
        return cls(records, recipients) if min(records, recipients) >= minimum else cls(None, None)


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """A stored report as its reporter may see it; holds none of its secrets."""

    id: UUID
    member_id: UUID
    capacity_id: UUID
    state: ReportState
    kind: ReportKind
    drill: bool
    severity: Severity
    received_at: datetime
    deadline: datetime
    blob_bucket: Bucket
    rows_taken: int
    rows_refused: int
    hold_reason: HoldReason | None
    decided_by: str | None
    delivered: Delivered


@dataclass(frozen=True, slots=True)
class StoredPush:
    """An earlier push that a new one may repeat, with what its receipt said."""

    status: ReportStatus
    body_tag: bytes = field(repr=False)
    errors: tuple[RowError, ...]
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Grant:
    """A stored verdict: what this capacity may see of this parcel, decided when it was sealed."""

    parcel_id: UUID
    capacity_id: UUID
    relation: Relation
    fields: frozenset[Field]
    policy_ids: tuple[str, ...]
    policy_hash: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class ParcelStatus:
    """A stored parcel; holds none of its secrets."""

    id: UUID
    report_id: UUID
    recipient: Recipient
    state: ParcelState
    kind: ReportKind
    drill: bool
    severity: Severity
    legal_basis: LegalBasis
    purpose: Purpose
    bucket: Bucket
    record_count: int | None
    seq: int | None
    date_added: datetime | None
    acknowledged_at: datetime | None
    recalled_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GrantedParcel:
    """A parcel together with the asking capacity's grant on it."""

    parcel: ParcelStatus
    grant: Grant


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """One code for some rows of a parcel, or for all."""

    code: OutcomeCode
    rows: tuple[int, ...] | None
    """Row numbers within the parcel; ``None`` means all."""


@dataclass(frozen=True, slots=True)
class Recall:
    """A wrong or withdrawn delivery: what must be erased at the recipient, and whether it was."""

    id: UUID
    parcel_id: UUID
    capacity_id: UUID
    reason: RecallReason
    rows: tuple[int, ...] | None
    opened_at: datetime
    confirmed_at: datetime | None
