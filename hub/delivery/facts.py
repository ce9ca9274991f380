"""What stays behind of a report: counts, with small cells suppressed from the first day.

A cell below the minimum is not stored. Its records are added to a coarser cell of the same hour (first
without the AS, then without the recipient), and where even that is too small they are not counted at all.
"""

from collections.abc import Iterable
from uuid import UUID

import polars as pl

from hub.records import AttributedReport, FactRow

_KEYS = ("hour", "asn", "recipient", "outcome")
_COARSER = (("hour", "recipient", "outcome"), ("hour", "outcome"))


def facts_of(attributed: AttributedReport, *, minimum_cell: int) -> tuple[FactRow, ...]:
    """Count a report's records per hour, AS, country, vector and recipient, suppressed."""
    cells = (
        attributed.records.select(pl.col("first_seen").dt.truncate("1h").alias("hour"), "asn", "recipient", "outcome")
        .group_by(_KEYS)
        .agg(pl.len().alias("records"))
    )
    vector = "+".join(attributed.report.envelope.vectors) or None
    kept = _suppress(cells, minimum_cell)
    return tuple(_fact(row, attributed, vector) for row in kept.sort(_KEYS, nulls_last=True).iter_rows(named=True))


def _suppress(cells: pl.DataFrame, minimum: int) -> pl.DataFrame:
    kept = [cells.filter(pl.col("records") >= minimum)]
    small = cells.filter(pl.col("records") < minimum)
    for keys in _COARSER:
        merged = small.group_by(keys).agg(pl.col("records").sum())
        large = merged.filter(pl.col("records") >= minimum)
        kept.append(_with_missing(large, cells))
        small = merged.filter(pl.col("records") < minimum)
    return pl.concat(kept)


def _with_missing(frame: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    missing: Iterable[str] = set(like.columns) - set(frame.columns)
    return frame.with_columns(pl.lit(None, dtype=like.schema[name]).alias(name) for name in sorted(missing)).select(
        like.columns
    )


def _fact(row: dict[str, object], attributed: AttributedReport, vector: str | None) -> FactRow:
    asn = row["asn"]
    return FactRow(
        hour=row["hour"],  # type: ignore[arg-type]  # a truncated Datetime column
        asn=asn if isinstance(asn, int) and asn else None,
        country=attributed.countries.get(asn) if isinstance(asn, int) else None,
        vector=vector,
        recipient_id=_member(attributed, row["recipient"]),
        outcome=row["outcome"],  # type: ignore[arg-type]  # a UInt8 column
        records=row["records"],  # type: ignore[arg-type]  # a count
    )


def _member(attributed: AttributedReport, index: object) -> UUID | None:
    return attributed.recipients[index].member_id if isinstance(index, int) and index >= 0 else None
