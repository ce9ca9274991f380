"""Times as members write them, read a column at a time.

A time names one instant or it is refused: RFC 3339 with its zone, a naive time only where the envelope names
the zone, seconds since 1970 only where the envelope declares the column to hold them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

import polars as pl

INSTANT = pl.Datetime("us", "UTC")

_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WALL = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,9}})?"
_ZONED = rf"{_WALL}(?:[Zz]|[+-]{_CLOCK})$"
_NAIVE = f"{_WALL}$"
_EPOCH = r"^[0-9]{1,11}(?:\.[0-9]{1,9})?$"
_NUMBER = r"^[0-9]+(?:\.[0-9]+)?$"
_SECOND = 1_000_000
_CLOCK_PARTS = ((11, 3_600 * _SECOND), (14, 60 * _SECOND), (17, _SECOND))
"""Where hour, minute and second stand, and how many microseconds each is worth."""
_DAY = 86_400 * _SECOND
_MICRO_DIGITS = 6


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """How one column of times is to be read."""

    epoch: bool
    """Whether it was declared to hold seconds since 1970."""
    zone: str | None
    """IANA zone of naive times; without it they are refused."""

    def value(self, cell: pl.Expr) -> pl.Expr:
        """Return ``Datetime('us', 'UTC')``, finer digits cut off, null where ``cell`` names no instant."""
        if self.epoch:
            return _from_epoch(cell)
        zoned = pl.when(cell.str.contains(_ZONED)).then(_wall_clock(_without_zone(cell)) - _offset(cell)).cast(INSTANT)
        if self.zone is None:
            return zoned
        naive = pl.when(cell.str.contains(_NAIVE)).then(_wall_clock(cell)).cast(pl.Datetime("us"))
        return pl.coalesce(zoned, _in_zone(naive, self.zone))

    def reason(self, cell: pl.Expr) -> pl.Expr:
        """Return the reason code of cells that :meth:`value` left null."""
        if self.epoch:
            return pl.lit("time-format")
        naive = cell.str.contains(_NAIVE) & _wall_clock(cell).is_not_null()
        return (
            pl.when(cell.str.contains(_NUMBER))
            .then(pl.lit("epoch-undeclared"))
            .when(naive)
            .then(pl.lit("time-without-zone" if self.zone is None else "time-ambiguous"))
            .otherwise(pl.lit("time-format"))
        )


def instant_of(text: str) -> datetime | None:
    """Return the instant an RFC 3339 text with zone names, in UTC, or ``None``; the grammar is the columns'."""
    cell = pl.lit(text, dtype=pl.String)
    micros = pl.select(TimeColumn(epoch=False, zone=None).value(cell).dt.epoch("us")).item()
    try:
        return None if micros is None else _EPOCH_START + timedelta(microseconds=micros)
    except OverflowError:
        return None


def knows_zone(name: str) -> bool:
    """Tell whether ``name`` is an IANA zone that naive times can be read in."""
    if name not in _zone_names():
        return False
    try:
        pl.select(_in_zone(pl.lit(datetime(2000, 1, 1)), name))  # noqa: DTZ001 - a naive time is what is tried
    except pl.exceptions.ComputeError:  # "localtime" and the like are files of a system, not zones
        return False
    return True


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _wall_clock(bare: pl.Expr) -> pl.Expr:
    """Return microseconds since 1970 on the clock that shows ``bare``, a time without its zone."""
    days = bare.str.head(10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    clock = [_whole(bare.str.slice(place, 2)) * worth for place, worth in _CLOCK_PARTS]
    return pl.sum_horizontal(days * _DAY, *clock, _fraction(bare.str.slice(20)), ignore_nulls=False)


def _without_zone(cell: pl.Expr) -> pl.Expr:
    return pl.when(_is_utc(cell)).then(cell.str.head(-1)).otherwise(cell.str.head(-6))


def _offset(cell: pl.Expr) -> pl.Expr:
    """Return what the zone at the end of ``cell`` is ahead of UTC, in microseconds."""
    zone = cell.str.tail(6)
    ahead = _whole(zone.str.slice(1, 2)) * 60 + _whole(zone.str.slice(4, 2))
    signed = pl.when(zone.str.starts_with("-")).then(-ahead).otherwise(ahead)
    return pl.when(_is_utc(cell)).then(0).otherwise(signed * 60 * _SECOND)


def _is_utc(cell: pl.Expr) -> pl.Expr:
    return cell.str.ends_with("Z") | cell.str.ends_with("z")


def _fraction(digits: pl.Expr) -> pl.Expr:
    """Return the digits after the point as microseconds; finer ones are cut off."""
    return _whole(digits.str.pad_end(_MICRO_DIGITS, "0").str.head(_MICRO_DIGITS))


def _whole(digits: pl.Expr) -> pl.Expr:
    return digits.cast(pl.Int64, strict=False)


def _in_zone(naive: pl.Expr, zone: str) -> pl.Expr:
    """Read naive times in ``zone``; null in the hour that a clock change repeats or skips."""
    return naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _from_epoch(cell: pl.Expr) -> pl.Expr:
    parts = cell.str.split_exact(".", 1).struct
    micros = _whole(parts.field("field_0")) * _SECOND + _fraction(parts.field("field_1").fill_null(""))
    return pl.when(cell.str.contains(_EPOCH)).then(micros).cast(INSTANT)
