"""The unit of work: one request or job, one transaction, and the repositories that speak in it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.clock import Clock, floor_to
from hub.errors import StorageFull, Unavailable
from hub.records import Bucket
from hub.retention.ports import KeptBucket
from hub.store.audit import AuditRepository
from hub.store.certificates import CertificateRepository
from hub.store.credentials import CredentialRepository
from hub.store.erasure import ErasureRepository, KeptRepository
from hub.store.facts import FactRepository
from hub.store.members import MemberRepository
from hub.store.networks import NetworkRepository
from hub.store.outbox import Outbox
from hub.store.outcomes import OutcomeRepository
from hub.store.overview import OverviewRepository
from hub.store.parcels import ParcelRepository
from hub.store.recalls import RecallRepository
from hub.store.reports import ReportRepository
from hub.store.sealed import SealedRepository

HOUR = timedelta(hours=1)


class Unit:
    """Repositories over one open transaction. Made by :class:`Store`; dies with it."""

    def __init__(self, connection: Connection) -> None:
        """Speak over ``connection``, whose transaction someone else ends."""
        self.connection = connection

    @cached_property
    def audit(self) -> AuditRepository:
        """The append-only log."""
        return AuditRepository(self.connection)

    @cached_property
    def certificates(self) -> CertificateRepository:
        """Deletion certificates."""
        return CertificateRepository(self.connection)

    @cached_property
    def credentials(self) -> CredentialRepository:
        """Tokens, by digest."""
        return CredentialRepository(self.connection)

    @cached_property
    def kept(self) -> KeptRepository:
        """What is there by bucket."""
        return KeptRepository(self.connection)

    @cached_property
    def facts(self) -> FactRepository:
        """Suppressed counts."""
        return FactRepository(self.connection)

    @cached_property
    def members(self) -> MemberRepository:
        """Members, capacities, contacts, agreements."""
        return MemberRepository(self.connection)

    @cached_property
    def networks(self) -> NetworkRepository:
        """Holdings and prefix tables."""
        return NetworkRepository(self.connection)

    @cached_property
    def outcomes(self) -> OutcomeRepository:
        """What recipients did."""
        return OutcomeRepository(self.connection)

    @cached_property
    def jobs(self) -> Outbox:
        """Jobs that start when, and only if, this transaction commits."""
        return Outbox(self.connection)

    @cached_property
    def overview(self) -> OverviewRepository:
        """How the hub is doing."""
        return OverviewRepository(self.connection)

    @cached_property
    def parcels(self) -> ParcelRepository:
        """Parcels, their grants and their streams."""
        return ParcelRepository(self.connection)

    @cached_property
    def recalls(self) -> RecallRepository:
        """Recalled parcels and rows."""
        return RecallRepository(self.connection)

    @cached_property
    def reports(self) -> ReportRepository:
        """Pushes and their state."""
        return ReportRepository(self.connection)

    @cached_property
    def sealed(self) -> SealedRepository:
        """Ciphertext."""
        return SealedRepository(self.connection)


class Store:
    """Opens units of work and turns the database's troubles into the domain's."""

    def __init__(self, engine: Engine, clock: Clock, *, minimum_cell: int) -> None:
        """Work over ``engine``, which fixes the database role and so the verbs.

        ``minimum_cell``: counts below this do not outlive what they count.
        """
        self.engine = engine
        self._clock = clock
        self._minimum_cell = minimum_cell
        self._partitions: set[datetime] = set()

    def ensure_partitions(self, deadlines: Iterable[datetime]) -> None:
        """Make sure sealed rows of these deadlines have a place, in short transactions of their own.

        Making a partition takes locks that a long transaction must not hold.
        """
        missing = {floor_to(deadline, HOUR) for deadline in deadlines} - self._partitions
        for hour in sorted(missing):
            with self.writing() as unit:
                unit.sealed.ensure_partition(hour)
            self._partitions.add(hour)

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        """One transaction; committed when the block ends well, rolled back when it raises."""
        with _troubles_translated(), self.engine.begin() as connection:
            yield Unit(connection)

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """One read-only transaction over one snapshot."""
        with _troubles_translated(), self.engine.begin() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield Unit(connection)

    @contextmanager
    def erasing(self) -> Iterator[ErasureRepository]:
        """One erasure: a transaction in which rows go and their certificate comes."""
        with self.writing() as unit:
            yield ErasureRepository(unit.connection, self._clock, self._minimum_cell)

    def overdue(self, now: datetime) -> list[Bucket]:
        """Return buckets that should have been erased by ``now``."""
        with self.reading() as unit:
            return unit.kept.overdue(now)

    def kept(self) -> list[KeptBucket]:
        """Return what is there by bucket."""
        with self.reading() as unit:
            return unit.kept.kept()

    def ping(self) -> None:
        """Raise :class:`~hub.errors.Unavailable` unless the database answers."""
        with self.reading() as unit:
            unit.connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


_FULL = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory)
_PASSING = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.TooManyConnections,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
)


@contextmanager
def _troubles_translated() -> Iterator[None]:
    """Raise the domain's error for a full, busy or lost database; nothing of the statement travels with it."""
    try:
        yield
    except (DBAPIError, psycopg.Error, PoolTimeout) as trouble:
        cause = trouble.orig if isinstance(trouble, DBAPIError) else trouble
        if isinstance(cause, _FULL):
            raise StorageFull(
                "The hub's database has no room; nothing was taken.",
                action="Send the same request again later; the operator has to make room.",
            ) from None
        if isinstance(cause, _PASSING):
            raise Unavailable(
                "The hub's database does not answer now; nothing was taken.",
                action="Send the same request again in a few seconds.",
            ) from None
        raise
