"""The clock, handed in everywhere: deadlines are promises, so nobody reads the time on the side."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)


@dataclass
class SteppedClock:
    """A clock that moves only when told to; for tests and replays."""

    instant: datetime

    def now(self) -> datetime:
        """Return the instant the clock was last set to."""
        return self.instant

    def advance(self, step: timedelta) -> None:
        """Move the clock forward by ``step``."""
        self.instant += step


def floor_to(instant: datetime, step: timedelta) -> datetime:
    """Round ``instant`` down to a whole multiple of ``step`` since the epoch (UTC)."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(instant.timestamp()) // seconds * seconds, tz=UTC)
