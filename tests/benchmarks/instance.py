"""A hub as an operator runs it: embedded PostgreSQL, ``kessetsu serve``, ``kessetsu worker``, each its own process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psutil
import psycopg

from hub.cli.acts.founding import found, plan
from hub.clock import SystemClock
from hub.members.holdings import Holding
from hub.settings import Settings
from hub.store.embedded import EmbeddedServer
from hub.store.roles import DATABASE
from hub.store.unit import Unit
from hub.vocabulary import CapacityKind, HoldingState, Scope
from hub.wiring import open_store
from tests.benchmarks.data import PREFIXES, World
from tests.benchmarks.telling import tell
from tests.support.instance import LONG_AGO

PROGRAMS: Final = ("api", "worker", "postgresql")
_THREADS: Final = "POLARS_MAX_THREADS"
_ENDS_WITHIN: Final = 60


@dataclass(frozen=True)
class Member:
    """One of the members, and its way in."""

    index: int
    member_id: UUID
    capacity_id: UUID
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return what its requests carry."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Threads:
    """Threads of column work in each program; ``None`` leaves it to the program."""

    api: int | None = None
    worker: int | None = None


class Instance:
    """A hub below ``base`` with the members of a world; the database runs as long as this process, the rest on call."""

    def __init__(self, base: Path, world: World) -> None:
        """Make and fill the instance, and start its database."""
        self.world = world
        self.settings_file = found(
            plan(base / "hub", demo=False, key_store=None, database_url=None, admin_password_file=None),
            SystemClock(),
            tell,
        )
        self.settings = Settings.load(self.settings_file, {})
        self.server = EmbeddedServer(self.settings.home / "database")
        self.server.start()
        self.members = self._populate()
        self.by_capacity = {member.capacity_id: member for member in self.members}
        self.url = ""
        self.processes: dict[str, psutil.Process] = {}

    def remove(self) -> None:
        """End the database and delete its files, wherever they are."""
        self.server.remove()

    # --- who is who -----------------------------------------------------------------------------------

    def _populate(self) -> list[Member]:
        tell(f"Adding {self.world.members:,} members, {len(self.world.holder):,} networks, the prefix table")
        store = open_store(self.settings, "operator", SystemClock(), pool_size=1)
        try:
            with store.writing() as unit:
                self._add_table(unit)
                return [self._add(unit, index, systems) for index, systems in enumerate(self.world.systems)]
        finally:
            store.close()

    def _add_table(self, unit: Unit) -> None:
        unit.networks.add_table(
            self.world.table.to_bytes(),
            source=PREFIXES,
            content_sha256=uuid4().hex,
            counts=(self.world.prefixes.height, 0, self.world.prefixes["asn"].n_unique()),
            valid_from=LONG_AGO,
            by="benchmark",
            now=datetime.now(UTC),
        )

    def _add(self, unit: Unit, index: int, systems: list[int]) -> Member:
        now = datetime.now(UTC)
        member_id = unit.members.add(f"Member {index}", name_ja=None, country="JP", language="ja", now=now)
        capacity_id = unit.members.add_capacity(member_id, CapacityKind.CARRIER, valid_from=LONG_AGO, now=now)
        unit.members.accept_agreement(member_id, "participation", "1", by="benchmark", at=LONG_AGO)
        issued = unit.credentials.issue(
            capacity_id, label="benchmark", scopes=frozenset(Scope), expires_at=now + timedelta(days=90), now=now
        )
        for asn in systems:
            holding = Holding(uuid4(), member_id, capacity_id, None, asn, LONG_AGO, None, shared_space=False)
            unit.networks.declare(holding, now)
            unit.networks.decide(holding.id, HoldingState.APPROVED, by="benchmark", reason="benchmark", at=now)
        return Member(index, member_id, capacity_id, issued.text)

    # --- its programs ---------------------------------------------------------------------------------

    @contextmanager
    def running(self, threads: Threads) -> Iterator[None]:
        """Have API and worker run meanwhile."""
        with ExitStack() as stack:
            api = stack.enter_context(self._program("serve", threads.api, "--port", "0", "--lang", "en"))
            assert api.stdout is not None, "asked for"
            self.url = api.stdout.readline().decode().split()[-1]
            worker = stack.enter_context(self._program("worker", threads.worker))
            postmaster = int((self.server.data_directory / "postmaster.pid").read_text().split()[0])
            self.processes = {
                name: psutil.Process(pid) for name, pid in zip(PROGRAMS, (api.pid, worker.pid, postmaster), strict=True)
            }
            yield
        self.processes = {}

    @contextmanager
    def _program(self, name: str, threads: int | None, *more: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-P", "-m", "hub.cli.main", name, "--config", str(self.settings_file), *more]
        environment = {key: value for key, value in os.environ.items() if key != _THREADS}
        environment |= {} if threads is None else {_THREADS: str(threads)}
        log = self.settings.home / f"{name}.log"
        with log.open("ab") as errors:
            process = subprocess.Popen(
                [*command, "--parent", str(os.getpid())], env=environment, stdout=subprocess.PIPE, stderr=errors
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    # --- what its database says -----------------------------------------------------------------------

    def connect(self) -> psycopg.Connection[Any]:
        """Return a superuser's connection that commits each statement; the caller closes it."""
        password = self.settings.database.superuser_password_file
        assert password is not None, "an embedded server has one"
        target = self.server.superuser(password).to(role="postgres", password_file=password, name=DATABASE)
        return psycopg.connect(**target.parameters("kessetsu benchmark"), autocommit=True)

    def asked(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows a statement yields."""
        with self.connect() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def version(self) -> str:
        """Return the database server's version."""
        return str(self.asked("SHOW server_version")[0][0])

    def delivered(self, report_id: UUID) -> dict[int, int]:
        """Return how many records of a report each member has in its inbox."""
        rows = self.asked(
            "SELECT capacity_id, sum(record_count)::bigint FROM parcels"
            " WHERE report_id = %s AND state = 'released' AND seq IS NOT NULL GROUP BY capacity_id",
            report_id,
        )
        return {self.by_capacity[capacity].index: count for capacity, count in rows}
