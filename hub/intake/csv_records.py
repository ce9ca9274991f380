"""Check the records of a CSV report: bytes in, typed columns and reasons out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from hub.errors import BadRecords, Fault
from hub.intake.columns import COLUMNS, Column, columns_of, is_v4, read_values, required_columns
from hub.intake.encoding import require_utf8
from hub.intake.header import read_header
from hub.intake.reasons import EXPECTED
from hub.intake.rows import read_rows
from hub.records import CheckedRecords, Envelope, RowError

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Times before it are clocks that were never set."""

WHOLE_ROW = "row"
"""What stands for the column where the row as a whole is refused."""

_GUARDED = r"^'([=+\-@\t\r])"
_TIMES = ("first_seen", "last_seen")
_PART_LINES = 200_000
"""Lines read at a time: bounds what stands in memory between text and value."""
_SHOWN_WHEN_ALL_REFUSED = 20


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much of what the hub takes at once."""

    max_rows: int = 2_000_000
    max_errors: int = 1_000
    """Refusals told one by one; the rest is counted."""
    max_columns: int = 64
    max_cell: int = 256
    """Bytes of a cell in a known column."""
    future_tolerance: timedelta = timedelta(minutes=5)
    """How far a member's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing that can be wrong with a cell."""

    column: str
    wrong: pl.Expr
    reason: pl.Expr


def check_csv(data: bytes, envelope: Envelope, *, now: datetime, limits: IntakeLimits) -> CheckedRecords:
    """Check the records of a report and return those that are good, with the reasons against the others.

    Duplicate rows are kept: they are evidence. A refused row is told by number, column and reason code, once
    for each thing wrong with it; what stood in the cell is told to nobody.

    Args:
        data: The file as CSV (RFC 4180), decompressed.
        envelope: Decides which columns are needed and how times are read.
        now: Times later than this and the tolerance are refused.
        limits: Of rows, columns, cells and told refusals.

    Raises:
        TooLarge: where there are too many rows.
        BadRecords: where the file cannot be read, no row is good, or one is bad and the envelope asks for all or none.
    """
    require_utf8(data)
    names = read_header(data, envelope.kind, max_columns=limits.max_columns)
    rows = read_rows(data, names, max_rows=limits.max_rows)
    columns = columns_of(envelope)
    checks = _checks(names, columns, envelope, latest=now + limits.future_tolerance, max_cell=limits.max_cell)
    guarded = b"'" in data
    refusals = _Refusals(limits.max_errors)
    refusals.add(WHOLE_ROW, _ragged(rows.ragged()))
    good = []
    for part in rows.parts(_PART_LINES):
        text = _unguard(part) if guarded else part
        good.append(_sift(read_values(text, columns), text, checks, refusals))
    checked = _summary(pl.concat(good), refusals, rows.total)
    _require_enough(checked, envelope)
    return checked


class _Refusals:
    """Refused cells: all counted, the first of them kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first: list[pl.DataFrame] = []
        self.counts: Counter[str] = Counter()

    def add(self, column: str, rows: pl.DataFrame) -> None:
        """Take ``row`` and ``reason`` of refused cells of ``column``, in order of rows."""
        for reason, count in rows.group_by("reason").len().iter_rows():
            self.counts[f"{column}:{reason}"] += count
        self._first.append(rows.head(self._limit).select("row", pl.lit(column).alias("column"), "reason"))

    def first(self) -> tuple[RowError, ...]:
        """Return the first refusals by row, those of one row in the order they were taken."""
        told = pl.concat(self._first).sort("row", maintain_order=True).head(self._limit)
        return tuple(RowError(row, column, reason) for row, column, reason in told.iter_rows())


def _unguard(text: pl.DataFrame) -> pl.DataFrame:
    """Take off the apostrophe that the hub's own CSV puts before a cell a spreadsheet would take for a formula."""
    return text.with_columns(pl.col(pl.String).str.replace(_GUARDED, "${1}"))


def _checks(
    present: Sequence[str], columns: Mapping[str, Column], envelope: Envelope, *, latest: datetime, max_cell: int
) -> list[_Check]:
    """List what to check, column by column, over values and, as ``text:<column>``, the cells they were read from."""
    checks = [_Check(name, _cell(name).is_null(), pl.lit("missing")) for name in required_columns(envelope.kind)]
    for name in COLUMNS:
        if name in present:
            reason = columns[name].reason(_cell(name)) if name in columns else pl.lit("not-an-address")
            long = _cell(name).str.len_bytes() > max_cell
            unread = _cell(name).is_not_null() & _value(name).is_null()
            checks.append(_Check(name, unread | long, pl.when(long).then(pl.lit("too-long")).otherwise(reason)))
    for name in _TIMES:
        checks.append(_Check(name, pl.col(name) > latest, pl.lit("time-future")))
        checks.append(_Check(name, pl.col(name) < EARLIEST, pl.lit("time-range")))
    checks.append(_Check("last_seen", pl.col("last_seen") < pl.col("first_seen"), pl.lit("time-reversed")))
    checks.append(_Check("dst_ip", is_v4("src") != is_v4("dst"), pl.lit("mixed-families")))
    return sorted(checks, key=lambda check: COLUMNS.index(check.column))


def _cell(name: str) -> pl.Expr:
    return pl.col(f"text:{name}")


def _value(name: str) -> pl.Expr:
    return pl.col({"src_ip": "src_hi", "dst_ip": "dst_hi"}.get(name, name))


def _sift(values: pl.DataFrame, text: pl.DataFrame, checks: Sequence[_Check], refusals: _Refusals) -> pl.DataFrame:
    """Return the good records, and add the others, check by check, to ``refusals``."""
    both = values.hstack(text.drop("row").rename(lambda name: f"text:{name}"))
    wrong = both.select(check.wrong.fill_null(value=False).alias(str(place)) for place, check in enumerate(checks))
    for check, mask in zip(checks, wrong, strict=True):
        if mask.any():
            refusals.add(check.column, both.filter(mask).select("row", reason=check.reason))
    good = values.filter(~wrong.select(pl.any_horizontal(pl.all())).to_series())
    return good.with_columns(pl.col("last_seen").fill_null(pl.col("first_seen")))


def _ragged(ragged: pl.DataFrame) -> pl.DataFrame:
    few = pl.when(pl.col("surplus") < 0).then(pl.lit("too-few-cells")).otherwise(pl.lit("too-many-cells"))
    return ragged.select("row", reason=few)


def _summary(good: pl.DataFrame, refusals: _Refusals, total: int) -> CheckedRecords:
    return CheckedRecords(
        records=good,
        total=total,
        refused=total - good.height,
        errors=refusals.first(),
        reasons=dict(sorted(refusals.counts.items())),
    )


def _require_enough(checked: CheckedRecords, envelope: Envelope) -> None:
    taken = checked.records.height
    if taken and not (envelope.reject_report and checked.refused):
        return
    if taken:
        message = f"{checked.refused} of {checked.total} rows are wrong, and the envelope asks to refuse all then."
        told: Sequence[RowError] = checked.errors
    else:
        message = f"All {checked.total} rows are wrong; the first reasons are given."
        told = checked.errors[:_SHOWN_WHEN_ALL_REFUSED]
    raise BadRecords(
        message,
        expected="rows that can be read",
        action="Mend the rows named here and send the file again with a new Idempotency-Key.",
        faults=tuple(_faults(told)),
    )


def _faults(errors: Sequence[RowError]) -> Iterator[Fault]:
    for error in errors:
        yield Fault(f"row {error.row}, column {error.column}", error.reason, EXPECTED[error.reason])
