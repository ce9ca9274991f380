"""The inbox: what a recipient lists, opens, acknowledges and answers.

Everything here asks the door what this caller may see today. Whoever holds no grant on a parcel learns
nothing of it, not even that it exists.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
import polars as pl

from hub.audit.entry import Act, AuditEntry
from hub.clock import Clock
from hub.delivery.outcomes import check_outcomes, latest
from hub.delivery.ports import DeliveryStore, DeliveryUnit, InboxFilter
from hub.delivery.render import MediaType, readable, to_body
from hub.errors import Conflict, Gone, KeyDestroyed, NotFound
from hub.frames import from_arrow
from hub.members.credentials import require
from hub.records import Caller, GrantedParcel, OutcomeBatch, Sealed, Verdict
from hub.vocabulary import Field, OutcomeCode, ParcelState, Scope

HEADER_FIELDS = {
    Field.VECTOR: ("vectors", "malware_family", "detection", "vulnerability"),
    Field.REPORTER: ("reporter",),
}
"""What a parcel's header says of a field; the rest of it is known from the parcel's status anyway."""

_SAID_OF_ALL = ("requested_action", "legal_basis", "purpose", *HEADER_FIELDS[Field.VECTOR])

PAGE_LIMIT = 500
"""Parcels in one page of a list, at most."""


class Door(Protocol):
    """The one door out; :class:`hub.disclosure.door.Door`."""

    def verdict_today(
        self,
        item: GrantedParcel,
        parties: Any,  # noqa: ANN401 - passes through to the door unopened
        now: datetime,
        /,
    ) -> Verdict:
        """Return what today's policy leaves of what was granted at sealing, and why."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an inbox."""

    items: tuple[GrantedParcel, ...]
    more: bool
    position: int
    """Stream number to continue after; also where to ask again later for what is new."""
    version: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A parcel's content for one caller, not yet spelled out in a media type."""

    item: GrantedParcel
    fields: frozenset[Field]
    header: dict[str, object]
    rows: Callable[[], Iterator[pl.DataFrame]]
    """Opens and strips chunk by chunk; may be called once more for another form."""


@dataclass(frozen=True, slots=True)
class Described:
    """A parcel without its records."""

    item: GrantedParcel
    verdict: Verdict
    """What it shows this caller today, and why."""
    header: dict[str, object]
    """What is said once of all rows, as far as granted; empty where the parcel can no longer be read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The standing outcomes of a parcel."""

    by_row: dict[int, OutcomeCode]
    open: int
    """Rows without an outcome that were not recalled."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Use cases of a recipient; made by :mod:`hub.wiring`."""

    store: DeliveryStore
    door: Door
    narrow: Callable[[pl.DataFrame, frozenset[Field]], pl.DataFrame]
    """Leaves only the columns of the fields, rows keeping their numbers."""
    open_sealed: Callable[[Sealed], Iterable[bytes]]
    clock: Clock

    def page(self, caller: Caller, wanted: InboxFilter) -> Page:
        """List parcels, oldest first, from a position on; those that today's policy shows nothing of are left out."""
        require(caller, Scope.INBOX)
        now = self.clock.now()
        with self.store.reading() as unit:
            version = unit.parcels.version(caller.capacity_id)
            found = unit.parcels.inbox(caller.capacity_id, wanted)
            parties = unit.members.parties([caller.inbox_id], now)
        page = found[: wanted.limit]
        items = tuple(item for item in page if self._shown(item, parties, now))
        position = wanted.after_seq if not page else page[-1].parcel.seq or wanted.after_seq
        return Page(items, more=len(found) > wanted.limit, position=position, version=version)

    def version(self, caller: Caller) -> str:
        """Return a text that changes when the inbox does: for a poll that finds nothing new."""
        require(caller, Scope.INBOX)
        with self.store.reading() as unit:
            return unit.parcels.version(caller.capacity_id)

    def open(self, caller: Caller, parcel_id: UUID) -> Opened:
        """Open a parcel for reading; that it was read is in the log before the first byte leaves.

        Raises:
            NotFound: no such parcel for this caller.
            Gone: recalled, or erased at its deadline.
        """
        require(caller, Scope.INBOX)
        now = self.clock.now()
        with self.store.writing() as unit:
            item, fields = self._open_today(unit, caller, parcel_id, now)
            sealed = unit.sealed.get(parcel_id, item.parcel.bucket.deadline)
            unit.audit.append(self._entry(Act.READ, caller, item, now))
        return self._opened(item, fields, sealed)

    def describe(self, caller: Caller, parcel_id: UUID) -> Described:
        """Return a parcel without its records: the fields it shows this caller today, and what is said of all rows."""
        require(caller, Scope.INBOX)
        now = self.clock.now()
        with self.store.reading() as unit:
            item = self._granted(unit, caller, parcel_id)
            verdict = self._verdict_today(unit, item, now)
            if _readable(item, now) and not verdict:
                raise _no_such_parcel()
            said = unit.reports.statement(item.parcel.report_id) if _readable(item, now) else {}
        shown = {name: said[name] for name in _SAID_OF_ALL if said.get(name) is not None}
        return Described(item, verdict, _granted_header(shown, verdict.fields))

    def acknowledge(self, caller: Caller, parcel_id: UUID) -> datetime:
        """Record that the recipient has the parcel; again changes nothing."""
        require(caller, Scope.INBOX)
        now = self.clock.now()
        with self.store.writing() as unit:
            item, _ = self._open_today(unit, caller, parcel_id, now)
            if item.parcel.acknowledged_at is None:
                unit.audit.append(self._entry(Act.ACKNOWLEDGED, caller, item, now))
            return unit.parcels.acknowledge(parcel_id, now)

    def answer(self, caller: Caller, parcel_id: UUID, batches: Sequence[OutcomeBatch], key: str) -> int:
        """Record what the recipient did; returns how many rows were spoken of. A retry changes nothing.

        Raises:
            Conflict: the Idempotency-Key was used for other outcomes.
        """
        require(caller, Scope.OUTCOMES)
        now = self.clock.now()
        content = _content_of(parcel_id, batches)
        with self.store.writing() as unit:
            item = self._granted(unit, caller, parcel_id)
            earlier = unit.outcomes.earlier(caller.capacity_id, key)
            if earlier is not None:
                return _replayed(earlier, parcel_id, content)
            item, _ = self._open_today(unit, caller, parcel_id, now)
            recorded = check_outcomes(batches, item.parcel.record_count or 0)
            added = unit.outcomes.add(
                parcel_id,
                caller.capacity_id,
                batches,
                idempotency_key=key,
                content_sha256=content,
                recorded=recorded,
                at=now,
            )
            if not added:
                raise Conflict("The same outcomes are being recorded at this moment.", action="Send them again.")
            unit.audit.append(self._entry(Act.OUTCOME, caller, item, now))
        return recorded

    def answers(self, caller: Caller, parcel_id: UUID) -> Answered:
        """Return the standing outcomes of a parcel."""
        require(caller, Scope.OUTCOMES)
        with self.store.reading() as unit:
            item, _ = self._open_today(unit, caller, parcel_id, self.clock.now())
            count = item.parcel.record_count or 0
            standing = latest(unit.outcomes.of_parcel(parcel_id), count)
        settled = standing.keys() | set(item.parcel.recalled_rows)
        return Answered(standing, open=count - len(settled))

    def _open_today(
        self, unit: DeliveryUnit, caller: Caller, parcel_id: UUID, now: datetime
    ) -> tuple[GrantedParcel, frozenset[Field]]:
        """Return a parcel that can be read and that today's policy still shows the caller something of."""
        item = self._granted(unit, caller, parcel_id)
        _require_readable(item, now)
        verdict = self._verdict_today(unit, item, now)
        if not verdict:
            raise _no_such_parcel()
        return item, verdict.fields

    def _verdict_today(self, unit: DeliveryUnit, item: GrantedParcel, now: datetime) -> Verdict:
        parties = unit.members.parties([item.parcel.recipient.capacity_id], now)
        return self.door.verdict_today(item, parties, now)

    def _shown(
        self,
        item: GrantedParcel,
        parties: Any,  # noqa: ANN401 - passes through to the door unopened
        now: datetime,
    ) -> bool:
        """Tell whether a parcel may be listed; of an erased one only that it was there."""
        return item.parcel.state is ParcelState.ERASED or bool(self.door.verdict_today(item, parties, now))

    def _granted(self, unit: DeliveryUnit, caller: Caller, parcel_id: UUID) -> GrantedParcel:
        item = unit.parcels.granted(parcel_id, caller.capacity_id)
        if item is None:
            raise _no_such_parcel()
        return item

    def _opened(self, item: GrantedParcel, fields: frozenset[Field], sealed: Sealed) -> Opened:
        chunks = iter(_opened_or_gone(self.open_sealed(sealed)))
        header: dict[str, object] = orjson.loads(next(chunks))
        header = _granted_header(header, fields)
        recalled = pl.Series(item.parcel.recalled_rows, dtype=pl.UInt32).implode()

        def rows() -> Iterator[pl.DataFrame]:
            for chunk in chunks:
                kept = from_arrow(chunk).filter(~pl.col("row").is_in(recalled))
                yield self.narrow(kept, fields)

        return Opened(item, fields, header, rows)

    def _entry(self, act: Act, caller: Caller, item: GrantedParcel, now: datetime) -> AuditEntry:
        return AuditEntry.of(
            act, at=now, actor=caller.credential_id, capacity=caller.capacity_id, parcel=item.parcel.id
        )


def body_of(opened: Opened, media: MediaType) -> Iterator[bytes]:
    """Spell an opened parcel out in a media type, chunk by chunk."""
    header = {"parcel_id": str(opened.item.parcel.id), **opened.header}
    return to_body(media, header, map(readable, opened.rows()))


def _opened_or_gone(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except KeyDestroyed:
        raise _gone(ParcelState.ERASED) from None


def _granted_header(header: dict[str, object], fields: frozenset[Field]) -> dict[str, object]:
    withheld = {part for of, parts in HEADER_FIELDS.items() if of not in fields for part in parts}
    return {name: value for name, value in header.items() if name not in withheld}


def _readable(item: GrantedParcel, now: datetime) -> bool:
    return item.parcel.state is ParcelState.RELEASED and now < item.parcel.bucket.deadline


def _require_readable(item: GrantedParcel, now: datetime) -> None:
    if not _readable(item, now):
        raise _gone(item.parcel.state)


def _gone(state: ParcelState) -> Gone:
    if state is ParcelState.RECALLED:
        return Gone(
            "This parcel was recalled: it should not have been delivered, or its ground is gone.",
            action="Erase your copy and confirm it: see your recalls.",
        )
    return Gone(
        "This parcel was erased at its deadline.",
        action="Nothing: it cannot be had again. Erase your copy; the deletion certificate is in your list.",
    )


def _no_such_parcel() -> NotFound:
    return NotFound("You have no such parcel.", expected="the id of a parcel in your inbox", action="List your inbox.")


def _content_of(parcel_id: UUID, batches: Sequence[OutcomeBatch]) -> str:
    spelled = [(batch.code.value, None if batch.rows is None else list(batch.rows)) for batch in batches]
    return hashlib.sha256(orjson.dumps([str(parcel_id), spelled])).hexdigest()


def _replayed(earlier: tuple[UUID, str, int], parcel_id: UUID, content: str) -> int:
    if earlier[:2] != (parcel_id, content):
        raise Conflict(
            "This Idempotency-Key was used for other outcomes.",
            expected="one key per push of outcomes",
            action="Make a new key for a new push.",
        )
    return earlier[2]
