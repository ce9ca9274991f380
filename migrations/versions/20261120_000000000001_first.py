"""The first schema.

Rules for every revision (they are checked or enforced where that can be done):

- It suits the *previous* release, which goes on running while this one is rolled out. So a column or table is
  added now, used by the next release, and dropped by the one after that has stopped naming it.
- NOT NULL arrives in three steps, in three releases: add the column nullable and write it; fill the old rows
  in batches by a job; then ``ADD CONSTRAINT ... CHECK (... IS NOT NULL) NOT VALID``, ``VALIDATE CONSTRAINT``,
  ``SET NOT NULL``, and drop the check.
- A rename is an addition and, two releases later, a removal.
- lock_timeout is 4 s and statement_timeout 60 s. A revision that needs more is cut into several, or becomes a
  job. Foreign keys and checks on filled tables come as ``NOT VALID`` and are validated by a later revision.
- One revision, one transaction. An index on a filled table is made CONCURRENTLY, in a revision of its own,
  inside ``with op.get_context().autocommit_block():``.
- New tables need their grants in ``roles.sql``; nobody may use them until they stand there.
- A released revision is never changed, and there is no way down: go forward by another revision.

Revision: 000000000001
Follows: nothing
Created: 2026-11-20
"""
# ruff: noqa: E501 -- what is generated stands as it was generated

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.scripts import run_sql

revision = "000000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("frontier", sa.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_entries_id")),
        comment="Inserted unchained in the transaction of the act; never changed.",
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=True, comment="Set where one parcel was erased early."),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_dropped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "statement",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What the members concerned may read.",
        ),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column(
            "tally",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Counts over all members; for officers and auditors.",
        ),
        sa.Column("tally_signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
    )
    op.create_index(
        "uq_certificates_bucket",
        "certificates",
        ["data_class", "deadline"],
        unique=True,
        postgresql_where="parcel_id IS NULL",
    )
    op.create_table(
        "directory_version",
        sa.Column("sole", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("sole", name=op.f("ck_directory_version_one_row")),
        sa.PrimaryKeyConstraint("sole", name=op.f("pk_directory_version")),
        comment="Raised in the transaction of every change to members, holdings or prefix tables; what caches compare.",
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_ja", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="ja", nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("standing_reason", sa.Text(), nullable=True),
        sa.Column("standing_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("standing IN ('active', 'suspended', 'left')", name=op.f("ck_members_standing_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("name", name=op.f("uq_members_name")),
    )
    op.create_table(
        "policy_sets",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_policy_sets")),
    )
    op.create_table(
        "prefix_tables",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("prefixes_v4", sa.Integer(), nullable=False),
        sa.Column("prefixes_v6", sa.Integer(), nullable=False),
        sa.Column("systems", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prefix_tables")),
        sa.UniqueConstraint("content_sha256", name=op.f("uq_prefix_tables_content_sha256")),
        sa.UniqueConstraint("valid_from", name=op.f("uq_prefix_tables_valid_from")),
    )
    op.create_table(
        "sealed_chunks",
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("deadline", "object_id", "chunk", name=op.f("pk_sealed_chunks")),
        postgresql_partition_by="RANGE (deadline)",
    )
    op.create_table(
        "sealed_objects",
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("deadline", "object_id", name=op.f("pk_sealed_objects")),
        postgresql_partition_by="RANGE (deadline)",
    )
    op.create_table(
        "streams",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_added", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streams")),
        comment="Head of each stream; its row lock is what puts releases in order.",
    )
    op.create_table(
        "agreements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_agreements_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreements")),
        sa.UniqueConstraint("member_id", "document", "version", name=op.f("uq_agreements_member_id")),
    )
    op.create_table(
        "audit_leaves",
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entries.id"], name=op.f("fk_audit_leaves_entry_id_audit_entries")
        ),
        sa.PrimaryKeyConstraint("leaf", name=op.f("pk_audit_leaves")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_audit_leaves_entry_id")),
    )
    op.create_table(
        "audit_pending",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entries.id"], name=op.f("fk_audit_pending_entry_id_audit_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_pending")),
        comment="Entries the sequencer has not numbered yet, so that it need not look through the whole log for them.",
    )
    op.create_table(
        "capacities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("delegator_id", sa.Uuid(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'delegate') = (delegator_id IS NOT NULL)", name=op.f("ck_capacities_delegate_names_operator")
        ),
        sa.CheckConstraint(
            "kind <> 'delegate' OR valid_to IS NOT NULL", name=op.f("ck_capacities_delegation_is_dated")
        ),
        sa.CheckConstraint(
            "kind IN ('carrier', 'network-operator', 'delegate', 'vendor', 'maker', 'researcher', 'partner', 'authority')",
            name=op.f("ck_capacities_kind_known"),
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_capacities_dates_in_order")),
        sa.ForeignKeyConstraint(
            ["delegator_id"], ["capacities.id"], name=op.f("fk_capacities_delegator_id_capacities")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_capacities_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacities")),
    )
    op.create_index(op.f("ix_capacities_delegator_id"), "capacities", ["delegator_id"], unique=False)
    op.create_index(op.f("ix_capacities_member_id"), "capacities", ["member_id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("service_hours", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "role IN ('operations', 'abuse', 'officer', 'management')", name=op.f("ck_contacts_role_known")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_contacts_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("member_id", "role", "email", name=op.f("uq_contacts_member_id")),
    )
    op.create_index(op.f("ix_contacts_member_id"), "contacts", ["member_id"], unique=False)
    op.create_table(
        "certificate_parties",
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["capacity_id"], ["capacities.id"], name=op.f("fk_certificate_parties_capacity_id_capacities")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_certificate_parties_certificate_id_certificates")
        ),
        sa.PrimaryKeyConstraint("certificate_id", "capacity_id", name=op.f("pk_certificate_parties")),
    )
    op.create_index("ix_certificate_parties_capacity", "certificate_parties", ["capacity_id"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_credentials_capacity_id_capacities")),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["credentials.id"], name=op.f("fk_credentials_replaces_id_credentials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_credentials_token_sha256")),
    )
    op.create_index(op.f("ix_credentials_capacity_id"), "credentials", ["capacity_id"], unique=False)
    op.create_table(
        "holdings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", postgresql.CIDR(), nullable=True),
        sa.Column("asn", sa.BigInteger(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shared_space", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name=op.f("ck_holdings_decision_dated")),
        sa.CheckConstraint("state IN ('proposed', 'approved', 'rejected')", name=op.f("ck_holdings_state_known")),
        sa.CheckConstraint("(prefix IS NULL) <> (asn IS NULL)", name=op.f("ck_holdings_prefix_or_asn")),
        sa.CheckConstraint("asn BETWEEN 1 AND 4294967295", name=op.f("ck_holdings_asn_range")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_holdings_dates_in_order")),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_holdings_capacity_id_capacities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holdings")),
    )
    op.create_index(op.f("ix_holdings_capacity_id"), "holdings", ["capacity_id"], unique=False)
    op.create_index("ix_holdings_state_asn", "holdings", ["state", "asn"], unique=False)
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column(
            "statement",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The envelope without its secrets.",
        ),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("body_tag", sa.LargeBinary(), nullable=False, comment="HMAC under the intake bucket's key."),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blob_class", sa.Text(), nullable=False),
        sa.Column("blob_deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows_taken", sa.Integer(), nullable=False),
        sa.Column("rows_refused", sa.Integer(), nullable=False),
        sa.Column(
            "row_errors",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="Row number, column, reason; never the value.",
        ),
        sa.Column("refusal_reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("hold_figures", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_records", sa.Integer(), nullable=True, comment="Null where too small to be told."),
        sa.Column("delivered_recipients", sa.Integer(), nullable=True, comment="Null where too small to be told."),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "hold_reason IN ('spoofed-sources', 'no-prefix-table')", name=op.f("ck_reports_hold_reason_known")
        ),
        sa.CheckConstraint(
            "kind IN ('attack', 'infected', 'likely-infected', 'vulnerable-device')", name=op.f("ck_reports_kind_known")
        ),
        sa.CheckConstraint("severity IN ('ongoing-attack', 'normal')", name=op.f("ck_reports_severity_known")),
        sa.CheckConstraint(
            "state IN ('received', 'held', 'sealed', 'released', 'refused', 'lapsed', 'withdrawn')",
            name=op.f("ck_reports_state_known"),
        ),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_reports_capacity_id_capacities")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name=op.f("fk_reports_credential_id_credentials")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_reports_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("member_id", "idempotency_key", name=op.f("uq_reports_member_id")),
    )
    op.create_index(
        "ix_reports_blob", "reports", ["blob_deadline"], unique=False, postgresql_where="state IN ('received', 'held')"
    )
    op.create_index("ix_reports_member_received", "reports", ["member_id", "received_at", "id"], unique=False)
    op.create_index(
        "uq_reports_member_tag",
        "reports",
        ["member_id", "body_tag"],
        unique=True,
        postgresql_where="state <> 'withdrawn'",
    )
    op.create_table(
        "outcome_totals",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_outcome_totals_report_id_reports")),
        sa.PrimaryKeyConstraint("report_id", "code", name=op.f("pk_outcome_totals")),
    )
    op.create_table(
        "parcels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("date_added", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recalled_rows", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('attack', 'infected', 'likely-infected', 'vulnerable-device')", name=op.f("ck_parcels_kind_known")
        ),
        sa.CheckConstraint(
            "legal_basis IN ('consent-individual', 'consent-terms', 'statute', 'legitimate-business-act', 'self-defence', 'necessity')",
            name=op.f("ck_parcels_legal_basis_known"),
        ),
        sa.CheckConstraint(
            "purpose IN ('attack-response', 'subscriber-notice', 'device-remediation', 'drill')",
            name=op.f("ck_parcels_purpose_known"),
        ),
        sa.CheckConstraint("severity IN ('ongoing-attack', 'normal')", name=op.f("ck_parcels_severity_known")),
        sa.CheckConstraint(
            "state = 'sealed' OR seq IS NOT NULL OR ended_at IS NOT NULL", name=op.f("ck_parcels_released_is_numbered")
        ),
        sa.CheckConstraint(
            "state IN ('sealed', 'released', 'recalled', 'erased')", name=op.f("ck_parcels_state_known")
        ),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_parcels_capacity_id_capacities")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_parcels_member_id_members")),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_parcels_report_id_reports")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parcels")),
        sa.UniqueConstraint("capacity_id", "seq", name=op.f("uq_parcels_capacity_id")),
    )
    op.create_index(
        "ix_parcels_due", "parcels", ["data_class", "deadline"], unique=False, postgresql_where="state <> 'erased'"
    )
    op.create_index(op.f("ix_parcels_report_id"), "parcels", ["report_id"], unique=False)
    op.create_table(
        "report_facts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asn", sa.BigInteger(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("vector", sa.Text(), nullable=True),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["members.id"], name=op.f("fk_report_facts_recipient_id_members")),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_facts_report_id_reports")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_facts")),
    )
    op.create_index(op.f("ix_report_facts_report_id"), "report_facts", ["report_id"], unique=False)
    op.create_table(
        "report_targets",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False, comment="HMAC under the report's bucket key, which dies."),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_targets_report_id_reports")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_targets")),
    )
    op.create_table(
        "grants",
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("fields", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("policy_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("policy_hash", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_grants_capacity_id_capacities")),
        sa.ForeignKeyConstraint(["parcel_id"], ["parcels.id"], name=op.f("fk_grants_parcel_id_parcels")),
        sa.PrimaryKeyConstraint("parcel_id", "capacity_id", name=op.f("pk_grants")),
    )
    op.create_index("ix_grants_capacity", "grants", ["capacity_id", "parcel_id"], unique=False)
    op.create_table(
        "outcome_pushes",
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["capacity_id"], ["capacities.id"], name=op.f("fk_outcome_pushes_capacity_id_capacities")
        ),
        sa.ForeignKeyConstraint(["parcel_id"], ["parcels.id"], name=op.f("fk_outcome_pushes_parcel_id_parcels")),
        sa.PrimaryKeyConstraint("capacity_id", "idempotency_key", name=op.f("pk_outcome_pushes")),
    )
    op.create_index(op.f("ix_outcome_pushes_parcel_id"), "outcome_pushes", ["parcel_id"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column(
            "rows", sa.ARRAY(sa.Integer()), nullable=True, comment="Row numbers within the parcel; null means all."
        ),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "code IN ('identified', 'warned', 'blocked', 'suspended', 'taken-down', 'remediated', 'not-reached', 'not-our-customer', 'false-positive', 'cannot-identify', 'other')",
            name=op.f("ck_outcomes_code_known"),
        ),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_outcomes_capacity_id_capacities")),
        sa.ForeignKeyConstraint(["parcel_id"], ["parcels.id"], name=op.f("fk_outcomes_parcel_id_parcels")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
    )
    op.create_index("ix_outcomes_parcel", "outcomes", ["parcel_id", "id"], unique=False)
    op.create_table(
        "recalls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parcel_id", sa.Uuid(), nullable=False),
        sa.Column("capacity_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "rows",
            sa.ARRAY(sa.Integer()),
            nullable=True,
            comment="Row numbers within the parcel; null means the whole parcel.",
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('not-ours', 'holding-corrected', 'report-withdrawn', 'report-corrected', 'consent-withdrawn')",
            name=op.f("ck_recalls_reason_known"),
        ),
        sa.ForeignKeyConstraint(["capacity_id"], ["capacities.id"], name=op.f("fk_recalls_capacity_id_capacities")),
        sa.ForeignKeyConstraint(["confirmed_by"], ["credentials.id"], name=op.f("fk_recalls_confirmed_by_credentials")),
        sa.ForeignKeyConstraint(["parcel_id"], ["parcels.id"], name=op.f("fk_recalls_parcel_id_parcels")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalls")),
    )
    op.create_index("ix_recalls_capacity", "recalls", ["capacity_id", "opened_at"], unique=False)
    op.create_index(op.f("ix_recalls_parcel_id"), "recalls", ["parcel_id"], unique=False)
    run_sql("20261120_first.sql")
