"""Somebody else's requests, at a steady pace from a process of its own: how long each waits for its answer.

Each request is due at a fixed instant, whether or not the one before was answered in time, and its wait counts
from that instant: a hub that stops answering does not stop the clock.
"""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

import httpx

from tests.benchmarks.instance import Instance, Member

PER_SECOND: Final = 20


@dataclass
class Waits:
    """When each request was due and how long it waited, by kind, in seconds; filled in when the asking ends."""

    by_kind: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def between(self, first: float = float("-inf"), last: float = float("inf")) -> list[float]:
        """Return the waits of the requests that were due between two instants of the monotonic clock."""
        return [wait for asked in self.by_kind.values() for due, wait in asked if first <= due <= last]


@contextmanager
def asking(instance: Instance, member: Member) -> Iterator[Waits]:
    """List the inbox, ask who one is, read a parcel, in turn, meanwhile; ``member`` must have a parcel."""
    parcels = httpx.get(f"{instance.url}/v1/inbox", headers=member.headers, trust_env=False).json()["parcels"]
    parcel = min(parcels, key=lambda one: one["record_count"])["parcel_id"]
    paths = {"inbox": "/v1/inbox", "me": "/v1/me", "records": f"/v1/inbox/{parcel}/records"}
    waits = Waits()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    asker = context.Process(target=_ask, args=(instance.url, member.headers, paths, theirs), daemon=True)
    asker.start()
    ours.recv()
    try:
        yield waits
    finally:
        ours.send("end")
        waits.by_kind = ours.recv()
        asker.join()


def _ask(url: str, headers: dict[str, str], paths: dict[str, str], pipe: Connection) -> None:
    """Ask until told to end, then tell the waits. The first round is not counted: it opens the connection."""
    waits: dict[str, list[tuple[float, float]]] = {kind: [] for kind in paths}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for path in paths.values():
            client.get(path).raise_for_status()
        pipe.send("ready")
        due, kinds = time.monotonic(), list(paths)
        while not pipe.poll():
            kind = kinds[sum(map(len, waits.values())) % len(kinds)]
            client.get(paths[kind]).raise_for_status()
            waits[kind].append((due, time.monotonic() - due))
            due += 1 / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
    pipe.recv()
    pipe.send(waits)
