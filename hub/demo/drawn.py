"""The demo's world without the data set: an installed package's table, and sources drawn from its prefixes.

``geoip2fast`` ships MaxMind's GeoLite2 tables as a pickle of plain lists. A pickle can run code when it is
loaded; this one is loaded by a reader that knows lists, numbers and text only and refuses to name anything else.

The package has operators' names and no AS numbers, so each name gets a number of the range that RFC 6996 keeps
for private use.
"""

import gzip
import io
import pickle
import re
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import polars as pl

from hub.addresses import V4_BASE, render
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.demo.world import FLOW_COLUMNS, Operator, World
from hub.errors import Unavailable

PACKAGE: Final = "geoip2fast"
_FILE: Final = "geoip2fast-asn-ipv6.dat.gz"
_FORMATS: Final = {120, 121}
_FIRST_PRIVATE_ASN: Final = 4_200_000_000
_V4: Final = 1 << 32
_LOW: Final = (1 << 64) - 1
_UNKNOWN: Final = "ZZ"
_SEED: Final = 20_261_120
_FLOWS_PER_SOURCE: Final = 14
"""As recorded at honeypots: 764,151 flows of 55,756 sources in 14 days."""
_PORTS: Final = (22, 23, 53, 80, 443, 445, 2323, 3389)
_UNANSWERED: Final = 0.7


def drawn_world(directory: Path, size: int) -> World:
    """Return a world of real prefixes and names, its table written into ``directory``, ``size`` flows drawn.

    Raises:
        Unavailable: the package is not installed, or its table is of a form not known here.
    """
    lines, operators = _package_table()
    table_file = directory / "prefixes.csv"
    lines.write_csv(table_file)
    table = PrefixTable.build(read_prefix_file(table_file.read_bytes()))
    return World(
        origin=f"{PACKAGE} {version(PACKAGE)} (GeoLite2, MaxMind)",
        drawn=True,
        table_file=table_file,
        table=table,
        operators=operators,
        flows=drawn_flows(table, size, _SEED),
    )


def drawn_flows(table: PrefixTable, size: int, seed: int) -> pl.DataFrame:
    """Draw an attack from routed IPv4 space: few systems and few sources send much, most send little."""
    dice = np.random.default_rng(seed)
    start = table.intervals.v4_start.astype(np.int64)
    length = np.diff(start, append=_V4)
    owner = table.intervals.value[: len(start)]
    weight = dice.pareto(1.2, len(table.systems))[owner] * (owner != 0) * np.sqrt(length)
    sources = max(size // _FLOWS_PER_SOURCE, 1)
    picked = dice.choice(len(start), sources, p=weight / weight.sum())
    number = start[picked] + (dice.random(sources) * length[picked]).astype(np.int64)
    sender = (dice.random(size) ** 3 * sources).astype(np.int64)
    return pl.DataFrame(
        {
            "moment": np.linspace(0.0, 1.0, size),
            "src_ip": v4_texts(pl.Series(number[sender])),
            "src_port": dice.integers(1024, 65536, size).astype(np.uint16),
            "dst_port": dice.choice(np.array(_PORTS, np.uint16), size),
            "protocol": pl.repeat("tcp", size, eager=True),
            "bytes": dice.integers(40, 2000, size).astype(np.uint64),
            "tcp_flags": np.where(dice.random(size) < _UNANSWERED, "S", "SAF"),
        }
    ).select(*FLOW_COLUMNS)


def v4_texts(numbers: pl.Series) -> pl.Series:
    """Return IPv4 addresses, given as numbers of 32 bits, as text."""
    lo = numbers.cast(pl.UInt64) + V4_BASE
    return render(pl.repeat(0, len(lo), dtype=pl.UInt64, eager=True), lo)


# --- the package's table --------------------------------------------------------------------------------


class _PlainReader(pickle.Unpickler):
    """Reads lists, dictionaries, numbers and text; whatever would import or call anything is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        """Refuse: every way of a pickle to run code begins with naming something."""
        raise pickle.UnpicklingError(f"the table names {module_name}.{global_name}")


def _package_table() -> tuple[pl.DataFrame, dict[int, Operator]]:
    """Return lines of ``prefix,asn,name,country``, and the operators by their number."""
    _, _, country_names, names, country_starts, starts, country_ids, ids, _, lengths = _load()
    codes = [name.partition(":")[0] for name in country_names]
    first, owner = _flat(starts), _flat(ids)
    where = np.searchsorted(np.array(_flat(country_starts), object), np.array(first, object), "right") - 1
    countries = [codes[number] for number in np.array(_flat(country_ids))[where].tolist()]
    rows = pl.DataFrame(
        {
            "prefix": _prefixes(first, _flat(lengths)),
            "asn": pl.Series([_FIRST_PRIVATE_ASN + number for number in owner], dtype=pl.UInt32),
            "name": [_plain(names[number]) for number in owner],
            "country": [code if re.fullmatch("[A-Z]{2}", code) else None for code in countries],
        }
    ).filter(pl.col("name") != "unknown")
    return rows, _operators(rows)


def _load() -> Sequence[Any]:
    spec = find_spec(PACKAGE)
    file = Path(spec.origin).with_name(_FILE) if spec and spec.origin else None
    if file is None or not file.exists():
        raise Unavailable(
            f"Neither the data set nor the package {PACKAGE} is here.",
            expected=f"a data set named by KESSETSU_DATA, or {PACKAGE} with {_FILE}",
            action="Run `make install`, or name the data set in KESSETSU_DATA.",
        )
    try:
        form, about, _, parts = _PlainReader(io.BytesIO(gzip.decompress(file.read_bytes()))).load()
    except (pickle.UnpicklingError, OSError, EOFError, ValueError) as error:
        raise _unreadable(file) from error
    if form not in _FORMATS or not about.get("asn") or len(parts) != 10:  # noqa: PLR2004 - so many lists it is made of
        raise _unreadable(file)
    table: Sequence[Any] = parts
    return table


def _unreadable(file: Path) -> Unavailable:
    return Unavailable(
        f"The prefix table {file.name} of the package {PACKAGE} has a form that is not known here.",
        expected=f"{PACKAGE} of a version in requirements-dev.lock",
        action="Run `make install` again, or name the data set in KESSETSU_DATA.",
    )


def _flat(pieces: Sequence[Sequence[Any]]) -> list[Any]:
    return [value for piece in pieces for value in piece]


def _prefixes(first: Sequence[int], lengths: Sequence[int]) -> pl.Series:
    """Write prefixes; a first address below 2^32 is an IPv4 one."""
    short = [number < _V4 for number in first]
    hi = pl.Series([0 if v4 else number >> 64 for v4, number in zip(short, first, strict=True)], dtype=pl.UInt64)
    lo = pl.Series(
        [V4_BASE + number if v4 else number & _LOW for v4, number in zip(short, first, strict=True)], dtype=pl.UInt64
    )
    return render(hi, lo) + "/" + pl.Series(lengths).cast(pl.String)


def _plain(name: str) -> str:
    return re.sub(r'[",<>\s]+', " ", name).strip()


def _operators(rows: pl.DataFrame) -> dict[int, Operator]:
    """Say of each system its name, and the country most of its prefixes are used in."""
    countries: dict[int, Counter[str]] = {}
    names: dict[int, str] = {}
    for asn, name, country in rows.select("asn", "name", "country").iter_rows():
        names[asn] = name
        countries.setdefault(asn, Counter())[country or _UNKNOWN] += 1
    return {asn: Operator(asn, name, countries[asn].most_common(1)[0][0]) for asn, name in names.items()}
