"""What the hub answers, as frozen records. Instants are aware and in UTC.

Words (kind, state, reason …) stay text: a hub may know more of them than the client installed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class RowError:
    """One refused row of a push, by place and reason."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The hub's signed answer to a push: what was taken and what was not."""

    report_id: str
    member_id: str
    received_at: datetime
    rows_taken: int
    rows_refused: int
    deadline: datetime
    replayed: bool
    """True where this answers a repeated push: nothing was taken a second time."""
    signature: str
    content_sha256: str | None = None
    errors: tuple[RowError, ...] = ()
    """The first of the refusals; ``reasons`` counts all."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Refusals counted by ``column:reason``."""


@dataclass(frozen=True, slots=True)
class SavedReceipt:
    """A receipt and the file that keeps it as the hub wrote it."""

    receipt: Receipt
    path: Path


@dataclass(frozen=True, slots=True)
class Delivered:
    """How much of a report went out; ``None`` is a count too small to be shown."""

    records: int | None = None
    recipients: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How far one of the caller's own reports has come."""

    report_id: str
    kind: str
    state: str
    received_at: datetime
    rows_taken: int
    rows_refused: int
    deadline: datetime
    drill: bool
    severity: str | None = None
    hold_reason: str | None = None
    delivered: Delivered = field(default_factory=Delivered)


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Own reports, newest first; ``next`` is the cursor of the following page."""

    reports: tuple[Report, ...]
    next: str | None = None

    @property
    def items(self) -> tuple[Report, ...]:
        """The reports."""
        return self.reports


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel of the inbox, without its records."""

    parcel_id: str
    kind: str
    drill: bool
    severity: str
    deadline: datetime
    """When it dies at the hub; the recipient's copy is bound by the same moment."""
    state: str
    record_count: int | None = None
    """``None`` once it is recalled or erased."""
    data_class: str | None = None
    date_added: datetime | None = None
    acknowledged_at: datetime | None = None
    recalled_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Parcels in the order they were released."""

    parcels: tuple[Parcel, ...] = ()
    next: str | None = None
    """Where the following page begins; ``None`` at the end."""
    cursor: str | None = None
    """What to pass as ``since`` next time, to hear only of what is new."""
    etag: str | None = None
    """What to pass as ``etag`` to ask whether anything changed at all."""
    unchanged: bool = False
    """True where nothing has changed since ``etag``; the rest is then empty."""

    @property
    def items(self) -> tuple[Parcel, ...]:
        """The parcels."""
        return self.parcels


@dataclass(frozen=True, slots=True)
class FieldGrant:
    """Why one field of a parcel was shown or withheld."""

    field: str
    granted: bool
    policy: str | None = None
    """The policy that granted it."""
    policies: tuple[str, ...] = ()
    """All that granted it, where a hub names several."""
    reason: str | None = None
    reason_ja: str | None = None


@dataclass(frozen=True, slots=True)
class ParcelDetail(Parcel):
    """A parcel with what accompanies it and why each field was released or not."""

    fields: tuple[str, ...] = ()
    explanation: tuple[FieldGrant, ...] = ()
    header: Mapping[str, object] = field(default_factory=dict)
    """What the reporter stated, as far as granted: vectors, requested action, reporter …"""
    decided_at: datetime | None = None
    policy_hash: str | None = None
    """Which set of policies decided."""


@dataclass(frozen=True, slots=True)
class SavedRecords:
    """Records of a parcel, written to a file of mode 0600."""

    path: Path
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """When the parcel was first acknowledged."""

    acknowledged_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about some rows of a parcel, or about all of them."""

    code: str
    rows: tuple[int, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many rows an outcome report covered."""

    recorded: int


@dataclass(frozen=True, slots=True)
class OutcomeStatement:
    """All outcomes reported on a parcel so far, and the number of rows without any."""

    outcomes: tuple[Outcome, ...]
    open: int


@dataclass(frozen=True, slots=True)
class Recall:
    """A delivery that was wrong or withdrawn: erase the copy, then confirm."""

    recall_id: str
    parcel_id: str
    reason: str
    opened_at: datetime
    rows: tuple[int, ...] | None = None
    """``None``: the whole parcel."""
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """How many deliveries the withdrawal of a report called back."""

    recalls: int | None
    """Delivered parcels that are recalled; ``None`` where too few to be told."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A network the member operates or says it does, with the dates."""

    state: str
    valid_from: datetime
    holding_id: str | None = None
    prefix: str | None = None
    asn: int | None = None
    valid_to: datetime | None = None
    shared_space: bool = False
    decided_at: datetime | None = None
    decision_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """The hub's signed statement that something of the caller's was erased, and when."""

    certificate_id: str
    statement: Mapping[str, object]
    """What was erased, and the moments its key and its rows went."""
    signature: str
    """Ed25519 over the canonical JSON (RFC 8785) of ``statement``; base64."""


@dataclass(frozen=True, slots=True)
class CertificateList:
    """Certificates, newest first, with the key to check them by."""

    certificates: tuple[Certificate, ...]
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class Me:
    """Whom the hub takes the caller for."""

    member: str
    capacity: str
    standing: str
    scopes: tuple[str, ...]
    token_expires_at: datetime | None = None
    member_id: str | None = None
    capacity_id: str | None = None
