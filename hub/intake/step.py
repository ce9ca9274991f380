"""Receive a push: check everything that can be checked before a single byte is stored."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

import polars as pl

from hub.clock import Clock
from hub.decompress import decompress
from hub.errors import BadEnvelope, BadInput
from hub.intake.csv_records import IntakeLimits, check_csv
from hub.intake.envelope import canonical_envelope, read_envelope
from hub.records import Bucket, Caller, CheckedRecords, Envelope
from hub.vocabulary import DataClass, Purpose

MAX_IDEMPOTENCY_KEY = 128


@dataclass(frozen=True, slots=True)
class Push:
    """What a member's program sent, unread."""

    caller: Caller
    idempotency_key: str
    envelope: bytes = field(repr=False)
    body: bytes = field(repr=False)
    """As sent: plain, gzip or zstd."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A push that passed every check and stands nowhere yet."""

    report_id: UUID
    caller: Caller
    idempotency_key: str
    envelope: Envelope
    checked: CheckedRecords
    content_sha256: str = field(repr=False)
    """Of the decoded body: goes into the member's receipt and nowhere else."""
    identity: bytes = field(repr=False)
    """Digest of decoded body and canonical envelope; stored only as an HMAC under a key that dies."""
    received_at: datetime
    deadline: datetime
    blob_bucket: Bucket


class Deadlines(Protocol):
    """How long data may live; :class:`hub.retention.policy.RetentionPolicy` knows."""

    def deadline_ahead(self, data_class: DataClass, purpose: Purpose, earliest: datetime, now: datetime) -> datetime:
        """Return when data must be gone, counted from their earliest event; refuse those too old on arrival."""
        ...

    def intake_bucket(self, received_at: datetime, deadline: datetime) -> Bucket:
        """Return the bucket a report waits in between receipt and release."""
        ...


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What this hub accepts."""

    limits: IntakeLimits
    max_decoded_bytes: int
    drills_only: bool


def identify(push: Push, rules: IntakeRules) -> tuple[str, bytes]:
    """Return what names a push's content: SHA-256 of the decoded body in hex, and digest with the envelope.

    Both are as secret as the content, which can be guessed and tested.
    """
    decoded = decompress(push.body, limit=rules.max_decoded_bytes)
    return _identity(decoded, read_envelope(push.envelope))


def check(push: Push, *, rules: IntakeRules, deadlines: Deadlines, clock: Clock) -> Arrival:
    """Check a push as a whole; nothing is stored.

    Raises:
        BadInput: with every fault found, where envelope, encoding or records are unusable.
    """
    key = _idempotency_key(push.idempotency_key)
    envelope = read_envelope(push.envelope)
    if rules.drills_only and not envelope.drill:
        raise BadEnvelope(
            "This hub was set up for demonstration and takes drill reports only.",
            expected="purpose 'drill' and class 'drill' or 'drill-short'",
            got=envelope.purpose.value,
            action="Send a drill, or send this report to the production hub.",
        )
    now = clock.now()
    decoded = decompress(push.body, limit=rules.max_decoded_bytes)
    checked = check_csv(decoded, envelope, now=now, limits=rules.limits)
    earliest = _earliest(checked.records)
    deadline = deadlines.deadline_ahead(envelope.data_class, envelope.purpose, earliest, now)
    content_sha256, identity = _identity(decoded, envelope)
    return Arrival(
        report_id=uuid4(),
        caller=push.caller,
        idempotency_key=key,
        envelope=envelope,
        checked=checked,
        content_sha256=content_sha256,
        identity=identity,
        received_at=now,
        deadline=deadline,
        blob_bucket=deadlines.intake_bucket(now, deadline),
    )


def _identity(decoded: bytes, envelope: Envelope) -> tuple[str, bytes]:
    body = hashlib.sha256(decoded)
    return body.hexdigest(), hashlib.sha256(body.digest() + canonical_envelope(envelope)).digest()


def _idempotency_key(text: str) -> str:
    visible = text.isascii() and text.isprintable() and " " not in text
    if not 1 <= len(text) <= MAX_IDEMPOTENCY_KEY or not visible:
        raise BadInput(
            "The Idempotency-Key is missing or unusable.",
            expected=f"1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters, the same at every retry of this push",
            got=f"{len(text)} characters",
            action="Make a random key once per push and repeat it with every retry.",
        )
    return text


def _earliest(records: pl.DataFrame) -> datetime:
    earliest = records["first_seen"].min()
    if not isinstance(earliest, datetime):
        raise TypeError("checked records have at least one row and a first_seen in each")
    return earliest
