"""How the hub is doing, in counts: for its operator's eyes, never for a member's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, text

from hub.store.tables import audit_checkpoints, audit_entries, holdings, parcels, recalls, reports
from hub.vocabulary import HoldingState, ParcelState

LATE_AFTER: Final = timedelta(minutes=1)
"""An erasure that has not happened so long after its deadline needs a person."""
_JOBS: Final = text(
    "SELECT count(*) FILTER (WHERE status = 'todo') AS waiting, count(*) FILTER (WHERE status = 'doing') AS running"
    " FROM jobs.procrastinate_jobs"
)
_SILENT: Final = text("SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM jobs.procrastinate_workers")


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the whole at one moment."""

    worker_silent_seconds: float | None
    """Since the last sign of life of any worker; ``None`` where none was ever seen, or the last one left in order."""
    jobs_waiting: int
    jobs_running: int
    reports: Mapping[str, int]
    """By state."""
    parcels_unacknowledged: int
    parcels_late: int
    """Past their deadline by more than :data:`LATE_AFTER` and still there."""
    recalls_unconfirmed: int
    holdings_proposed: int
    entries_unnumbered: int
    """Entries of the log that no checkpoint covers yet."""
    checkpoint_size: int | None
    checkpoint_at: datetime | None


class OverviewRepository:
    """Counts."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def now(self, now: datetime) -> Overview:
        """Count everything in one snapshot."""
        jobs = self._connection.execute(_JOBS).one()
        silent = self._connection.execute(_SILENT).scalar_one()
        newest = select(audit_checkpoints.c.size, audit_checkpoints.c.signed_at)
        checkpoint = self._connection.execute(newest.order_by(audit_checkpoints.c.size.desc()).limit(1)).one_or_none()
        by_state = select(reports.c.state, func.count()).group_by(reports.c.state).order_by(reports.c.state)
        entries = self._count(select(audit_entries.c.id))
        return Overview(
            worker_silent_seconds=None if silent is None else float(silent),
            jobs_waiting=jobs.waiting,
            jobs_running=jobs.running,
            reports=dict(map(tuple, self._connection.execute(by_state))),
            parcels_unacknowledged=self._count(
                select(parcels.c.id).where(
                    parcels.c.state == ParcelState.RELEASED.value, parcels.c.acknowledged_at.is_(None)
                )
            ),
            parcels_late=self._count(
                select(parcels.c.id).where(
                    parcels.c.state != ParcelState.ERASED.value, parcels.c.deadline < now - LATE_AFTER
                )
            ),
            recalls_unconfirmed=self._count(select(recalls.c.id).where(recalls.c.confirmed_at.is_(None))),
            holdings_proposed=self._count(select(holdings.c.id).where(holdings.c.state == HoldingState.PROPOSED.value)),
            entries_unnumbered=entries - (0 if checkpoint is None else checkpoint.size),
            checkpoint_size=None if checkpoint is None else checkpoint.size,
            checkpoint_at=None if checkpoint is None else checkpoint.signed_at,
        )

    def _count(self, query: Select[Any]) -> int:
        return int(self._connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())
