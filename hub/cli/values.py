"""How times, spans, rows and hours are typed on the command line."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click

from hub.cli.catalogue import say
from hub.clock import SystemClock

MOST_ROWS: Final = 2_000_000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d|24:00"
_HOURS: Final = re.compile(rf"({'|'.join(_DAYS)})(?:-({'|'.join(_DAYS)}))?=({_CLOCK})-({_CLOCK})")


class Instant(click.ParamType[datetime]):
    """An instant with its zone (RFC 3339), or ``now``."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it; without a zone it would name 24 different instants."""
        if isinstance(value, datetime):
            return value
        if value == "now":
            return SystemClock().now()
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(say("not a time; write it as 2026-04-01T00:00:00+09:00"), param, ctx)
        if instant.tzinfo is None:
            self.fail(say("it has no zone; write it as 2026-04-01T00:00:00+09:00"), param, ctx)
        return instant


class Span(click.ParamType[timedelta]):
    """A length of time: ``90d``, ``24h``."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", str(value))
        if match is None:
            self.fail(say("not a length of time; write it as 90d, 24h or 30m"), param, ctx)
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


class Rows(click.ParamType[tuple[int, ...]]):
    """Row numbers and ranges: ``1,2-5``."""

    name = "ROWS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them, each once, ascending."""
        if isinstance(value, tuple):
            return value
        spans = [re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip()) for part in str(value).split(",")]
        ranges = [range(int(span[1]), int(span[2] or span[1]) + 1) for span in spans if span is not None]
        if None in spans or not all(one and one.start for one in ranges) or sum(map(len, ranges)) > MOST_ROWS:
            self.fail(
                say("not row numbers; write them as 1,2-5 (from 1 on, at most {most})", most=MOST_ROWS), param, ctx
            )
        return tuple(sorted(set().union(*ranges)))


def service_hours(given: Sequence[str], zone: str | None) -> dict[str, object]:
    """Return ``mon-fri=09:00-17:30`` and the like by day; nothing given means around the clock.

    Raises:
        click.BadParameter: of another form, or a zone is missing.
    """
    if not given:
        return {}
    if zone is None:
        raise click.BadParameter(say("hours need the zone they are in"), param_hint="--zone")
    hours: dict[str, object] = {"zone": zone}
    for text in given:
        match = _HOURS.fullmatch(text)
        days = () if match is None else _DAYS[_DAYS.index(match[1]) : _DAYS.index(match[2] or match[1]) + 1]
        if match is None or not days or match[3] >= match[4]:
            raise click.BadParameter(say("not service hours; write them as mon-fri=09:00-17:30"), param_hint="--hours")
        hours |= {day: [match[3], match[4]] for day in days}
    return hours


EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
NEW_FILE: Final = click.Path(dir_okay=False, path_type=Path)
INSTANT: Final = Instant()
SPAN: Final = Span()
ROWS: Final = Rows()
