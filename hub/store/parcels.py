"""Parcels, the grants on them, and the numbered stream each recipient reads them from."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hub.delivery.ports import InboxFilter
from hub.records import Bucket, Grant, GrantedParcel, ParcelStatus, Recipient, SealedParcel, Verdict
from hub.store.tables import grants, parcels, policy_sets, streams
from hub.vocabulary import DataClass, Field, LegalBasis, ParcelState, Purpose, Relation, ReportKind, Severity

TICK = timedelta(microseconds=1)
_CHANGED = text("SELECT pg_notify('kessetsu_inbox', '')")


class ParcelRepository:
    """Stages, numbers, shows and ends parcels."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    # --- from the worker ------------------------------------------------------------------------------

    def stage(self, sealed: Sequence[SealedParcel], decided_at: datetime) -> None:
        """Insert parcels and grants that nobody can see yet: unnumbered, state ``sealed``."""
        if not sealed:
            return
        self._connection.execute(insert(parcels), [_parcel_values(parcel) for parcel in sealed])
        self._connection.execute(
            insert(grants),
            [_grant_values(parcel, verdict, decided_at) for parcel in sealed for verdict in parcel.grants],
        )

    def staged(self, report_id: UUID) -> list[GrantedParcel]:
        """Return a report's staged parcels with the recipient's own grant, in order of recipient; locked.

        An erasure at their deadline waits until this transaction ends: it must not be undone by a release.
        """
        query = (
            _granted()
            .where(
                parcels.c.report_id == report_id,
                parcels.c.state == ParcelState.SEALED.value,
                grants.c.capacity_id == parcels.c.capacity_id,
            )
            .order_by(parcels.c.capacity_id, parcels.c.deadline, parcels.c.id)
            .with_for_update(of=parcels)
        )
        return [_granted_parcel(row) for row in self._connection.execute(query).mappings()]

    def release(self, staged: Sequence[ParcelStatus], now: datetime) -> None:
        """Give staged parcels their numbers in their recipients' streams and make them visible, all or none.

        Stream heads are locked in order of id, so that two releases never wait for each other crosswise;
        ``date_added`` is at least one microsecond after the stream's last, so that no reader that asks for
        later ones misses any.
        """
        if not staged:
            return
        per_stream = Counter(stream_of(parcel.recipient.capacity_id) for parcel in staged)
        heads = self._lock_heads(sorted(per_stream), now)
        updates = []
        for parcel in staged:
            stream = stream_of(parcel.recipient.capacity_id)
            seq, added = heads[stream]
            seq, added = seq + 1, max(now, added + TICK)
            heads[stream] = (seq, added)
            updates.append({"id": parcel.id, "seq": seq, "added": added})
        self._connection.execute(
            _NUMBER,
            {
                "ids": [u["id"] for u in updates],
                "seqs": [u["seq"] for u in updates],
                "added": [u["added"] for u in updates],
            },
        )
        self._connection.execute(
            _ADVANCE,
            {
                "ids": list(heads),
                "seqs": [seq for seq, _ in heads.values()],
                "added": [added for _, added in heads.values()],
            },
        )
        self._connection.execute(_CHANGED)

    def drop_staged(self, parcel_ids: Sequence[UUID], now: datetime) -> None:
        """End staged parcels that today's policy no longer lets out; their rows are deleted by the caller."""
        self._connection.execute(
            update(parcels)
            .where(parcels.c.id.in_(list(parcel_ids)))
            .values(state=ParcelState.ERASED.value, record_count=None, ended_at=now)
        )

    def _lock_heads(self, ids: Sequence[str], now: datetime) -> dict[str, tuple[int, datetime]]:
        epoch = datetime.fromtimestamp(0, tz=now.tzinfo)
        self._connection.execute(
            upsert(streams).on_conflict_do_nothing(),
            [{"id": stream, "last_seq": 0, "last_added": epoch} for stream in ids],
        )
        query = select(streams).where(streams.c.id.in_(list(ids))).order_by(streams.c.id).with_for_update()
        return {row.id: (row.last_seq, row.last_added) for row in self._connection.execute(query)}

    # --- for a recipient ------------------------------------------------------------------------------

    def inbox(self, capacity_id: UUID, wanted: InboxFilter) -> list[GrantedParcel]:
        """Return released or recalled parcels granted to a capacity, by stream number; one more than the limit."""
        conditions = [
            grants.c.capacity_id == capacity_id,
            parcels.c.seq > wanted.after_seq,
            _VISIBLE if wanted.state is None else parcels.c.state == wanted.state.value,
        ]
        if wanted.kind is not None:
            conditions.append(parcels.c.kind == wanted.kind.value)
        if wanted.drill is not None:
            conditions.append(parcels.c.drill == wanted.drill)
        query = _granted().where(*conditions).order_by(parcels.c.seq).limit(wanted.limit + 1)
        return [_granted_parcel(row) for row in self._connection.execute(query).mappings()]

    def granted(self, parcel_id: UUID, capacity_id: UUID) -> GrantedParcel | None:
        """Return a parcel if this capacity holds a grant on it and it was released; else ``None``."""
        query = _granted().where(
            parcels.c.id == parcel_id, grants.c.capacity_id == capacity_id, parcels.c.seq.is_not(None)
        )
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _granted_parcel(row)

    def watermark(self, capacity_id: UUID) -> int:
        """Return the number of the newest parcel in a capacity's inbox stream."""
        query = select(streams.c.last_seq).where(streams.c.id == stream_of(capacity_id))
        return self._connection.execute(query).scalar_one_or_none() or 0

    def version(self, capacity_id: UUID) -> str:
        """Return a text that changes whenever anything this capacity may list does; for cheap polling."""
        query = (
            select(
                func.max(parcels.c.seq),
                func.count(),
                func.count(parcels.c.acknowledged_at),
                func.count(parcels.c.ended_at),
                func.count().filter(parcels.c.state == ParcelState.ERASED.value),
                func.sum(func.cardinality(parcels.c.recalled_rows)),
            )
            .join(grants, grants.c.parcel_id == parcels.c.id)
            .where(grants.c.capacity_id == capacity_id, parcels.c.seq.is_not(None))
        )
        return "-".join(str(part or 0) for part in self._connection.execute(query).one())

    def acknowledge(self, parcel_id: UUID, at: datetime) -> datetime:
        """Record the first acknowledgement and return its time; later ones change nothing."""
        query = (
            update(parcels)
            .where(parcels.c.id == parcel_id)
            .values(acknowledged_at=func.coalesce(parcels.c.acknowledged_at, at))
            .returning(parcels.c.acknowledged_at)
        )
        acknowledged: datetime = self._connection.execute(query).scalar_one()
        return acknowledged

    # --- the end --------------------------------------------------------------------------------------

    def of_report(self, report_id: UUID) -> list[ParcelStatus]:
        """Return all parcels of a report that are sealed or released, locked."""
        query = (
            select(parcels)
            .where(
                parcels.c.report_id == report_id,
                parcels.c.state.in_([ParcelState.SEALED.value, ParcelState.RELEASED.value]),
            )
            .order_by(parcels.c.id)
            .with_for_update()
        )
        return [_parcel(row) for row in self._connection.execute(query).mappings()]

    def status(self, parcel_id: UUID) -> ParcelStatus | None:
        """Return one parcel, locked, for an officer's act."""
        query = select(parcels).where(parcels.c.id == parcel_id).with_for_update()
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _parcel(row)

    def grantees(self, parcel_id: UUID) -> list[UUID]:
        """Return the capacities that hold a grant on a parcel, and so may hold a copy."""
        query = select(grants.c.capacity_id).where(grants.c.parcel_id == parcel_id).order_by(grants.c.capacity_id)
        return list(self._connection.execute(query).scalars())

    def recall(self, parcel_id: UUID, rows: Sequence[int] | None, now: datetime) -> None:
        """End access to a whole parcel (``rows`` is ``None``) or to some of its rows, from this commit on."""
        statement = update(parcels).where(parcels.c.id == parcel_id)
        if rows is None:
            self._connection.execute(
                statement.values(state=ParcelState.RECALLED.value, record_count=None, ended_at=now)
            )
            return
        merged = text("ARRAY(SELECT DISTINCT unnest(recalled_rows || CAST(:rows AS integer[])) ORDER BY 1)")
        self._connection.execute(statement.values(recalled_rows=merged.bindparams(rows=list(rows))))

    # --- policies -------------------------------------------------------------------------------------

    def remember_policies(self, policy_hash: str, policy_text: str, at: datetime) -> None:
        """Keep the text of a policy set, so that every decision made under it can be replayed."""
        self._connection.execute(
            upsert(policy_sets).values(hash=policy_hash, text=policy_text, first_loaded_at=at).on_conflict_do_nothing()
        )


def stream_of(capacity_id: UUID) -> str:
    """Name a capacity's inbox stream; numbers are per recipient, a global one would show others' volume."""
    return f"inbox/{capacity_id}"


_VISIBLE = or_(
    parcels.c.state.in_([ParcelState.RELEASED.value, ParcelState.RECALLED.value]),
)

_NUMBER = text(
    f"UPDATE parcels SET state = '{ParcelState.RELEASED.value}', seq = new.seq, date_added = new.added"  # noqa: S608 - a constant of ours
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:added AS timestamptz[]))"
    " AS new (id, seq, added) WHERE parcels.id = new.id AND parcels.seq IS NULL"
)

_ADVANCE = text(
    "UPDATE streams SET last_seq = new.seq, last_added = new.added"
    " FROM unnest(CAST(:ids AS text[]), CAST(:seqs AS bigint[]), CAST(:added AS timestamptz[]))"
    " AS new (id, seq, added) WHERE streams.id = new.id"
)


def _granted() -> Select[Any]:
    joined = parcels.join(grants, and_(grants.c.parcel_id == parcels.c.id))
    return select(
        parcels,
        grants.c.capacity_id.label("grantee_id"),
        grants.c.relation,
        grants.c.fields,
        grants.c.policy_ids,
        grants.c.policy_hash,
        grants.c.decided_at,
    ).select_from(joined)


def _parcel_values(parcel: SealedParcel) -> dict[str, object]:
    bucket = parcel.sealed.binding.bucket
    return {
        "id": parcel.id,
        "report_id": parcel.report_id,
        "member_id": parcel.recipient.member_id,
        "capacity_id": parcel.recipient.capacity_id,
        "state": ParcelState.SEALED.value,
        "kind": parcel.kind.value,
        "drill": parcel.drill,
        "severity": parcel.severity.value,
        "legal_basis": parcel.legal_basis.value,
        "purpose": parcel.purpose.value,
        "data_class": bucket.data_class.value,
        "deadline": bucket.deadline,
        "record_count": parcel.record_count,
    }


def _grant_values(parcel: SealedParcel, verdict: Verdict, decided_at: datetime) -> dict[str, object]:
    own = verdict.capacity_id == parcel.recipient.capacity_id
    return {
        "parcel_id": parcel.id,
        "capacity_id": verdict.capacity_id,
        "relation": (Relation.HOLDER if own else Relation.DELEGATE_OF_HOLDER).value,
        "fields": sorted(field.value for field in verdict.fields),
        "policy_ids": list(verdict.policy_ids),
        "policy_hash": verdict.policy_hash,
        "decided_at": decided_at,
    }


def _parcel(row: RowMapping) -> ParcelStatus:
    return ParcelStatus(
        id=row["id"],
        report_id=row["report_id"],
        recipient=Recipient(row["capacity_id"], row["member_id"]),
        state=ParcelState(row["state"]),
        kind=ReportKind(row["kind"]),
        drill=row["drill"],
        severity=Severity(row["severity"]),
        legal_basis=LegalBasis(row["legal_basis"]),
        purpose=Purpose(row["purpose"]),
        bucket=Bucket(DataClass(row["data_class"]), row["deadline"]),
        record_count=row["record_count"],
        seq=row["seq"],
        date_added=row["date_added"],
        acknowledged_at=row["acknowledged_at"],
        recalled_rows=tuple(row["recalled_rows"]),
    )


def _granted_parcel(row: RowMapping) -> GrantedParcel:
    grant = Grant(
        parcel_id=row["id"],
        capacity_id=row["grantee_id"],
        relation=Relation(row["relation"]),
        fields=frozenset(map(Field, row["fields"])),
        policy_ids=tuple(row["policy_ids"]),
        policy_hash=row["policy_hash"],
        decided_at=row["decided_at"],
    )
    return GrantedParcel(_parcel(row), grant)
