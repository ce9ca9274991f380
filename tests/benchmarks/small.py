"""Many small reports of real attackers' sources from many members at a fixed pace: push to visible."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import orjson

from tests.benchmarks import cpu
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.instance import Instance
from tests.benchmarks.reports import FEWEST, MOST, SMALL, Drawn, envelope
from tests.benchmarks.reports import small as draw
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell
from tests.benchmarks.warming import warm

PER_SECOND: Final = 10
REPORTERS: Final = 50
MOST_SECONDS: Final = 1.0
_LOOK: Final = 0.01
_LATEST: Final = 30.0
_FETCHED_EVERY: Final = 50


def small(setting: Setting) -> list[Figure]:
    """Offer them, due at fixed instants whether or not those before are done; each counts from when it was due."""
    drawn = list(draw(setting.world, PER_SECOND * setting.amount.seconds, setting.start))
    with setting.instance.running(setting.threads):
        warm(setting)
        with _seen(setting.instance) as seen:
            before = cpu.spent(setting.instance.processes)
            sent = asyncio.run(_offer(setting.instance, drawn, setting.start))
            _wait_for(seen, {report_id for report_id, _, _ in sent})
        spent = cpu.difference(before, cpu.spent(setting.instance.processes))
        _check(setting.instance, [report_id for report_id, _, _ in sent], drawn)
    waits = [seen[report_id] - due for report_id, due, _ in sent]
    answers = [answered - due for _, due, answered in sent]
    title = f"{SMALL} records, {PER_SECOND}/s for {setting.amount.seconds} s"
    told = f"median {percentile(waits, 0.5):.3f} s, longest {max(waits):.3f} s; {cpu.told(spent, len(sent))} a report"
    tell(f"{title}: p99 {percentile(waits, 0.99):.3f} s, {told}")
    return [
        Figure(
            f"{title}: push -> visible, p99",
            [percentile(waits, 0.99)],
            most=MOST_SECONDS,
            note=f"{len(waits)} reports of {REPORTERS} members to {FEWEST}-{MOST} recipients each; {told}",
            more={"waits": waits},
        ),
        Figure(f"{title}: push -> receipt (202), p99", [percentile(answers, 0.99)], more={"waits": answers}),
    ]


async def _offer(instance: Instance, drawn: list[Drawn], start: datetime) -> list[tuple[UUID, float, float]]:
    """Push each report at its instant; return its id, when it was due and when it was answered."""
    stated = orjson.dumps(envelope(start))
    limits = httpx.Limits(max_connections=REPORTERS, max_keepalive_connections=REPORTERS)
    async with httpx.AsyncClient(base_url=instance.url, timeout=60, trust_env=False, limits=limits) as client:

        async def one(number: int, report: Drawn, due: float) -> tuple[UUID, float, float]:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            headers = {**instance.members[number % REPORTERS].headers, "Idempotency-Key": uuid4().hex}
            files = {"envelope": ("e.json", stated, "application/json"), "records": ("r.csv", report.csv, "text/csv")}
            answer = await client.post("/v1/reports", files=files, headers=headers)
            answer.raise_for_status()
            return UUID(answer.json()["report_id"]), due, time.monotonic()

        first = time.monotonic() + 0.1
        pushes = (one(number, report, first + number / PER_SECOND) for number, report in enumerate(drawn))
        return list(await asyncio.gather(*pushes))


@contextmanager
def _seen(instance: Instance) -> Iterator[dict[UUID, float]]:
    """Note when each report has become visible, to some hundredths of a second."""
    seen: dict[UUID, float] = {}
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(instance, seen, done), daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def _watch(instance: Instance, seen: dict[UUID, float], done: threading.Event) -> None:
    query = "SELECT id FROM reports WHERE state = 'released' AND released_at > now() - interval '5 seconds'"
    with closing(instance.connect()) as connection:
        while not done.wait(_LOOK):
            for (report_id,) in _rows(connection, query):
                seen.setdefault(report_id, time.monotonic())


def _rows(connection: Any, query: str) -> list[tuple[UUID]]:
    rows: list[tuple[UUID]] = connection.execute(query).fetchall()
    return rows


def _wait_for(seen: dict[UUID, float], wanted: set[UUID]) -> None:
    until = time.monotonic() + _LATEST
    while not wanted <= seen.keys():
        if time.monotonic() > until:
            raise RuntimeError(f"{len(wanted - seen.keys())} reports were not released in time")
        time.sleep(_LOOK)


def _check(instance: Instance, ids: list[UUID], drawn: list[Drawn]) -> None:
    """Compare what every member got of every report with what was drawn, and fetch some parcels."""
    for report_id, report in zip(ids, drawn, strict=True):
        delivered = instance.delivered(report_id)
        if delivered != report.expected:
            raise RuntimeError(f"report {report_id} reached {len(delivered)} members, not {len(report.expected)}")
    with httpx.Client(base_url=instance.url, timeout=60, trust_env=False) as client:
        for report_id, report in list(zip(ids, drawn, strict=True))[::_FETCHED_EVERY]:
            index, count = next(iter(report.expected.items()))
            member = instance.members[index]
            [(parcel_id,)] = instance.asked(
                "SELECT id FROM parcels WHERE report_id = %s AND capacity_id = %s", report_id, member.capacity_id
            )
            records = client.get(f"/v1/inbox/{parcel_id}/records", headers=member.headers).raise_for_status().json()
            if len(records["records"]) != count:
                raise RuntimeError(f"parcel {parcel_id} holds {len(records['records'])} records, not {count}")
