"""The worker: takes reports from the queue, erases at deadlines, numbers the log, picks up what was dropped."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import structlog
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException

from hub.audit.sequencer import integrate
from hub.flow import PROCESS_REPORT, REPORTS_QUEUE, enqueue
from hub.jobs.beats import Beat, Duty
from hub.logs import job_context
from hub.retention.step import sweep
from hub.wiring import Hub, target_of

_log = structlog.get_logger()

ERASE_EVERY = timedelta(seconds=1)
NUMBER_EVERY = timedelta(milliseconds=500)
"""Half of the second the log may be behind."""
RESCUE_EVERY = timedelta(seconds=5)
RETURN_AFTER = timedelta(seconds=1)
"""Between losing the database and going back to the queue."""
PRUNE_EVERY = timedelta(hours=24)
ORPHANED_AFTER = timedelta(seconds=30)
"""A report that has no job for so long has lost it."""

_AGAIN = RetryStrategy(wait=1, linear_wait=2)
"""Without end: a report is retried until it is done, or lapses at its deadline."""


def run(hub: Hub, *, queues: Sequence[str] = (REPORTS_QUEUE,)) -> None:
    """Work until told to stop (SIGTERM, SIGINT), finishing the job at hand."""
    with _beating(duties(hub)):
        asyncio.run(_work_until_told(hub, queues))


def duties(hub: Hub) -> list[Duty]:
    """Return what the worker does besides jobs."""
    return [
        Duty("erase", ERASE_EVERY, lambda: erase_due(hub)),
        Duty("number-log", NUMBER_EVERY, lambda: number_log(hub)),
        Duty("rescue", RESCUE_EVERY, lambda: rescue(hub)),
        Duty("prune", PRUNE_EVERY, hub.keys.prune),
    ]


def erase_due(hub: Hub) -> int:
    """Erase every bucket whose deadline has come; returns how many."""
    certificates = sweep(hub.store, hub.keys, hub.signer, hub.clock)
    for certificate in certificates:
        _log.info("erased", bucket=certificate.bucket.name, parcels=certificate.parcels)
    return len(certificates)


def number_log(hub: Hub) -> int:
    """Give committed log entries their numbers and sign a checkpoint; returns how many entries."""
    with hub.store.writing() as unit:
        unit.audit.lock_sequencer()
        return integrate(unit.audit, hub.signer, hub.clock)


def rescue(hub: Hub) -> int:
    """Give jobs of dead workers and reports without a job back to the queue; returns how many."""
    silent = timedelta(seconds=hub.settings.worker.stalled_after_seconds)
    with hub.store.writing() as unit:
        revived = unit.jobs.revive(silent)
        orphans = unit.reports.without_job(hub.clock.now() - ORPHANED_AFTER)
        for report_id, severity in orphans:
            enqueue(unit, report_id, severity)
    return revived + len(orphans)


async def _work_until_told(hub: Hub, queues: Sequence[str]) -> None:
    """Go back to the queue whenever the database was lost: procrastinate's own loop ends then, well or with an error.

    Each time it is another worker to the queue, so that jobs whose end could not be written down are rescued.
    """
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    telling = asyncio.create_task(told.wait())
    while not told.is_set():
        working = asyncio.create_task(_work(hub, queues))
        await asyncio.wait((working, telling), return_when=asyncio.FIRST_COMPLETED)
        working.cancel()  # the job at hand is finished first
        with suppress(asyncio.CancelledError, ConnectorException, psycopg.OperationalError):
            await working
        if not told.is_set():
            _log.warning("queue-lost")
            await asyncio.wait((telling,), timeout=RETURN_AFTER.total_seconds())


async def _work(hub: Hub, queues: Sequence[str]) -> None:
    ending = asyncio.current_task()
    app = _app(hub, lambda: None if ending is None else ending.cancel())
    settings = hub.settings.worker
    async with app.open_async():
        await app.run_worker_async(
            queues=list(queues),
            name="kessetsu-worker",
            concurrency=settings.concurrency,
            fetch_job_polling_interval=1.0,
            update_heartbeat_interval=settings.heartbeat_seconds,
            stalled_worker_timeout=settings.stalled_after_seconds,
            delete_jobs="successful",
            install_signal_handlers=False,
        )


class _Queue(PsycopgConnector):
    """Tells when something could not be written down, which procrastinate takes note of for some statements only.

    Otherwise a job would count as being done for as long as its worker lives, and nobody would do it.
    """

    def __init__(self, failed: Callable[[], object], **options: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(**options)
        self._failed = failed

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:  # noqa: ANN401 - as the base
        try:
            await super().execute_query_async(query, **arguments)
        except ConnectorException:
            self._failed()
            raise


def _app(hub: Hub, failed: Callable[[], object]) -> App:
    target = target_of(hub.settings, "worker")
    connector = _Queue(failed, kwargs=target.parameters("kessetsu-queue"), min_size=1, max_size=4)
    app = App(connector=connector)

    @app.task(name=PROCESS_REPORT, queue=REPORTS_QUEUE, retry=_AGAIN, pass_context=True)
    async def process_report(context: JobContext, report_id: str) -> None:
        with job_context(context.job.id or 0, PROCESS_REPORT):
            await asyncio.to_thread(hub.flow.process, UUID(report_id))

    return app


@contextmanager
def _beating(wanted: Sequence[Duty]) -> Iterator[None]:
    beats = [Beat(duty) for duty in wanted]
    for beat in beats:
        beat.start()
    try:
        yield
    finally:
        for beat in beats:
            beat.stop()
