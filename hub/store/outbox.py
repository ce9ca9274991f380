"""Jobs enqueued in the caller's transaction: they exist if it commits, and only then."""

from datetime import timedelta

import orjson
from sqlalchemy import Connection, text

_DEFER = text(
    "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW("
    ":queue, :task, :priority, NULL, :queueing_lock, CAST(:args AS jsonb), NULL"
    ")::jobs.procrastinate_job_to_defer_v1])"
)

_REVIVE = text(
    "UPDATE jobs.procrastinate_jobs SET status = 'todo', scheduled_at = NULL, worker_id = NULL"
    " WHERE status = 'doing' AND NOT EXISTS ("
    "SELECT FROM jobs.procrastinate_workers AS worker WHERE worker.id = procrastinate_jobs.worker_id"
    " AND worker.last_heartbeat > now() - CAST(:silent AS interval))"
)


class Outbox:
    """Defers procrastinate jobs over the unit's own connection."""

    def __init__(self, connection: Connection) -> None:
        """Enqueue over ``connection``."""
        self._connection = connection

    def defer(self, task: str, *, queue: str, priority: int = 0, queueing_lock: str | None = None, **args: str) -> None:
        """Enqueue ``task``. Arguments are ids and codes: job rows are not sealed."""
        values = {
            "queue": queue,
            "task": task,
            "priority": priority,
            "queueing_lock": queueing_lock,
            "args": orjson.dumps(args).decode(),
        }
        self._connection.execute(_DEFER, values)

    def revive(self, silent: timedelta) -> int:
        """Give the jobs of workers that showed no sign of life for ``silent`` back to the queue; returns how many."""
        return self._connection.execute(_REVIVE, {"silent": silent}).rowcount
