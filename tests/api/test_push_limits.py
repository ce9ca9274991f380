"""Pushes that are too large, too slow, or never end: refused while they stream, and nothing of them stays."""

import gzip
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import orjson
import pytest
import zstandard
from fastapi import FastAPI

from api.app import create_app
from hub.clock import SteppedClock
from hub.settings import MIB, IntakeSettings
from hub.store.roles import Role
from hub.vocabulary import ReportState
from tests.api.planting import found, spellings
from tests.api.served import Served, served
from tests.api.wire import ENVELOPE, RECORDS, Wire, form, good_form, part, push_headers, stored
from tests.support.database import Cluster
from tests.support.instance import HEADER, Instance, Party, attack, csv_of, serving

SOURCES = ["60.1.2.3", "60.1.2.4"]
PLANTED, BAD_ADDRESS = "60.1.77.201", "60.1.77.999"
GOOD_ENVELOPE = orjson.dumps(attack())
LINE = csv_of(SOURCES[:1]).splitlines(keepends=True)[1].encode()


class TestLimits:
    """Size and time are bounded, and what an upload took of the budget is given back."""

    @pytest.fixture(scope="class")
    @classmethod
    def tight(cls, database_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
        """Give a hub with small limits."""
        with (
            database_cluster.fresh() as database,
            closing(Instance(database, tmp_path_factory.mktemp("hub"))) as instance,
        ):
            intake = IntakeSettings(
                max_body_bytes=MIB,
                max_decoded_bytes=4 * MIB,
                max_rows=1_000,
                max_bytes_in_flight=2 * MIB,
                upload_timeout_seconds=2,
            )
            instance.settings = instance.settings.model_copy(update={"intake": intake})
            instance.hub = instance._hub(Role.API)
            yield instance
            assert stored(instance) == 0

    @pytest.fixture(scope="class")
    @classmethod
    def app(cls, tight: Instance) -> FastAPI:
        """Give its application."""
        return create_app(tight.hub)

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, app: FastAPI) -> Iterator[str]:
        """Give where it is served."""
        with serving(app) as url:
            yield url

    @pytest.fixture(scope="class")
    @classmethod
    def alice(cls, tight: Instance) -> Party:
        """Give a reporter."""
        return tight.party("Alice")

    @pytest.fixture(autouse=True)
    def budget_is_given_back(self, app: FastAPI) -> Iterator[None]:
        """After each test no upload holds anything."""
        yield
        for _ in range(200):
            if app.state.uploads._used == 0:
                return
            time.sleep(0.01)
        assert app.state.uploads._used == 0

    @pytest.mark.parametrize(
        "bomb",
        [
            gzip.compress(b"60.1.2.3\n" * 900_000),
            zstandard.ZstdCompressor(level=19).compress(b"\0" * 300_000_000),
            gzip.compress(gzip.compress(bytes(100 * MIB))),
        ],
        ids=["gzip", "zstd", "gzip within gzip"],
    )
    def test_bombs(self, url: str, alice: Party, bomb: bytes) -> None:
        """A small body that unpacks to more than the limit is refused."""
        content = form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, bomb))
        answer = httpx.post(f"{url}/v1/reports", content=content, headers=push_headers(alice), trust_env=False)

        assert (answer.status_code, answer.json()["code"]) in {(413, "too-large"), (422, "bad-records")}

    def test_too_many_rows(self, url: str, alice: Party) -> None:
        """Past the stated number of rows a report is refused."""
        content = form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, HEADER.encode() + b"\n" + LINE * 1_001))
        answer = httpx.post(f"{url}/v1/reports", content=content, headers=push_headers(alice), trust_env=False)

        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        assert "1,000" in answer.text.replace("1000", "1,000")

    def test_announced_too_large(self, url: str, alice: Party) -> None:
        """A length past the limit is refused by its announcement; nothing is waited for."""
        with Wire.to(url) as wire:
            wire.head({**push_headers(alice), "Content-Length": str(2 * 10**9)})
            status, answer = wire.answer()

        assert status == 413
        assert b"connection: close" in answer.lower()

    def test_more_than_announced(self, url: str, alice: Party) -> None:
        """Bytes after the announced length are another request, and none the hub answers."""
        content = good_form(SOURCES)
        with Wire.to(url) as wire:
            wire.head({**push_headers(alice), "Content-Length": str(len(content) - 40)})
            wire.send(content)
            status, _ = wire.answer()

        assert status in {400, 422}

    def test_less_than_announced(self, url: str, alice: Party) -> None:
        """A body that never comes to its announced end is refused when the time is over."""
        content = good_form(SOURCES)
        with Wire.to(url) as wire:
            wire.head({**push_headers(alice), "Content-Length": str(len(content) + 100)})
            wire.send(content)
            began = time.monotonic()
            status, answer = wire.answer()

        assert status == 503
        assert b"retry-after" in answer.lower()
        assert 0.5 < time.monotonic() - began < 10

    def test_dripping(self, url: str, alice: Party) -> None:
        """An upload that drips is ended by the clock, however alive it looks."""
        content = good_form(SOURCES)
        with Wire.to(url) as wire:
            wire.head({**push_headers(alice), "Transfer-Encoding": "chunked"})
            began = time.monotonic()
            try:
                for byte in content:
                    wire.send(b"1\r\n%c\r\n" % byte)
                    time.sleep(0.05)
                    assert time.monotonic() - began < 10
            except (BrokenPipeError, ConnectionResetError):
                pass  # hung up on, as it should be
            status, _ = wire.answer()

        assert status == 503

    @pytest.mark.parametrize("where", [10, -20])
    def test_hanging_up(self, url: str, app: FastAPI, alice: Party, where: int) -> None:
        """A client that goes away in mid-upload leaves nothing behind."""
        content = good_form(SOURCES)
        with Wire.to(url) as wire:
            wire.head({**push_headers(alice), "Content-Length": str(len(content))})
            wire.send(content[:where])
            for _ in range(200):
                if app.state.uploads._used:
                    break
                time.sleep(0.01)
            assert app.state.uploads._used > 0

    def test_past_the_budget(self, url: str, app: FastAPI, alice: Party) -> None:
        """When the process holds as much as it may, pushes are told to come again, and the running ones go on."""
        filler = part(*ENVELOPE, GOOD_ENVELOPE) + part(*RECORDS, b"x" * (MIB - 9_000))[:-2]
        wires = [Wire.to(url) for _ in range(3)]
        try:
            for wire in wires[:2]:
                wire.head({**push_headers(alice), "Content-Length": str(len(filler) + 1_000)})
                wire.send(filler)
            for _ in range(100):
                if app.state.uploads._used >= 2 * len(filler):
                    break
                time.sleep(0.01)
            content = form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, b"x" * 50_000))
            wires[2].head({**push_headers(alice), "Content-Length": str(len(content)), "Connection": "close"})
            wires[2].send(content)
            status, answer = wires[2].answer()
        finally:
            for wire in wires:
                wire.socket.close()

        assert status == 503
        assert b"retry-after: " in answer.lower()
        assert b"as many uploads as it can hold" in answer

    def test_trailing_bytes_count(self, url: str, alice: Party) -> None:
        """What follows the last boundary is no part, and is counted all the same."""
        pieces = [good_form(SOURCES), *[b"x" * 65_536] * 400]
        answer = httpx.post(f"{url}/v1/reports", content=iter(pieces), headers=push_headers(alice), trust_env=False)

        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


class TestTwoGigabytes:
    """A body of 2 GB is refused while it streams; the process does not grow, and nothing is spooled."""

    @pytest.fixture(scope="class")
    @classmethod
    def real(
        cls, database_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[tuple[Instance, Served]]:
        """Give the program as it is served, at the machine's own time."""
        home = tmp_path_factory.mktemp("hub")
        with (
            database_cluster.fresh() as database,
            closing(Instance(database, home, clock=SteppedClock(datetime.now(UTC)))) as instance,
        ):
            intake = IntakeSettings(max_body_bytes=8 * MIB, max_bytes_in_flight=64 * MIB, max_decoded_bytes=16 * MIB)
            instance.prefixes({"60.1.0.0/16": 64500})
            instance.party("Bob Cable", systems=[64500])
            settings = instance.settings.model_copy(update={"intake": intake})
            with served(settings, home) as running:
                yield instance, running

    def test_refused_while_streaming(self, real: tuple[Instance, Served]) -> None:
        """Three shapes of 2 GB: records, trailing bytes, and a bomb; each ends early and leaves no trace."""
        instance, running = real
        alice = instance.party("Alice")
        warm = csv_of(SOURCES, at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        _send(running.url, alice, [form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, warm.encode()))])
        begun = part(*ENVELOPE, GOOD_ENVELOPE) + part(*RECORDS, HEADER.encode() + b"\n")[:-2]
        line = LINE * (MIB // len(LINE))
        running.peak_memory()
        base = running.peak_memory()

        for shape in ((begun, line), (good_form(SOURCES), b"x" * MIB)):
            status, sent = _stream(running.url, alice, *shape)
            assert status == 413
            assert sent < 64 * MIB
        bomb = zstandard.ZstdCompressor().compress(bytes(2 * 1024 * MIB))
        unpacked = _send(running.url, alice, [form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, bomb))])
        assert unpacked.status_code == 413
        opened = running.open_files()

        assert running.peak_memory() - base < 64 * MIB
        assert not [path for path in opened if "key" not in path and path != str(running.log)]
        assert stored(instance) <= 3  # the warm-up's report, blob and job
        assert not [path for path in instance.home.rglob("*") if path.is_file() and path.stat().st_size > MIB]

    def test_logs_hold_nothing(self, real: tuple[Instance, Served]) -> None:
        """Whatever is pushed, asked or broken, no value of it reaches the program's log."""
        instance, running = real
        alice = instance.party("Alice Log")
        instance.work()
        at = datetime.now(UTC) - timedelta(minutes=1)
        good = csv_of([PLANTED], at=at.strftime("%Y-%m-%dT%H:%M:%S.654321Z"))
        window = {"start": (at - timedelta(minutes=1)).isoformat(), "end": at.isoformat()}
        with httpx.Client(base_url=running.url, trust_env=False) as client:
            for records in (good, good.replace(PLANTED, BAD_ADDRESS), "x" + PLANTED):
                envelope = orjson.dumps(attack(target="45.77.201.13", **window))
                content = form(part(*ENVELOPE, envelope), part(*RECORDS, records.encode()))
                client.post("/v1/reports", content=content, headers=push_headers(alice))
            client.get(f"/v1/{PLANTED}", headers=alice.headers)
            client.get(f"/v1/inbox/{PLANTED}?since={PLANTED}", headers={**alice.headers, "X-Note": PLANTED})
            client.post(f"/v1/inbox/{uuid4()}/outcomes", json={PLANTED: PLANTED}, headers=alice.headers)
            client.get("/v1/me", headers={"Authorization": f"Bearer {PLANTED}"})
        with Wire.to(running.url) as wire:
            wire.send(f"NONSENSE {PLANTED}\r\n\r\n".encode())
            wire.answer()
        log = running.log.read_bytes()

        secrets = spellings(PLANTED) | spellings("45.77.201.13") | {BAD_ADDRESS.encode(), b"654321"}
        assert found(secrets | {alice.token.encode(), alice.name.encode()}, log) == []
        assert log.count(b'"event":"request"') >= 7
        assert instance.work() == 1
        with instance.database.connect() as connection:
            query = "SELECT state FROM reports WHERE member_id = %s"
            assert connection.execute(query, (alice.member_id,)).fetchall() == [(ReportState.RELEASED.value,)]


def _send(url: str, party: Party, pieces: list[bytes]) -> httpx.Response:
    return httpx.post(f"{url}/v1/reports", content=iter(pieces), headers=push_headers(party), trust_env=False)


def _stream(url: str, party: Party, first: bytes, piece: bytes) -> tuple[int, int]:
    """Send 2 GB unless stopped; return the answer's status and how many bytes the other side let through."""
    sent = 0
    with Wire.to(url) as wire:
        wire.head({**push_headers(party), "Transfer-Encoding": "chunked"})
        try:
            for data in (first, *[piece] * (2 * 1024 * MIB // len(piece))):
                wire.send(b"%x\r\n%s\r\n" % (len(data), data))
                sent += len(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the connection was closed on us, as it should be
        return wire.answer()[0], sent
