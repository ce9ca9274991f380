"""A whole hub for a test: real PostgreSQL, real keys, the API served in this process, a clock that moves when told."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import polars as pl
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from hub.addresses import parse_prefix
from hub.attribution.prefix_table import PrefixTable
from hub.clock import SteppedClock
from hub.jobs.worker import erase_due, number_log
from hub.members.holdings import Holding
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.sealing.signing import Signer
from hub.settings import DatabaseSettings, KeySettings, Settings
from hub.store.roles import Role
from hub.store.unit import Store
from hub.vocabulary import CapacityKind, HoldingState, Scope, Standing
from hub.wiring import Hub
from tests.support.database import Database

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True)
class Party:
    """A member in one capacity, with a token."""

    name: str
    member_id: UUID
    capacity_id: UUID
    credential_id: UUID
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return what this party's requests carry."""
        return {"Authorization": f"Bearer {self.token}"}


class Instance:
    """The hub under its three database roles, and what a test does to it."""

    def __init__(
        self, database: Database, home: Path, *, demo_only: bool = False, clock: SteppedClock | None = None
    ) -> None:
        """Make keys and build the hub; :meth:`close` gives all back."""
        self.database = database
        self.clock = clock or SteppedClock(NOW)
        self.home = home
        self.settings = _settings(database, home, demo_only=demo_only)
        MasterKey.generate(self.settings.keys.master_key_file)
        Signer.generate(self.settings.keys.signing_key_file)
        master = MasterKey.from_file(self.settings.keys.master_key_file)
        KeyService(self.settings.keys.store, master, self.clock).initialise()
        self.hub = self._hub(Role.API)
        self.worker = self._hub(Role.WORKER)
        self.operator = self._hub(Role.OPERATOR)
        self._open = ExitStack()
        self._client: httpx.Client | None = None

    def _hub(self, role: Role) -> Hub:
        minimum = self.settings.statistics.minimum_cell
        store = Store(self.database.engine(role), self.clock, minimum_cell=minimum)
        return Hub.of(self.settings, store, self.clock)

    @property
    def client(self) -> httpx.Client:
        """The API, served on loopback by a thread of this process."""
        if self._client is None:
            url = self._open.enter_context(serving(create_app(self.hub)))
            self._client = self._open.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False))
        return self._client

    def close(self) -> None:
        """End the API."""
        self._open.close()

    # --- who is who -----------------------------------------------------------------------------------

    def party(
        self,
        name: str,
        kind: CapacityKind = CapacityKind.CARRIER,
        *,
        prefixes: Sequence[str] = (),
        systems: Sequence[int] = (),
        scopes: Iterable[Scope] = ALL_SCOPES,
        agreed: bool = True,
        operator: Party | None = None,
        delegated_for: timedelta = timedelta(days=365),
        shared_space: bool = False,
    ) -> Party:
        """Add a member with one capacity, approved holdings and a token."""
        now = self.clock.now()
        with self.operator.store.writing() as unit:
            member_id = unit.members.add(name, name_ja=None, country="JP", language="ja", now=now)
            capacity_id = unit.members.add_capacity(
                member_id,
                kind,
                valid_from=LONG_AGO,
                valid_to=now + delegated_for if operator else None,
                delegator_id=operator.capacity_id if operator else None,
                now=now,
            )
            if agreed:
                unit.members.accept_agreement(member_id, "participation", "1", by="test", at=LONG_AGO)
            issued = unit.credentials.issue(
                capacity_id, label="test", scopes=scopes, expires_at=now + timedelta(days=90), now=now
            )
        party = Party(name, member_id, capacity_id, issued.credential_id, issued.text)
        for prefix in prefixes:
            self.hold(party, prefix=prefix, shared_space=shared_space)
        for asn in systems:
            self.hold(party, asn=asn, shared_space=shared_space)
        return party

    def hold(
        self,
        party: Party,
        *,
        prefix: str | None = None,
        asn: int | None = None,
        valid_from: datetime = LONG_AGO,
        valid_to: datetime | None = None,
        shared_space: bool = False,
    ) -> UUID:
        """Declare and approve a network."""
        parsed = None if prefix is None else parse_prefix(prefix)
        holding = Holding(uuid4(), party.member_id, party.capacity_id, parsed, asn, valid_from, valid_to, shared_space)
        with self.operator.store.writing() as unit:
            unit.networks.declare(holding, self.clock.now())
            unit.networks.decide(holding.id, HoldingState.APPROVED, by="test", reason="test", at=self.clock.now())
        return holding.id

    def standing(self, party: Party, standing: Standing) -> None:
        """Change a member's standing."""
        with self.operator.store.writing() as unit:
            unit.members.set_standing(party.member_id, standing, reason="test", now=self.clock.now())

    def prefixes(self, table: dict[str, int], *, valid_from: datetime = LONG_AGO) -> UUID:
        """Import a prefix table."""
        parsed = [(*_required(prefix), asn) for prefix, asn in table.items()]
        rows = pl.DataFrame(
            parsed,
            schema={"hi": pl.UInt64, "lo": pl.UInt64, "length": pl.UInt8, "asn": pl.UInt32},
            orient="row",
        ).with_columns(pl.lit(None, dtype=pl.String).alias("country"))
        with self.operator.store.writing() as unit:
            return unit.networks.add_table(
                PrefixTable.build(rows).to_bytes(),
                source="test",
                content_sha256=uuid4().hex,
                counts=(len(table), 0, len(set(table.values()))),
                valid_from=valid_from,
                by="test",
                now=self.clock.now(),
            )

    # --- what happens ---------------------------------------------------------------------------------

    def push(
        self, party: Party, csv: str | bytes, envelope: dict[str, Any] | None = None, *, key: str | None = None
    ) -> Any:
        """Push a report as ``party``; returns the response."""
        body = csv.encode() if isinstance(csv, str) else csv
        files = {
            "envelope": ("envelope.json", orjson.dumps(envelope or attack()), "application/json"),
            "records": ("records.csv", body, "text/csv"),
        }
        headers = {**party.headers, "Idempotency-Key": key or uuid4().hex}
        return self.client.post("/v1/reports", files=files, headers=headers)

    def work(self) -> int:
        """Do every waiting job, as the worker would; returns how many."""
        done = 0
        while (job := self._next_job()) is not None:
            self.worker.flow.process(job)
            done += 1
        return done

    def _next_job(self) -> UUID | None:
        with self.database.connect() as connection:
            connection.execute("SET search_path = public, jobs")
            row = connection.execute(
                "UPDATE jobs.procrastinate_jobs SET status = 'succeeded' WHERE id ="
                " (SELECT id FROM jobs.procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC, id LIMIT 1)"
                " RETURNING args ->> 'report_id'"
            ).fetchone()
        return None if row is None else UUID(row[0])

    def inbox(self, party: Party) -> list[dict[str, Any]]:
        """List a party's parcels."""
        answer = self.client.get("/v1/inbox", headers=party.headers)
        assert answer.status_code == 200, answer.text
        parcels: list[dict[str, Any]] = answer.json()["parcels"]
        return parcels

    def records(self, party: Party, parcel_id: str) -> list[dict[str, Any]]:
        """Read a parcel's records as JSON."""
        answer = self.client.get(f"/v1/inbox/{parcel_id}/records", headers=party.headers)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["records"]
        return rows

    def erase(self) -> int:
        """Erase what is due; returns how many buckets."""
        return erase_due(self.worker)

    def number_log(self) -> int:
        """Bring the log up to date; returns how many entries."""
        return number_log(self.worker)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port of loopback; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture
def instance(database: Database, tmp_path: Path) -> Iterator[Instance]:
    """Give an empty hub."""
    made = Instance(database, tmp_path)
    yield made
    made.close()


def attack(**changes: Any) -> dict[str, Any]:
    """Return an attack's envelope, with ``changes``; ``None`` leaves a member out."""
    envelope = {
        "kind": "attack",
        "legal_basis": "legitimate-business-act",
        "purpose": "attack-response",
        "data_class": "attack-traffic",
        "mandate": "mandate-1",
        "requested_action": "warn",
        "vectors": ["syn-flood"],
        "target": "198.51.100.7",
        "start": "2026-11-20T09:00:00Z",
        "end": "2026-11-20T09:20:00Z",
        **changes,
    }
    return {name: value for name, value in envelope.items() if value is not None}


def drill(**changes: Any) -> dict[str, Any]:
    """Return a drill's envelope, with ``changes``."""
    return attack(purpose="drill", data_class="drill", **changes)


HEADER = "src_ip,src_port,dst_ip,dst_port,protocol,first_seen,last_seen,packets,bytes,tcp_flags"


def csv_of(sources: Iterable[str], *, at: str = "2026-11-20T09:05:00Z") -> str:
    """Return records of these sources, one each."""
    targets = {source: "2001:db8::7" if ":" in source else "198.51.100.7" for source in sources}
    lines = [f"{source},40000,{target},443,tcp,{at},{at},12,1440,SA" for source, target in targets.items()]
    return "\n".join([HEADER, *lines]) + "\n"


def _required(prefix: str) -> tuple[int, int, int]:
    parsed = parse_prefix(prefix)
    assert parsed is not None, prefix
    return parsed


def _settings(database: Database, home: Path, *, demo_only: bool) -> Settings:
    api = database.target(Role.API)
    return Settings(
        home=home,
        demo_only=demo_only,
        database=DatabaseSettings(
            embedded=False,
            host=api.host,
            port=api.port,
            name=api.name,
            owner_password_file=database.target(Role.OWNER).password_file,
            api_password_file=api.password_file,
            worker_password_file=database.target(Role.WORKER).password_file,
            operator_password_file=database.target(Role.OPERATOR).password_file,
        ),
        keys=KeySettings(
            store=home / "keys", master_key_file=home / "master.key", signing_key_file=home / "signing.key"
        ),
    )
