"""Small tables, holdings and records, written as people write them."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import pytest

from hub.addresses import parse, parse_prefix
from hub.attribution.networks import DatedTable
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.members.holdings import Holding
from hub.records import Envelope, Report
from hub.vocabulary import DataClass, LegalBasis, Purpose, ReportKind, RequestedAction, Severity

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def data_file(place: str) -> bytes:
    """Return a file of the real data, or skip the test where there is none."""
    default = Path(__file__).parents[4] / "shared" / "data"
    path = Path(os.environ.get("KESSETSU_DATA", default)) / place
    if not path.exists():
        pytest.skip(f"no real data: {place} is not in the directory KESSETSU_DATA names")
    return path.read_bytes()


def table_of(origins: Mapping[str, int]) -> PrefixTable:
    """Build a table from prefixes and their AS."""
    lines = "".join(f"{prefix}\t{asn}\n" for prefix, asn in origins.items())
    return PrefixTable.build(read_prefix_file(lines.encode()))


def dated(origins: Mapping[str, int], since: datetime = START) -> DatedTable:
    """Build a table version."""
    return DatedTable(uuid4(), since, table_of(origins))


def holding(
    network: str | int,
    *,
    member: UUID,
    capacity: UUID | None = None,
    since: datetime = START,
    until: datetime | None = None,
    shared: bool = False,
) -> Holding:
    """Build an approved holding of a prefix (text) or an AS (number)."""
    prefix = parse_prefix(network) if isinstance(network, str) else None
    asn = network if isinstance(network, int) else None
    return Holding(uuid4(), member, capacity or member, prefix, asn, since, until, shared)


def records_of(sources: Iterable[str], times: Iterable[datetime] | None = None, **columns: object) -> pl.DataFrame:
    """Build checked records of these sources; other columns as given, else null."""
    texts = pl.Series("address", list(sources), pl.String)
    halves = parse(texts)
    seen = pl.Series("first_seen", list(times or [START + DAY] * len(texts)), pl.Datetime("us", "UTC"))
    given = {name: columns.get(name) for name in _OTHER_COLUMNS}
    return pl.DataFrame(
        [
            pl.Series("row", range(1, len(texts) + 1), pl.UInt32),
            halves["hi"].alias("src_hi"),
            halves["lo"].alias("src_lo"),
            seen,
            seen.alias("last_seen"),
            *(
                pl.Series(name, value if isinstance(value, list) else [value] * len(texts), _OTHER_COLUMNS[name])
                for name, value in given.items()
            ),
        ]
    )


def report_of(
    records: pl.DataFrame, kind: ReportKind = ReportKind.ATTACK, vectors: tuple[str, ...] = ("udp-flood",)
) -> Report:
    """Build a report of these records."""
    envelope = Envelope(
        kind=kind,
        legal_basis=LegalBasis.SELF_DEFENCE,
        purpose=Purpose.ATTACK_RESPONSE,
        data_class=DataClass.ATTACK_TRAFFIC,
        mandate="matter 1",
        consent=None,
        requested_action=RequestedAction.WARN,
        severity=Severity.NORMAL,
        vectors=vectors,
        target="203.0.113.1",
        start=START,
        end=START + DAY,
        malware_family=None,
        detection=None,
        vulnerability=None,
        time_zone=None,
        epoch_columns=frozenset(),
        reject_report=False,
    )
    return Report(uuid4(), uuid4(), uuid4(), START + DAY, START + 30 * DAY, envelope, records)


_OTHER_COLUMNS = {
    "src_port": pl.UInt16,
    "dst_hi": pl.UInt64,
    "dst_lo": pl.UInt64,
    "dst_port": pl.UInt16,
    "protocol": pl.UInt8,
    "packets": pl.UInt64,
    "bytes": pl.UInt64,
    "tcp_flags": pl.UInt8,
}
