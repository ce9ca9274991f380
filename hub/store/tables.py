"""Every table of the hub. Which program may do what with it stands in ``migrations/roles.sql``.

Three kinds of table, by how long they live:

- who is who, decisions, audit: kept, and free of secrets;
- parcels and what hangs on them: operational until the deadline, then a tombstone and counts;
- ``sealed_objects`` and ``sealed_chunks``: the only place where secrets stand, always as ciphertext under a
  key that is *not* in this database, in partitions by deadline hour that are dropped.
"""

from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import CIDR, JSONB

from hub.vocabulary import (
    CapacityKind,
    ContactRole,
    HoldingState,
    HoldReason,
    LegalBasis,
    OutcomeCode,
    ParcelState,
    Purpose,
    RecallReason,
    ReportKind,
    ReportState,
    Severity,
    Standing,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, words: type[StrEnum], *, name: str | None = None) -> CheckConstraint:
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=name or f"{column}_known")


def _instant(name: str, *, nullable: bool = False, default_now: bool = False) -> Column[object]:
    default = func.now() if default_now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


# --- who is who ---------------------------------------------------------------------------------------

members = Table(
    "members",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("name_ja", Text),
    Column("country", Text, nullable=False),
    Column("language", Text, nullable=False, server_default="ja"),
    Column("standing", Text, nullable=False),
    Column("standing_reason", Text),
    _instant("standing_since"),
    _instant("created_at"),
    _one_of("standing", Standing),
)

capacities = Table(
    "capacities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("delegator_id", ForeignKey("capacities.id"), index=True),
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    _instant("created_at"),
    _one_of("kind", CapacityKind),
    CheckConstraint("(kind = 'delegate') = (delegator_id IS NOT NULL)", name="delegate_names_operator"),
    CheckConstraint("kind <> 'delegate' OR valid_to IS NOT NULL", name="delegation_is_dated"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="dates_in_order"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("phone", Text),
    Column("language", Text, nullable=False),
    Column("service_hours", JSONB, nullable=False),
    _one_of("role", ContactRole),
    UniqueConstraint("member_id", "role", "email"),
)

agreements = Table(
    "agreements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("document", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("accepted_by", Text, nullable=False),
    _instant("accepted_at"),
    _instant("ended_at", nullable=True),
    UniqueConstraint("member_id", "document", "version"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("revoked_at", nullable=True),
    Column("replaces_id", ForeignKey("credentials.id")),
)

holdings = Table(
    "holdings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False, index=True),
    Column("prefix", CIDR),
    Column("asn", BigInteger),
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    Column("shared_space", Boolean, nullable=False, server_default="false"),
    Column("state", Text, nullable=False),
    _instant("proposed_at"),
    _instant("decided_at", nullable=True),
    Column("decided_by", Text),
    Column("decision_reason", Text),
    _one_of("state", HoldingState),
    CheckConstraint("(prefix IS NULL) <> (asn IS NULL)", name="prefix_or_asn"),
    CheckConstraint("asn BETWEEN 1 AND 4294967295", name="asn_range"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="dates_in_order"),
    CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decision_dated"),
    Index("ix_holdings_state_asn", "state", "asn"),
)

prefix_tables = Table(
    "prefix_tables",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("content_sha256", Text, nullable=False, unique=True),
    Column("prefixes_v4", Integer, nullable=False),
    Column("prefixes_v6", Integer, nullable=False),
    Column("systems", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _instant("valid_from"),
    _instant("imported_at"),
    Column("imported_by", Text, nullable=False),
    UniqueConstraint("valid_from"),
)

directory_version = Table(
    "directory_version",
    metadata,
    Column("sole", Boolean, primary_key=True, server_default="true"),
    Column("version", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("sole", name="one_row"),
    comment="Raised in the transaction of every change to members, holdings or prefix tables; what caches compare.",
)

# --- a push on its way --------------------------------------------------------------------------------

reports = Table(
    "reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False),
    Column("credential_id", ForeignKey("credentials.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("statement", JSONB, nullable=False, comment="The envelope without its secrets."),
    Column("idempotency_key", Text, nullable=False),
    Column("body_tag", LargeBinary, nullable=False, comment="HMAC under the intake bucket's key."),
    _instant("received_at"),
    _instant("deadline"),
    Column("blob_class", Text, nullable=False),
    _instant("blob_deadline"),
    Column("rows_taken", Integer, nullable=False),
    Column("rows_refused", Integer, nullable=False),
    Column("row_errors", JSONB, nullable=False, comment="Row number, column, reason; never the value."),
    Column("refusal_reasons", JSONB, nullable=False),
    Column("hold_reason", Text),
    Column("hold_figures", JSONB),
    Column("decided_by", Text),
    Column("decision_reason", Text),
    _instant("sealed_at", nullable=True),
    _instant("released_at", nullable=True),
    Column("delivered_records", Integer, comment="Null where too small to be told."),
    Column("delivered_recipients", Integer, comment="Null where too small to be told."),
    _instant("ended_at", nullable=True),
    _one_of("state", ReportState),
    _one_of("kind", ReportKind),
    _one_of("severity", Severity),
    _one_of("hold_reason", HoldReason),
    UniqueConstraint("member_id", "idempotency_key"),
    Index("uq_reports_member_tag", "member_id", "body_tag", unique=True, postgresql_where="state <> 'withdrawn'"),
    Index("ix_reports_member_received", "member_id", "received_at", "id"),
    Index("ix_reports_blob", "blob_deadline", postgresql_where="state IN ('received', 'held')"),
)

sealed_objects = Table(
    "sealed_objects",
    metadata,
    Column("deadline", DateTime(timezone=True), primary_key=True),
    Column("object_id", Uuid, primary_key=True),
    Column("data_class", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    postgresql_partition_by="RANGE (deadline)",
)

sealed_chunks = Table(
    "sealed_chunks",
    metadata,
    Column("deadline", DateTime(timezone=True), primary_key=True),
    Column("object_id", Uuid, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (deadline)",
)

# --- parcels ------------------------------------------------------------------------------------------

parcels = Table(
    "parcels",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("report_id", ForeignKey("reports.id"), nullable=False, index=True),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    _instant("deadline"),
    Column("record_count", Integer),
    Column("seq", BigInteger),
    _instant("date_added", nullable=True),
    _instant("acknowledged_at", nullable=True),
    Column("recalled_rows", ARRAY(Integer), nullable=False, server_default="{}"),
    _instant("ended_at", nullable=True),
    _one_of("state", ParcelState),
    _one_of("kind", ReportKind),
    _one_of("legal_basis", LegalBasis),
    _one_of("purpose", Purpose),
    _one_of("severity", Severity),
    CheckConstraint("state = 'sealed' OR seq IS NOT NULL OR ended_at IS NOT NULL", name="released_is_numbered"),
    UniqueConstraint("capacity_id", "seq"),
    Index("ix_parcels_due", "data_class", "deadline", postgresql_where="state <> 'erased'"),
)

streams = Table(
    "streams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    _instant("last_added"),
    comment="Head of each stream; its row lock is what puts releases in order.",
)

grants = Table(
    "grants",
    metadata,
    Column("parcel_id", ForeignKey("parcels.id"), primary_key=True),
    Column("capacity_id", ForeignKey("capacities.id"), primary_key=True),
    Column("relation", Text, nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Column("policy_ids", ARRAY(Text), nullable=False),
    Column("policy_hash", Text, nullable=False),
    _instant("decided_at"),
    Index("ix_grants_capacity", "capacity_id", "parcel_id"),
)

policy_sets = Table(
    "policy_sets",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("text", Text, nullable=False),
    _instant("first_loaded_at"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("parcel_id", ForeignKey("parcels.id"), nullable=False),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False),
    Column("code", Text, nullable=False),
    Column("rows", ARRAY(Integer), comment="Row numbers within the parcel; null means all."),
    _instant("reported_at"),
    _one_of("code", OutcomeCode),
    Index("ix_outcomes_parcel", "parcel_id", "id"),
)

outcome_pushes = Table(
    "outcome_pushes",
    metadata,
    Column("capacity_id", ForeignKey("capacities.id"), primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("parcel_id", ForeignKey("parcels.id"), nullable=False, index=True),
    Column("content_sha256", Text, nullable=False),
    Column("recorded", Integer, nullable=False),
    _instant("reported_at"),
)

outcome_totals = Table(
    "outcome_totals",
    metadata,
    Column("report_id", ForeignKey("reports.id"), primary_key=True),
    Column("code", Text, primary_key=True),
    Column("records", Integer, nullable=False),
)

recalls = Table(
    "recalls",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("parcel_id", ForeignKey("parcels.id"), nullable=False, index=True),
    Column("capacity_id", ForeignKey("capacities.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("rows", ARRAY(Integer), comment="Row numbers within the parcel; null means the whole parcel."),
    _instant("opened_at"),
    Column("opened_by", Text, nullable=False),
    _instant("confirmed_at", nullable=True),
    Column("confirmed_by", ForeignKey("credentials.id")),
    _one_of("reason", RecallReason),
    Index("ix_recalls_capacity", "capacity_id", "opened_at"),
)

# --- what stays behind --------------------------------------------------------------------------------

report_facts = Table(
    "report_facts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("report_id", ForeignKey("reports.id"), nullable=False, index=True),
    _instant("hour"),
    Column("asn", BigInteger),
    Column("country", Text),
    Column("vector", Text),
    Column("recipient_id", ForeignKey("members.id")),
    Column("outcome", SmallInteger, nullable=False),
    Column("records", Integer, nullable=False),
)

report_targets = Table(
    "report_targets",
    metadata,
    Column("report_id", ForeignKey("reports.id"), primary_key=True),
    Column("tag", LargeBinary, nullable=False, comment="HMAC under the report's bucket key, which dies."),
    Column("data_class", Text, nullable=False),
    _instant("deadline"),
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("data_class", Text, nullable=False),
    _instant("deadline"),
    Column("parcel_id", Uuid, comment="Set where one parcel was erased early."),
    _instant("key_destroyed_at", nullable=True),
    _instant("rows_dropped_at"),
    Column("statement", JSONB, nullable=False, comment="What the members concerned may read."),
    Column("signature", Text, nullable=False),
    Column("tally", JSONB, nullable=False, comment="Counts over all members; for officers and auditors."),
    Column("tally_signature", Text, nullable=False),
    Index("uq_certificates_bucket", "data_class", "deadline", unique=True, postgresql_where="parcel_id IS NULL"),
)

certificate_parties = Table(
    "certificate_parties",
    metadata,
    Column("certificate_id", ForeignKey("certificates.id"), primary_key=True),
    Column("capacity_id", ForeignKey("capacities.id"), primary_key=True),
    Index("ix_certificate_parties_capacity", "capacity_id"),
)

# --- audit --------------------------------------------------------------------------------------------

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    _instant("at"),
    Column("act", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    comment="Inserted unchained in the transaction of the act; never changed.",
)

audit_pending = Table(
    "audit_pending",
    metadata,
    Column("entry_id", ForeignKey("audit_entries.id"), primary_key=True),
    comment="Entries the sequencer has not numbered yet, so that it need not look through the whole log for them.",
)

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("leaf", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", ForeignKey("audit_entries.id"), nullable=False, unique=True),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", ARRAY(LargeBinary), nullable=False),
    Column("note", Text, nullable=False),
    _instant("signed_at"),
)
