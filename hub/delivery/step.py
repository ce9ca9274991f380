"""Seal a decided report into parcels: one per recipient and UTC day, stripped to what was granted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

import numpy as np
import orjson
import polars as pl

from hub.delivery.facts import facts_of
from hub.frames import to_arrow
from hub.records import (
    Binding,
    Bucket,
    DecidedReport,
    Envelope,
    Sealed,
    SealedParcel,
    SealedReport,
    Verdict,
)
from hub.vocabulary import DataClass, Field, Purpose, SourceOutcome

CHUNK_ROWS = 10_000
"""Rows per sealed chunk, about one page: a reader opens no more than it shows."""

Narrow = Callable[[pl.DataFrame, frozenset[Field]], pl.DataFrame]
"""Leaves ``row`` and the granted columns of a frame: :func:`hub.disclosure.columns.narrow_frame`."""


class Deadlines(Protocol):
    """How long data may live; :class:`hub.retention.policy.RetentionPolicy` knows."""

    def deadline_of(self, data_class: DataClass, purpose: Purpose, earliest: datetime) -> datetime:
        """Return when data of this class and purpose must be gone, from their earliest event."""
        ...


class Box(Protocol):
    """Seals objects under one bucket's key, which it holds open for this report only."""

    def seal(self, binding: Binding, chunks: Sequence[bytes]) -> Sealed:
        """Seal one object under a data key of its own."""
        ...

    def tag(self, label: str, data: bytes) -> bytes:
        """Return an HMAC that dies with the bucket."""
        ...


class Boxes(Protocol):
    """Opens boxes; the bucket's key is on disk before it returns."""

    def __call__(self, bucket: Bucket) -> Box:
        """Return the box of ``bucket``."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What sealing needs besides the report."""

    deadlines: Deadlines
    boxes: Boxes
    narrow: Narrow
    minimum_cell: int
    now: datetime


@dataclass(frozen=True, slots=True)
class _Part:
    """One recipient's records of one UTC day, only the granted columns, numbered from 1."""

    index: int
    bucket: Bucket
    rows: pl.DataFrame = field(repr=False)


def seal(decided: DecidedReport, delivery: Delivery) -> SealedReport:
    """Cut, strip and seal; nothing is stored yet.

    Records of recipients who may not see them, of no recipient, or past their deadline already, go nowhere;
    only suppressed counts of them remain.
    """
    report = decided.attributed.report
    parcels = tuple(_seal_part(part, decided, delivery) for part in _parts(decided, delivery))
    target = report.envelope.target
    report_bucket = Bucket(report.envelope.data_class, report.deadline)
    return SealedReport(
        report_id=report.id,
        bucket=report_bucket,
        parcels=parcels,
        facts=facts_of(decided.attributed, minimum_cell=delivery.minimum_cell),
        target_tag=None if target is None else delivery.boxes(report_bucket).tag("target", target.encode()),
        undelivered=report.records.height - sum(parcel.record_count for parcel in parcels),
    )


def header_of(envelope: Envelope, fields: frozenset[Field], reporter: str) -> bytes:
    """Return a parcel's first chunk: what is said once of all its rows, as far as granted."""
    said: dict[str, object] = {
        "kind": envelope.kind.value,
        "requested_action": envelope.requested_action.value,
        "severity": envelope.severity.value,
        "legal_basis": envelope.legal_basis.value,
        "purpose": envelope.purpose.value,
    }
    if Field.VECTOR in fields:
        said["vectors"] = list(envelope.vectors)
        said["malware_family"] = envelope.malware_family
        said["detection"] = envelope.detection
        said["vulnerability"] = envelope.vulnerability
    if Field.REPORTER in fields:
        said["reporter"] = reporter
    return orjson.dumps(said)


def _parts(decided: DecidedReport, delivery: Delivery) -> Iterator[_Part]:
    """Yield what each recipient gets, by recipient and day, in a stable order.

    All work on columns is done once per report, or per set of fields; a part is a slice.
    """
    envelope = decided.attributed.report.envelope
    ordered = _in_order(decided)
    spans = ordered.group_by("recipient", "day", maintain_order=True).agg(
        pl.len(), pl.col("first_seen").min().alias("earliest")
    )
    numbered = ordered.with_columns(_numbers(spans["len"]).alias("row"))
    narrowed = {fields: delivery.narrow(numbered, fields) for fields in {each.fields for each in decided.verdicts}}
    offset = 0
    for index, _, length, earliest in spans.iter_rows():
        deadline = delivery.deadlines.deadline_of(envelope.data_class, envelope.purpose, earliest)
        if deadline > delivery.now:
            rows = narrowed[decided.verdicts[index].fields].slice(offset, length)
            yield _Part(index, Bucket(envelope.data_class, deadline), rows)
        offset += length


def _in_order(decided: DecidedReport) -> pl.DataFrame:
    """Return the records that go to somebody, by recipient, day and time."""
    wanted = [index for index, verdict in enumerate(decided.verdicts) if verdict]
    return (
        decided.attributed.records.filter(
            (pl.col("outcome") == SourceOutcome.MEMBER.value)
            & pl.col("recipient").is_in(pl.Series(wanted, dtype=pl.Int32).implode())
        )
        .with_columns(pl.col("first_seen").dt.date().alias("day"))
        .sort("recipient", "day", "first_seen", "row")
    )


def _numbers(lengths: pl.Series) -> pl.Series:
    """Return 1..n for each run of these lengths, one after the other: the reporter's numbering would tell too much."""
    runs = lengths.to_numpy().astype(np.int64)
    starts = np.repeat(np.cumsum(runs) - runs, runs)
    return pl.Series(np.arange(starts.size) - starts + 1, dtype=pl.UInt32)


def _seal_part(part: _Part, decided: DecidedReport, delivery: Delivery) -> SealedParcel:
    report = decided.attributed.report
    recipient = decided.attributed.recipients[part.index]
    verdict = decided.verdicts[part.index]
    parcel_id = uuid4()
    header = header_of(report.envelope, verdict.fields, str(report.reporter_id))
    chunks = (header, *map(to_arrow, part.rows.iter_slices(CHUNK_ROWS)))
    binding = Binding(parcel_id, recipient.capacity_id, part.bucket)
    return SealedParcel(
        id=parcel_id,
        report_id=report.id,
        recipient=recipient,
        kind=report.envelope.kind,
        drill=report.envelope.drill,
        severity=report.envelope.severity,
        legal_basis=report.envelope.legal_basis,
        purpose=report.envelope.purpose,
        record_count=part.rows.height,
        sealed=delivery.boxes(part.bucket).seal(binding, chunks),
        grants=_grants(verdict, decided.delegates.get(part.index, ())),
    )


def _grants(own: Verdict, delegates: Sequence[Verdict]) -> tuple[Verdict, ...]:
    return (own, *(verdict for verdict in delegates if verdict))


def bucket_deadlines(sealed: SealedReport) -> frozenset[datetime]:
    """Return the deadlines that need a partition before the parcels can be stored."""
    return frozenset(parcel.sealed.binding.bucket.deadline for parcel in sealed.parcels)
