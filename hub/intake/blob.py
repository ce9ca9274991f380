"""A report between receipt and release: one sealed object, envelope first, then columns in slices."""

from collections.abc import Iterable

import polars as pl

from hub.frames import from_arrow, to_arrow
from hub.intake.envelope import canonical_envelope, envelope_from_canonical
from hub.records import Envelope

SLICE_ROWS = 250_000
"""Rows per sealed chunk: bounds what is held twice while sealing and opening."""


def to_chunks(envelope: Envelope, records: pl.DataFrame) -> tuple[bytes, ...]:
    """Serialise a report for sealing: canonical envelope, then Arrow slices of the records."""
    return (canonical_envelope(envelope), *map(to_arrow, records.iter_slices(SLICE_ROWS)))


def from_chunks(chunks: Iterable[bytes]) -> tuple[Envelope, pl.DataFrame]:
    """Read back what :func:`to_chunks` made."""
    parts = iter(chunks)
    envelope = envelope_from_canonical(next(parts))
    return envelope, pl.concat(map(from_arrow, parts))
