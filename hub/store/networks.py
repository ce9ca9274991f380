"""Holdings and dated prefix tables."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, Select, insert, select, text, update

from hub.addresses import parse_prefix, render_prefix
from hub.members.holdings import Holding
from hub.store.tables import capacities, directory_version, holdings, members, prefix_tables
from hub.vocabulary import HoldingState

_RAISE_VERSION = text("UPDATE directory_version SET version = version + 1")


@dataclass(frozen=True, slots=True)
class DeclaredHolding:
    """A holding with how far its declaration has come."""

    holding: Holding
    member_name: str
    state: HoldingState
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A prefix table version, without its content."""

    id: UUID
    source: str
    valid_from: datetime
    imported_at: datetime
    imported_by: str
    prefixes_v4: int
    prefixes_v6: int
    systems: int


class NetworkRepository:
    """Keeps who operates which network since when; every change raises the directory's version."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def version(self) -> int:
        """Return the directory's version: what a cache compares before it answers."""
        return int(self._connection.execute(select(directory_version.c.version)).scalar_one())

    def declare(self, holding: Holding, now: datetime) -> None:
        """Store a declaration as a proposal: it attributes nothing until an officer approves it."""
        self._connection.execute(
            insert(holdings).values(
                id=holding.id,
                capacity_id=holding.capacity_id,
                prefix=None if holding.prefix is None else render_prefix(*holding.prefix),
                asn=holding.asn,
                valid_from=holding.valid_from,
                valid_to=holding.valid_to,
                shared_space=holding.shared_space,
                state=HoldingState.PROPOSED.value,
                proposed_at=now,
            )
        )

    def decide(self, holding_id: UUID, state: HoldingState, *, by: str, reason: str, at: datetime) -> bool:
        """Approve or reject a proposal; tell whether there was one."""
        done = self._connection.execute(
            update(holdings)
            .where(holdings.c.id == holding_id, holdings.c.state == HoldingState.PROPOSED.value)
            .values(state=state.value, decided_at=at, decided_by=by, decision_reason=reason)
        )
        self._connection.execute(_RAISE_VERSION)
        return done.rowcount == 1

    def end(self, holding_id: UUID, valid_to: datetime) -> bool:
        """Date the end of a holding; records of later times are no longer its holder's."""
        done = self._connection.execute(update(holdings).where(holdings.c.id == holding_id).values(valid_to=valid_to))
        self._connection.execute(_RAISE_VERSION)
        return done.rowcount == 1

    def approved(self) -> list[Holding]:
        """Return all approved holdings, past ones too: attribution asks as of the attack's time."""
        query = _declared().where(holdings.c.state == HoldingState.APPROVED.value)
        return [_declaration(row).holding for row in self._connection.execute(query)]

    def declared(self, *, capacity_id: UUID | None = None, state: HoldingState | None = None) -> list[DeclaredHolding]:
        """Return declarations, of one capacity or of all, in the order they came."""
        query = _declared().order_by(holdings.c.proposed_at, holdings.c.id)
        if capacity_id is not None:
            query = query.where(holdings.c.capacity_id == capacity_id)
        if state is not None:
            query = query.where(holdings.c.state == state.value)
        return [_declaration(row) for row in self._connection.execute(query)]

    def declaration(self, holding_id: UUID) -> DeclaredHolding | None:
        """Return one declaration."""
        row = self._connection.execute(_declared().where(holdings.c.id == holding_id)).one_or_none()
        return None if row is None else _declaration(row)

    def add_table(
        self,
        content: bytes,
        *,
        source: str,
        content_sha256: str,
        counts: tuple[int, int, int],
        valid_from: datetime,
        by: str,
        now: datetime,
    ) -> UUID:
        """Store a prefix table version; from this commit on it is the one in force from ``valid_from`` on."""
        table_id = uuid4()
        self._connection.execute(
            insert(prefix_tables).values(
                id=table_id,
                source=source,
                content_sha256=content_sha256,
                prefixes_v4=counts[0],
                prefixes_v6=counts[1],
                systems=counts[2],
                content=content,
                valid_from=valid_from,
                imported_at=now,
                imported_by=by,
            )
        )
        self._connection.execute(_RAISE_VERSION)
        return table_id

    def tables(self) -> list[StoredTable]:
        """Return all prefix table versions, oldest first, without their content."""
        columns = [column for column in prefix_tables.c if column.name not in {"content", "content_sha256"}]
        query = select(*columns).order_by(prefix_tables.c.valid_from)
        return [
            StoredTable(
                row.id,
                row.source,
                row.valid_from,
                row.imported_at,
                row.imported_by,
                row.prefixes_v4,
                row.prefixes_v6,
                row.systems,
            )
            for row in self._connection.execute(query)
        ]

    def table_content(self, table_id: UUID) -> bytes:
        """Return a version's compiled content."""
        query = select(prefix_tables.c.content).where(prefix_tables.c.id == table_id)
        return bytes(self._connection.execute(query).scalar_one())

    def has_content(self, content_sha256: str) -> bool:
        """Tell whether a file of this digest was imported before."""
        query = select(prefix_tables.c.id).where(prefix_tables.c.content_sha256 == content_sha256)
        return self._connection.execute(query).one_or_none() is not None


def _declared() -> Select[Any]:
    return (
        select(holdings, capacities.c.member_id, members.c.name.label("member_name"))
        .join(capacities, capacities.c.id == holdings.c.capacity_id)
        .join(members, members.c.id == capacities.c.member_id)
    )


def _declaration(row: Row[Any]) -> DeclaredHolding:
    holding = Holding(
        id=row.id,
        member_id=row.member_id,
        capacity_id=row.capacity_id,
        prefix=None if row.prefix is None else parse_prefix(str(row.prefix)),
        asn=row.asn,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        shared_space=row.shared_space,
    )
    return DeclaredHolding(
        holding,
        row.member_name,
        HoldingState(row.state),
        row.proposed_at,
        row.decided_at,
        row.decided_by,
        row.decision_reason,
    )
