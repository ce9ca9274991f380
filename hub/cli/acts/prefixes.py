"""Acts on prefix tables: taking a new version, and asking who an address belonged to."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import polars as pl

from hub.addresses import parse_one
from hub.attribution.epochs import DatedTable
from hub.attribution.networks import Networks
from hub.attribution.prefix_file import count, read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.audit.entry import Act
from hub.cli.acts.noting import note
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import BadInput, Conflict
from hub.store.networks import StoredTable
from hub.store.unit import Store, Unit
from hub.vocabulary import SourceOutcome

_LARGEST_FILE: Final = 1 << 30
_READ, _BUILT, _STORED = 1, 2, 3
STEPS: Final = _STORED


@dataclass(frozen=True, slots=True)
class TableTaken:
    """A new version."""

    id: UUID
    prefixes_v4: int
    prefixes_v6: int
    systems: int


def take(
    store: Store, clock: Clock, path: Path, *, valid_from: datetime, by: str, source: str, tick: Callable[[int], None]
) -> TableTaken | None:
    """Store a prefix table, in force from ``valid_from`` on; ``None`` where this very file was taken before.

    Raises:
        BadInput: the file is empty, broken, or too large; the tables in force stay as they are.
        Conflict: there is a version from that moment on.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise BadInput(say("The file is too large for a prefix table."), expected=say("at most {most}", most="1 GiB"))
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with store.reading() as unit:
        if unit.networks.has_content(digest):
            return None
        _refuse_same_moment(unit, valid_from)
    rows = read_prefix_file(data)
    tick(_READ)
    content = PrefixTable.build(rows).to_bytes()
    counts = count(rows)
    tick(_BUILT)
    with store.writing() as unit:
        _refuse_same_moment(unit, valid_from)
        table_id = unit.networks.add_table(
            content,
            source=source,
            content_sha256=digest,
            counts=counts,
            valid_from=valid_from,
            by=by,
            now=clock.now(),
        )
        note(unit, clock, Act.PREFIXES_IMPORTED, table=table_id)
    tick(_STORED)
    return TableTaken(table_id, *counts)


def tables(store: Store) -> list[StoredTable]:
    """Return all versions, oldest first."""
    with store.reading() as unit:
        return unit.networks.tables()


def lookup(store: Store, address: str, at: datetime) -> dict[str, Any]:
    """Return who an address belonged to at a moment, as attribution would say.

    Raises:
        BadInput: it is no address.
    """
    halves = parse_one(address)
    if halves is None:
        raise BadInput(say("It is no address."), got=address, expected=say("an IPv4 or IPv6 address"))
    with store.reading() as unit:
        table = next((one for one in reversed(unit.networks.tables()) if one.valid_from <= at), None)
        dated = [] if table is None else [DatedTable(table.id, table.valid_from, _content(unit, table))]
        located = Networks(dated, unit.networks.approved()).locate(_record(halves, at))
        names = {member.id: member.name for member in unit.members.all()} if located.recipients else {}
    asn = int(located.records["asn"][0])
    return {
        "address": address,
        "at": at,
        "outcome": SourceOutcome(int(located.records["outcome"][0])).name.lower().replace("_", "-"),
        "asn": asn or None,
        "country": located.countries.get(asn),
        "member": next((names[one.member_id] for one in located.recipients), None),
        "capacity": next((one.capacity_id for one in located.recipients), None),
        "shared": bool(located.records["shared"][0]),
        "table": None if table is None else table.source,
        "table_from": None if table is None else table.valid_from,
    }


def _content(unit: Unit, table: StoredTable) -> PrefixTable:
    return PrefixTable.from_bytes(unit.networks.table_content(table.id))


def _record(halves: tuple[int, int], at: datetime) -> pl.DataFrame:
    hi, lo = halves
    return pl.DataFrame(
        {"src_hi": [hi], "src_lo": [lo], "first_seen": [at]},
        schema={"src_hi": pl.UInt64, "src_lo": pl.UInt64, "first_seen": pl.Datetime("us", "UTC")},
    )


def _refuse_same_moment(unit: Unit, valid_from: datetime) -> None:
    there = [one for one in unit.networks.tables() if one.valid_from == valid_from]
    if there:
        raise Conflict(
            say("There is a prefix table from that moment on."),
            got=there[0].source,
            expected=say("a moment no other version begins at"),
            action=say("Look at them with: kessetsu prefixes list"),
        )
