"""How long data may live: limits by class and purpose, read from ``sharing_policies/retention.toml``.

The clock runs from the time of the earliest event. A limit never passes the maximum of its class, and the hub's
own two classes never pass what :data:`CEILINGS` says, whatever the file does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from hub.clock import floor_to
from hub.errors import BadEnvelope, BadRecords
from hub.records import Bucket
from hub.retention.policy_file import read_policy
from hub.vocabulary import DataClass, Purpose

CEILINGS: Final[Mapping[DataClass, timedelta]] = MappingProxyType(
    {DataClass.INTAKE: timedelta(hours=24), DataClass.HELD: timedelta(hours=72)}
)
"""How long the hub may keep what is not yet anybody's; a policy may say less, not more."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """How long one class may live."""

    maximum: timedelta
    granularity: timedelta
    """Deadlines are whole multiples of this since 1970 (UTC)."""
    limits: Mapping[Purpose, timedelta]
    """By purpose; a purpose that is not here is refused. Empty for the hub's own classes."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Deadlines of everything; made by :meth:`load`."""

    rules: Mapping[DataClass, ClassRule]
    minimum_left: timedelta

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a policy file.

        Raises:
            BadInput: with every fault found: unknown or missing classes, purposes or keys, a limit above its maximum.
        """
        sections, minimum_left = read_policy(path, CEILINGS)
        return cls({name: ClassRule(*parts) for name, parts in sections.items()}, minimum_left)

    def limit_of(self, data_class: DataClass, purpose: Purpose) -> timedelta:
        """Return how long data of this class may live for this purpose.

        Raises:
            BadEnvelope: the class may not serve the purpose.
        """
        limits = self.rules[data_class].limits
        if purpose not in limits:
            raise BadEnvelope(
                f"Data of class '{data_class.value}' may not serve the purpose '{purpose.value}'.",
                expected="one of: " + ", ".join(known.value for known in limits) if limits else "a member's class",
                got=purpose.value,
                action="State the class of these data and the purpose they are sent for.",
            )
        return limits[purpose]

    def deadline_of(self, data_class: DataClass, purpose: Purpose, earliest: datetime) -> datetime:
        """Return when data must be gone: ``earliest`` event plus the limit, rounded down.

        Raises:
            BadEnvelope: the class may not serve the purpose.
        """
        limit = self.limit_of(data_class, purpose)
        return floor_to(earliest + limit, self.rules[data_class].granularity)

    def deadline_ahead(self, data_class: DataClass, purpose: Purpose, earliest: datetime, now: datetime) -> datetime:
        """Return the deadline of data that arrive now, or say which records are too old.

        Raises:
            BadEnvelope: the class may not serve the purpose.
            BadRecords: less than :attr:`minimum_left` remains.
        """
        deadline = self.deadline_of(data_class, purpose, earliest)
        if deadline - now >= self.minimum_left:
            return deadline
        limit, step = self.limit_of(data_class, purpose), self.rules[data_class].granularity
        kept_from = floor_to(now + self.minimum_left - timedelta.resolution, step) + step - limit
        raise BadRecords(
            f"These data are too old to be kept: their earliest event is of {earliest:%Y-%m-%d %H:%M:%S} UTC, and "
            f"data of class '{data_class.value}' live {_spoken(limit)} for the purpose '{purpose.value}'.",
            expected=f"records first seen at {kept_from:%Y-%m-%d %H:%M:%S} UTC or later",
            action="Leave out the older records and send the rest; check the time zone stated for them.",
        )

    def intake_bucket(self, received_at: datetime, deadline: datetime) -> Bucket:
        """Return the bucket a report waits in between receipt and release; never past the report's own deadline."""
        return self._waiting(DataClass.INTAKE, received_at, deadline)

    def held_bucket(self, received_at: datetime, deadline: datetime) -> Bucket:
        """Return the bucket a report waits in for an officer; never past the report's own deadline."""
        return self._waiting(DataClass.HELD, received_at, deadline)

    def _waiting(self, data_class: DataClass, received_at: datetime, deadline: datetime) -> Bucket:
        rule = self.rules[data_class]
        return Bucket(data_class, min(floor_to(received_at + rule.maximum, rule.granularity), deadline))


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
