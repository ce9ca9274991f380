"""How values are typed on the command line and shown again."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import click

from kessetsu_client.cli.catalogue import say

MOST_ROWS: Final = 2_000_000
"""Row numbers that one expression may name; for more there is ``all``."""


class Instant(click.ParamType[datetime]):
    """An instant with its zone, as RFC 3339 writes it."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it; a time without a zone names no instant."""
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(say("not a time with its zone, as 2026-01-31T09:00:00+09:00"), param, ctx)
        return instant


class Day(Instant):
    """An instant, or a day: its first moment in UTC."""

    name = "DATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        text = str(value)
        if len(text) == len("2026-01-31"):
            text += "T00:00:00+00:00"
        return super().convert(text, param, ctx)


class Rows(click.ParamType[tuple[int, ...] | Literal["all"]]):
    """Row numbers: ``all``, or numbers and ranges."""

    name = "ROWS"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...] | Literal["all"]:
        """Read them, sorted and once each."""
        if value == "all":
            return "all"
        try:
            return parse_rows(str(value))
        except ValueError:
            self.fail(say("not row numbers, as 1,2-5 or all (at most {most})", most=MOST_ROWS), param, ctx)


def parse_rows(text: str) -> tuple[int, ...]:
    """Read row numbers and ranges, as ``1,2-5``.

    Raises:
        ValueError: where it is something else, or too many.
    """
    spans = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(part)
        spans.append(range(int(first), int(last or first) + 1))
    if sum(map(len, spans)) > MOST_ROWS or not all(span and span.start for span in spans):
        raise ValueError(text)
    return tuple(sorted(set().union(*spans)))


def rows_text(rows: Iterable[int]) -> str:
    """Write row numbers as ranges."""
    spans: list[list[int]] = []
    for row in sorted(rows):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def local(instant: datetime | None) -> str:
    """Show an instant in the zone of this machine; ``-`` where there is none."""
    return "-" if instant is None else instant.astimezone().isoformat(" ", "seconds")


def count(number: int | None) -> str:
    """Show a count; one that the hub does not show is too small to."""
    return say("few") if number is None else f"{number:,}"


def utc_now() -> datetime:
    """Return the current instant."""
    return datetime.now(UTC)
