"""Members at work on a hub of processes: reporters that do not give up, recipients that poll without pause.

Every source address says in which report it stood, so that what arrives can be compared with what was sent.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import httpx
import orjson

from tests.support.instance import Party, attack, csv_of
from tests.support.processes import ProcessHub

ROWS = 100
"""Sources of one report in one carrier's network."""
NETWORKS = {"Bob Cable": "60.0.0.0/9", "Carol Telecom": "106.0.0.0/9", "Dora Hikari": "2400:1234::/32"}
"""Room for 32,768 reports; documentation prefixes would be attributed to nobody."""
AGED = timedelta(seconds=15)
"""So old are the events of a short drill when they are pushed: of its 30 s half are left."""
_AGAIN = frozenset({409, 500, 502, 503, 507})
"""What a reporter repeats the same push after."""


@dataclass(frozen=True)
class Sent:
    """One push, repeated until it was answered for good."""

    number: int
    key: str
    reporter: str
    data_class: str
    deadline: datetime
    receipt: dict[str, Any] | None
    """``None`` where the hub refused it in the end: its data had become too old."""
    attempts: int


@dataclass
class Poll:
    """One list of an inbox: when it was asked for and answered, and what was new in it."""

    began: float
    ended: float
    parcels: frozenset[str]


@dataclass
class Seen:
    """What one recipient has seen."""

    polls: list[Poll] = field(default_factory=list)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, set[str]] = field(default_factory=dict)
    """By parcel; where the parcel was still there when it was opened."""
    gone: set[str] = field(default_factory=set)
    """Parcels whose deadline had come when they were opened."""


def sources_of(number: int, network: str) -> set[str]:
    """Return the sources of report ``number`` in one carrier's network."""
    base = int(ip_address(NETWORKS[network].partition("/")[0]))
    wide = ":" in NETWORKS[network]
    first = base + (number << (64 if wide else 8)) + 1
    return {str(ip_address(first + row)) for row in range(ROWS)}


class Members:
    """Two reporters and three recipients, each a thread, until told to stop."""

    def __init__(self, hub: ProcessHub, seed: int) -> None:
        """Add the members to the hub; :meth:`working` sets them to work."""
        self.hub = hub
        made = hub.instance
        made.prefixes({prefix: 64500 + place for place, prefix in enumerate(NETWORKS.values())})
        self.recipients = {name: made.party(name, prefixes=[prefix]) for name, prefix in NETWORKS.items()}
        self.reporters = {name: made.party(name) for name in ("Alice Net", "Erin Mobile")}
        self.sent: list[Sent] = []
        self.seen = {name: Seen() for name in NETWORKS}
        self.statuses: dict[int, int] = {}
        self.failures: list[BaseException] = []
        self.pushing = threading.Event()
        """Set while some reporter waits for an answer."""
        self._seed = seed
        self._lock = threading.Lock()
        self._next = 0
        self._no_more_pushes = threading.Event()
        self._no_more_polls = threading.Event()
        self._short_too = True

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have all of them work meanwhile; at the end reporters still get their last receipts."""
        pushers = [self._thread(self._report, name, party) for name, party in self.reporters.items()]
        readers = [self._thread(self._read, name, party) for name, party in self.recipients.items()]
        try:
            yield
        finally:
            self.finish_pushing(pushers)
            self._no_more_polls.set()
            for thread in readers:
                thread.join(60)
        assert not any(thread.is_alive() for thread in (*pushers, *readers)), "a member's thread hangs"

    def finish_pushing(self, pushers: list[threading.Thread]) -> None:
        """Let the reporters end the push at hand."""
        self._no_more_pushes.set()
        for thread in pushers:
            thread.join(120)

    def stop_pushing(self) -> None:
        """Tell reporters to end after the push at hand; recipients go on."""
        self._no_more_pushes.set()

    def pushed_out(self) -> bool:
        """Tell whether every push that was begun has been answered."""
        with self._lock:
            return self._no_more_pushes.is_set() and len(self.sent) == self._next

    def _thread(self, work: Any, name: str, party: Party) -> threading.Thread:
        def guarded() -> None:
            try:
                work(name, party)
            except BaseException as failure:  # noqa: BLE001 - the test's own thread reports it
                self.failures.append(failure)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    # --- reporters ------------------------------------------------------------------------------------

    def _report(self, name: str, party: Party) -> None:
        chance = random.Random(f"{self._seed}/{name}")  # noqa: S311 - reproducible, guards nothing
        with httpx.Client(base_url=self.hub.url, timeout=10, trust_env=False) as client:
            while not self._no_more_pushes.is_set():
                with self._lock:
                    number = self._next
                    self._next += 1
                done = self._push(client, name, party, number, short=number % 3 == 1)
                with self._lock:
                    self.sent.append(done)
                time.sleep(chance.uniform(0.0, 1.0))

    def _push(self, client: httpx.Client, name: str, party: Party, number: int, *, short: bool) -> Sent:
        at = datetime.now(UTC).replace(microsecond=0) - (AGED if short else timedelta(minutes=1))
        deadline = at + timedelta(seconds=30) if short else at + timedelta(hours=24)
        data_class = "drill-short" if short else "drill"
        stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        envelope = attack(purpose="drill", data_class=data_class, start=stamp, end=stamp)
        csv = csv_of(sorted(set().union(*(sources_of(number, network) for network in NETWORKS))), at=stamp)
        key, attempts = uuid4().hex, 0
        while True:
            attempts += 1
            assert attempts < 600, f"report {number} is not taken"
            # now and then the program has lost its key: known by its content, as long as that is kept
            lost = attempts % 7 == 3 and not short
            headers = {**party.headers, "Idempotency-Key": uuid4().hex if lost else key}
            answer = self._ask(client, headers, envelope, csv)
            if answer is not None and answer.status_code == 202:
                return Sent(number, key, name, data_class, deadline, answer.json(), attempts)
            if answer is not None and answer.status_code not in _AGAIN:
                assert answer.status_code == 422, answer.text
                assert short, answer.text
                return Sent(number, key, name, data_class, deadline, None, attempts)
            time.sleep(0.2)

    def _ask(self, client: httpx.Client, headers: dict[str, str], envelope: Any, csv: str) -> httpx.Response | None:
        files = {
            "envelope": ("envelope.json", orjson.dumps(envelope), "application/json"),
            "records": ("records.csv", csv.encode(), "text/csv"),
        }
        self.pushing.set()
        try:
            answer = client.post("/v1/reports", files=files, headers=headers)
        except httpx.TransportError:
            return None
        finally:
            self.pushing.clear()
        self._count(answer)
        return answer

    def _count(self, answer: httpx.Response) -> None:
        with self._lock:
            self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1

    # --- recipients -----------------------------------------------------------------------------------

    def _read(self, name: str, party: Party) -> None:
        seen, since = self.seen[name], "0"
        unread: list[str] = []
        with httpx.Client(base_url=self.hub.url, headers=party.headers, timeout=10, trust_env=False) as client:
            while not self._no_more_polls.is_set() or unread:
                page, began, ended = self._list(client, since)
                if page is not None:
                    new = [parcel["parcel_id"] for parcel in page["parcels"]]
                    assert not seen.listed.keys() & new, "a parcel came again after its place in the stream"
                    seen.listed |= {parcel["parcel_id"]: parcel for parcel in page["parcels"]}
                    seen.polls.append(Poll(began, ended, frozenset(new)))
                    unread += new
                    since = page["cursor"]
                unread = [parcel for parcel in unread if not self._open(client, seen, parcel)]
                time.sleep(0.12)

    def _list(self, client: httpx.Client, since: str) -> tuple[dict[str, Any] | None, float, float]:
        began = time.monotonic()
        try:
            answer = client.get("/v1/inbox", params={"since": since, "limit": 500})
        except httpx.TransportError:
            return None, began, time.monotonic()
        self._count(answer)
        assert answer.status_code in {200, *_AGAIN}, answer.text
        return (answer.json() if answer.status_code == 200 else None), began, time.monotonic()

    def _open(self, client: httpx.Client, seen: Seen, parcel: str) -> bool:
        """Read a parcel's records; tell whether it need not be tried again."""
        try:
            answer = client.get(f"/v1/inbox/{parcel}/records", headers={"Accept": "application/json"})
        except httpx.TransportError:
            return False
        self._count(answer)
        if answer.status_code == 200:
            try:
                seen.sources[parcel] = {row["src_ip"] for row in answer.json()["records"]}
            except ValueError:
                return False  # cut off in the middle
            return True
        if answer.status_code == 410:
            seen.gone.add(parcel)
            return True
        assert answer.status_code in _AGAIN, answer.text
        return False
