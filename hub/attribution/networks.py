"""All dated tables and holdings, asked as of each record's own time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

import numpy as np
import polars as pl

from hub.attribution.epochs import NOBODY, Answer, DatedTable, Epoch, Holders
from hub.attribution.intervals import Places
from hub.attribution.prefix_table import PrefixTable
from hub.members.holdings import Holding
from hub.records import Recipient

__all__ = ["DatedTable", "Located", "Networks"]

_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_EPOCHS = 16
"""Compiled epochs kept: reports of the day fall into one or two."""


@dataclass(frozen=True, slots=True)
class Located:
    """Records with where their sources were: columns ``outcome``, ``recipient``, ``asn`` and ``shared`` (Boolean)."""

    records: pl.DataFrame = field(repr=False)
    recipients: tuple[Recipient, ...]
    """Those that occur, by member and capacity id."""
    countries: Mapping[int, str]
    table_ids: tuple[UUID, ...]
    """Versions that answered, oldest first."""
    table: PrefixTable | None
    """The version that answered most records."""
    undecided: int
    """Records from before the first table, of addresses nobody declared; their outcome reads unrouted."""


class Networks:
    """Who operated which address when. Immutable: where tables or holdings change, make a new one.

    For a record, the newest table with ``valid_from`` not after ``first_seen`` counts, and the holdings in force
    then. Declared prefixes win over the table and the longest of them over the others; elsewhere the table names
    the AS and its holding the member. What two members hold at once (no officer should approve it) is nobody's:
    outcome non-member. Special-use addresses are never a member's, whatever was declared.
    """

    def __init__(self, tables: Sequence[DatedTable], holdings: Sequence[Holding]) -> None:
        """Take all versions that may be asked for, and all approved holdings, past ones too."""
        self._tables = sorted(tables, key=lambda dated: dated.valid_from)
        self._holdings = tuple(holdings)
        capacities = {Recipient(holding.capacity_id, holding.member_id) for holding in holdings}
        self._recipients = sorted(capacities, key=lambda recipient: (recipient.member_id, recipient.capacity_id))
        self._places = {recipient: place for place, recipient in enumerate(self._recipients)}
        self._changes = sorted(set(self._instants()))
        self._cuts = np.array([_microseconds(instant) for instant in self._changes], np.int64)
        self._epoch = lru_cache(_KEPT_EPOCHS)(self._compile)

    def locate(self, records: pl.DataFrame) -> Located:
        """Tell in whose network each record's source was at its ``first_seen``."""
        hi, lo = records["src_hi"].to_numpy(), records["src_lo"].to_numpy()
        merged = _Merged(records.height)
        for number, rows in self._groups(records["first_seen"].to_physical().to_numpy()):
            epoch = self._epoch(number)
            merged.add(epoch, epoch.answer(hi[rows], lo[rows]), rows)
        return merged.located(records, self._recipients)

    def _groups(self, instants: Places) -> Iterator[tuple[int, Places | slice]]:
        """Return for each epoch that occurs its number and its rows; all of them at once where there is but one."""
        if not len(instants):
            return
        ends = np.searchsorted(self._cuts, [instants.min(), instants.max()], "right")
        if ends[0] == ends[1]:
            yield int(ends[0]), slice(None)
            return
        number = np.searchsorted(self._cuts, instants, "right")
        order = np.argsort(number, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            yield int(number[rows[0]]), rows

    def _compile(self, number: int) -> Epoch:
        if number == 0:
            return Epoch.compile(None, (), self._places)
        since = self._changes[number - 1]
        dated = [dated for dated in self._tables if dated.valid_from <= since]
        in_force = [holding for holding in self._holdings if holding.in_force(since)]
        return Epoch.compile(dated[-1] if dated else None, in_force, self._places)

    def _instants(self) -> Iterator[datetime]:
        for dated in self._tables:
            yield dated.valid_from
        for holding in self._holdings:
            yield holding.valid_from
            if holding.valid_to is not None:
                yield holding.valid_to


class _Merged:
    """The answers of several epochs, put back into the records' order."""

    def __init__(self, height: int) -> None:
        self._outcome = np.zeros(height, np.uint8)
        self._holder = np.zeros(height, np.int32)
        self._asn = np.zeros(height, np.uint32)
        self._shared = np.zeros(height, np.bool_)
        self._answered: dict[UUID, int] = {}
        self._tables: dict[UUID, DatedTable] = {}
        self._systems: dict[UUID, set[int]] = {}
        self._undecided = 0

    def add(self, epoch: Epoch, answer: Answer, rows: Places | slice) -> None:
        self._outcome[rows] = answer.outcome
        self._holder[rows] = answer.holder
        self._asn[rows] = answer.asn
        self._shared[rows] = answer.shared
        self._undecided += answer.undecided
        if epoch.dated is not None:
            table_id = epoch.dated.id
            self._tables[table_id] = epoch.dated
            self._answered[table_id] = self._answered.get(table_id, 0) + len(answer.outcome)
            self._systems.setdefault(table_id, set()).update(answer.systems)

    def located(self, records: pl.DataFrame, recipients: Sequence[Recipient]) -> Located:
        occurring, renumbered = _renumbered(self._holder, len(recipients))
        appended = records.with_columns(
            pl.Series("outcome", self._outcome),
            pl.Series("recipient", renumbered),
            pl.Series("asn", self._asn),
            pl.Series("shared", self._shared),
        )
        tables = sorted(self._tables.values(), key=lambda dated: dated.valid_from)
        foremost = max(tables, key=lambda dated: self._answered[dated.id], default=None)
        return Located(
            records=appended,
            recipients=tuple(recipients[place] for place in occurring),
            countries=self._countries(tables),
            table_ids=tuple(dated.id for dated in tables),
            table=None if foremost is None else foremost.table,
            undecided=self._undecided,
        )

    def _countries(self, tables: Sequence[DatedTable]) -> dict[int, str]:
        """Return the countries of the ASes that occur; the newest version that knows one is believed."""
        return {
            asn: country
            for dated in tables
            for asn in sorted(self._systems[dated.id])
            if (country := dated.table.country_of(asn)) is not None
        }


def _renumbered(holder: Holders, places: int) -> tuple[list[int], Holders]:
    """Return the holders that occur, in order, and the column counted by their index in that list."""
    occurs = np.bincount(holder + 1, minlength=places + 1)[1:] > 0
    index = np.full(places + 1, NOBODY, np.int32)
    index[1:][occurs] = np.arange(np.count_nonzero(occurs))
    return np.flatnonzero(occurs).tolist(), index[holder + 1]


def _microseconds(instant: datetime) -> int:
    return (instant - _ORIGIN) // timedelta(microseconds=1)
