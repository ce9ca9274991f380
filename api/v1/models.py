"""What stands on the wire of ``/v1``; complete enough to generate a client from."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from hub.delivery.inbox import Described
from hub.disclosure.explain import Reason
from hub.intake.receipts import as_document
from hub.records import GrantedParcel, OutcomeBatch, Recall, Receipt, ReportStatus
from hub.store.networks import DeclaredHolding
from hub.vocabulary import (
    CapacityKind,
    DataClass,
    HoldingState,
    HoldReason,
    OutcomeCode,
    ParcelState,
    RecallReason,
    ReportKind,
    ReportState,
    Scope,
    Severity,
    Standing,
)
from hub.vocabulary import Field as DisclosedField

RowNumber = Annotated[int, Field(ge=1, le=2_147_483_647)]
"""Number of a row within a parcel; a larger one does not fit the column it is stored in."""


class Model(BaseModel):
    """Base: unknown members are refused, values are what they are declared to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RowErrorModel(Model):
    """One refused row; its value is not repeated."""

    row: int = Field(description="1-based number of the data row in the file")
    column: str
    reason: str


class ReceiptModel(Model):
    """The hub's signed answer to a push."""

    report_id: UUID
    member_id: UUID
    received_at: str
    rows_taken: int
    rows_refused: int
    errors: list[RowErrorModel] = Field(description="The first refused rows; `reasons` counts all of them")
    reasons: dict[str, int]
    content_sha256: str | None = Field(description="SHA-256 of the decoded records; only you have it")
    deadline: str = Field(description="When the data of the earliest event must be gone everywhere")
    replayed: bool = Field(description="True where this answers a retry; nothing was taken a second time")
    signature: str = Field(description="Ed25519 over the canonical JSON (RFC 8785) of all other members but `replayed`")

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Translate a receipt."""
        return cls.model_validate(as_document(receipt))


class Delivered(Model):
    """What came of a report; null where the figure would single somebody out."""

    records: int | None
    recipients: int | None


class ReportModel(Model):
    """A report of one's own."""

    report_id: UUID
    kind: ReportKind
    state: ReportState
    drill: bool
    severity: Severity
    received_at: datetime
    deadline: datetime
    rows_taken: int
    rows_refused: int
    hold_reason: HoldReason | None
    delivered: Delivered

    @classmethod
    def of(cls, status: ReportStatus) -> Self:
        """Translate a report's status."""
        return cls(
            report_id=status.id,
            kind=status.kind,
            state=status.state,
            drill=status.drill,
            severity=status.severity,
            received_at=status.received_at,
            deadline=status.deadline,
            rows_taken=status.rows_taken,
            rows_refused=status.rows_refused,
            hold_reason=status.hold_reason,
            delivered=Delivered(records=status.delivered.records, recipients=status.delivered.recipients),
        )


class ReportPage(Model):
    """A page of reports, newest first."""

    reports: list[ReportModel]
    next: str | None = Field(description="Pass as `cursor` to continue")


class Withdrawal(Model):
    """Why a report is taken back."""

    reason: Literal[RecallReason.REPORT_WITHDRAWN, RecallReason.REPORT_CORRECTED, RecallReason.CONSENT_WITHDRAWN]


class Withdrawn(Model):
    """What taking a report back set off."""

    recalls: int | None = Field(description="Delivered parcels that are recalled; null where too few to be told")


class ParcelModel(Model):
    """A parcel in the inbox, without its records."""

    parcel_id: UUID
    state: ParcelState
    kind: ReportKind
    data_class: DataClass
    drill: bool
    severity: Severity
    record_count: int | None
    deadline: datetime
    date_added: datetime | None
    acknowledged_at: datetime | None
    recalled_rows: list[int]

    @classmethod
    def of(cls, item: GrantedParcel) -> Self:
        """Translate a parcel's status."""
        return cls(**_parcel(item))


class Explained(Model):
    """Why a field is shown or not."""

    field: DisclosedField
    granted: bool
    policy: str | None
    reason: str
    reason_ja: str

    @classmethod
    def of(cls, english: Reason, japanese: Reason) -> Self:
        """Join one reason in both languages."""
        return cls(
            field=english.field,
            granted=english.released,
            policy=english.rule_id,
            reason=english.sentence,
            reason_ja=japanese.sentence,
        )


class ParcelDetail(ParcelModel):
    """A parcel with what it shows today, and why."""

    fields: list[DisclosedField]
    header: dict[str, Any] = Field(description="What is said once of all rows: action asked for, vectors, family …")
    decided_at: datetime
    policy_hash: str
    explanation: list[Explained]

    @classmethod
    def explained(cls, described: Described, reasons: list[Explained]) -> Self:
        """Translate a parcel and its explanation."""
        item = described.item
        return cls(
            **_parcel(item),
            fields=sorted(described.verdict.fields),
            header=described.header,
            decided_at=item.grant.decided_at,
            policy_hash=item.grant.policy_hash,
            explanation=reasons,
        )


def _parcel(item: GrantedParcel) -> dict[str, Any]:
    parcel = item.parcel
    return {
        "parcel_id": parcel.id,
        "state": parcel.state,
        "kind": parcel.kind,
        "data_class": parcel.bucket.data_class,
        "drill": parcel.drill,
        "severity": parcel.severity,
        "record_count": parcel.record_count,
        "deadline": parcel.bucket.deadline,
        "date_added": parcel.date_added,
        "acknowledged_at": parcel.acknowledged_at,
        "recalled_rows": list(parcel.recalled_rows),
    }


class InboxPage(Model):
    """A page of the inbox, oldest first."""

    parcels: list[ParcelModel]
    next: str | None = Field(description="Pass as `since` to continue; null on the last page")
    cursor: str = Field(description="Pass as `since` next time to get only what is new")


class Acknowledgement(Model):
    """When the parcel was acknowledged first."""

    acknowledged_at: datetime


class OutcomeModel(Model):
    """One code for some rows, or for all."""

    code: OutcomeCode
    rows: Annotated[list[RowNumber], Field(min_length=1, max_length=2_000_000)] | Literal["all"]

    def batch(self) -> OutcomeBatch:
        """Translate into the domain's record."""
        return OutcomeBatch(self.code, None if self.rows == "all" else tuple(self.rows))


class OutcomePush(Model):
    """Outcomes in bulk."""

    outcomes: Annotated[list[OutcomeModel], Field(min_length=1, max_length=1_000)]


class Recorded(Model):
    """How many rows a push of outcomes spoke of."""

    recorded: int


class OutcomeList(Model):
    """The standing outcomes of a parcel."""

    outcomes: list[OutcomeModel]
    open: int = Field(description="Rows without an outcome")


class RecallModel(Model):
    """What must be erased at the recipient."""

    recall_id: UUID
    parcel_id: UUID
    reason: RecallReason
    rows: list[int] | None = Field(description="Rows of the parcel; null means the whole parcel")
    opened_at: datetime
    confirmed_at: datetime | None

    @classmethod
    def of(cls, recall: Recall) -> Self:
        """Translate a recall."""
        return cls(
            recall_id=recall.id,
            parcel_id=recall.parcel_id,
            reason=recall.reason,
            rows=None if recall.rows is None else list(recall.rows),
            opened_at=recall.opened_at,
            confirmed_at=recall.confirmed_at,
        )


class RecallList(Model):
    """Recalls, newest first."""

    recalls: list[RecallModel]


class Declaration(Model):
    """A network a member says it operates."""

    prefix: str | None = Field(default=None, examples=["192.0.2.0/24"], max_length=64)
    asn: int | None = Field(default=None, ge=1, le=4_294_967_295)
    valid_from: datetime = Field(description="With zone; from when on the member operates it")
    valid_to: datetime | None = None
    shared_space: bool = Field(default=False, description="CGNAT, MAP-E or DS-Lite: the address alone names nobody")


class HoldingModel(Model):
    """A declaration and how far it has come."""

    holding_id: UUID
    prefix: str | None
    asn: int | None
    valid_from: datetime
    valid_to: datetime | None
    shared_space: bool
    state: HoldingState
    decided_at: datetime | None
    decision_reason: str | None

    @classmethod
    def of(cls, declared: DeclaredHolding, prefix: str | None) -> Self:
        """Translate a declaration; ``prefix`` is its text."""
        holding = declared.holding
        return cls(
            holding_id=holding.id,
            prefix=prefix,
            asn=holding.asn,
            valid_from=holding.valid_from,
            valid_to=holding.valid_to,
            shared_space=holding.shared_space,
            state=declared.state,
            decided_at=declared.decided_at,
            decision_reason=declared.decision_reason,
        )


class HoldingList(Model):
    """One's own declarations, in the order they were made."""

    holdings: list[HoldingModel]


class CertificateModel(Model):
    """Proof that something of one's own was erased."""

    certificate_id: UUID
    statement: dict[str, Any] = Field(description="What was erased, and the moments key and rows went")
    signature: str = Field(description="Ed25519 over the canonical JSON (RFC 8785) of `statement`")


class CertificateList(Model):
    """Deletion certificates, newest first."""

    certificates: list[CertificateModel]
    public_key: str = Field(description="The hub's signing key, to check the signatures with")


class Me(Model):
    """Who the token speaks for."""

    member_id: UUID
    member: str
    capacity_id: UUID
    capacity: CapacityKind
    standing: Standing
    scopes: list[Scope]
    token_expires_at: datetime
