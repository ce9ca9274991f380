"""The log's entries of what the operator does; no credential acts, so no actor is named."""

from collections.abc import Iterable
from uuid import UUID

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.store.unit import Unit


def note(unit: Unit, clock: Clock, act: Act, **subjects: UUID | str) -> None:
    """Write one entry in the transaction of the act."""
    unit.audit.append(AuditEntry.of(act, at=clock.now(), actor=None, **subjects))


def note_all(unit: Unit, clock: Clock, entries: Iterable[tuple[Act, dict[str, UUID | str]]]) -> None:
    """Write many entries in the transaction of the acts."""
    now = clock.now()
    unit.audit.append_all(AuditEntry.of(act, at=now, actor=None, **subjects) for act, subjects in entries)
