"""Erasing many parcels at their deadline, beside deleting the same rows one by one.

The parcels come by the hub's own way: received, attributed, decided, sealed, staged and released in this process,
with a clock that then jumps to their deadline. Every repetition erases a copy of the same database and key store.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
from psycopg import sql

from hub.clock import SteppedClock
from hub.intake.step import Push
from hub.retention.step import sweep
from hub.wiring import Hub, open_store
from tests.benchmarks.figures import Baseline, Figure
from tests.benchmarks.instance import Instance
from tests.benchmarks.reports import envelope, even
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell

MOST_SECONDS: Final = 2.0
RECIPIENTS: Final = 100
EACH: Final = 10_000
_FIRST_MEMBER: Final = 1


def erase(setting: Setting) -> list[Figure]:
    """Fill a hub of its own, then measure the sweep and the deletion in turn."""
    base = setting.base / "erased"
    base.mkdir(mode=0o711)
    instance = Instance(base, setting.world)
    try:
        deadline = _fill(setting, instance)
        swept, deleted = [], []
        with _kept(instance) as again:
            for number in range(1, setting.amount.sweeps + 1):
                deleted.append(_delete(instance, deadline))
                swept.append(_sweep(setting, instance, deadline))
                tell(f"Round {number}: sweep {swept[-1]:.2f} s, DELETE {deleted[-1]:.2f} s")
                again()
    finally:
        instance.remove()
    return _figures(setting, swept, deleted)


def _figures(setting: Setting, swept: list[float], deleted: list[float]) -> list[Figure]:
    parcels = setting.amount.erased_reports * RECIPIENTS
    return [
        Figure(
            f"erasing {parcels:,} parcels of {EACH:,} records each",
            swept,
            most=MOST_SECONDS,
            baseline=Baseline("DELETE of the same rows", deleted),
            note="the sweep destroys the key, drops the partition, marks the parcels, and signs and stores the "
            "certificate; the DELETE only deletes the ciphertext, and is rolled back: its commit is not in its time",
        ),
    ]


# --- filling ------------------------------------------------------------------------------------------


def _fill(setting: Setting, instance: Instance) -> datetime:
    """Store the parcels and return their common deadline."""
    clock = SteppedClock(datetime.now(setting.start.tzinfo))
    api, worker = _hub(instance, "api", clock), _hub(instance, "worker", clock)
    members = range(_FIRST_MEMBER, _FIRST_MEMBER + RECIPIENTS)
    caller = api.authenticate(instance.members[0].token)
    stated = orjson.dumps(envelope(setting.start))
    for number in range(1, setting.amount.erased_reports + 1):
        drawn = even(setting.world, members, EACH, number, setting.start)
        receipt = api.flow.receive(Push(caller, uuid4().hex, stated, drawn.csv))
        worker.flow.process(receipt.report_id)
        if instance.delivered(receipt.report_id) != drawn.expected:
            raise RuntimeError("a report to be erased later did not reach its recipients")
        tell(f"Stored {number * RECIPIENTS:,} parcels of {EACH:,} records each")
    api.close()
    worker.close()
    deadline: datetime
    [(deadline,)] = instance.asked("SELECT DISTINCT deadline FROM parcels")
    with closing(instance.connect()) as connection:
        connection.execute("CHECKPOINT")
    return deadline


def _hub(instance: Instance, role: str, clock: SteppedClock) -> Hub:
    return Hub.of(instance.settings, open_store(instance.settings, role, clock), clock)


# --- measuring ----------------------------------------------------------------------------------------


def _sweep(setting: Setting, instance: Instance, deadline: datetime) -> float:
    """Erase what is due at ``deadline``, check that nothing is left, and return the seconds it took."""
    _set_present(instance, deadline)
    hub = _hub(instance, "worker", SteppedClock(deadline))
    hub.store.ping()
    began = time.perf_counter()
    certificates = sweep(hub.store, hub.keys, hub.signer, hub.clock)
    seconds = time.perf_counter() - began
    left = instance.asked("SELECT (SELECT count(*) FROM sealed_chunks), count(*) FROM parcels WHERE state <> 'erased'")
    hub.close()
    parcels = setting.amount.erased_reports * RECIPIENTS
    if left != [(0, 0)] or parcels not in {certificate.parcels for certificate in certificates}:
        raise RuntimeError(f"after the sweep {left[0]} rows and parcels were left; certificates: {len(certificates)}")
    return seconds


def _set_present(instance: Instance, instant: datetime) -> None:
    """Let the functions that drop partitions take ``instant`` for the present."""
    body = sql.Literal(f"SELECT timestamptz '{instant.isoformat()}'")
    with closing(instance.connect()) as connection:
        connection.execute(
            sql.SQL("CREATE OR REPLACE FUNCTION present() RETURNS timestamptz LANGUAGE sql AS {}").format(body)
        )


def _delete(instance: Instance, deadline: datetime) -> float:
    with closing(instance.connect()) as connection:
        began = time.perf_counter()
        with connection.transaction(force_rollback=True):
            for table in ("sealed_chunks", "sealed_objects"):
                _delete_all(connection, table, deadline)
            seconds = time.perf_counter() - began
    return seconds


def _delete_all(connection: Any, table: str, deadline: datetime) -> None:
    statement = sql.SQL("DELETE FROM {} WHERE deadline = %s").format(sql.Identifier(table))
    connection.execute(statement, (deadline,))


@contextmanager
def _kept(instance: Instance) -> Iterator[Any]:
    """Keep a copy of database and key store; yields what puts the hub back as it was."""
    places = (instance.server.data_directory, instance.settings.keys.store)
    instance.server.stop()
    copies = [place.with_name(f"{place.name}.kept") for place in places]
    for place, copy in zip(places, copies, strict=True):
        _copy(place, copy)
    instance.server.start()

    def again() -> None:
        instance.server.stop()
        for place, copy in zip(places, copies, strict=True):
            shutil.rmtree(place)
            _copy(copy, place)
        instance.server.start()

    try:
        yield again
    finally:
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with owners and modes."""
    subprocess.run(["cp", "-a", "--", source, target], check=True)
