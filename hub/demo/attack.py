"""The reports of the drill, written as a carrier's own systems would: CSV, gzip, real times.

The data live 30 seconds from their earliest event, so what was recorded earlier is given new times in the last
seconds before it is pushed. The data are moved and marked as a drill; no clock is.
"""

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from hub.demo.drawn import v4_texts

TARGET: Final = "198.51.100.7"
"""Whom the drill attacks: an address for documentation (RFC 5737)."""
WINDOW: Final = timedelta(seconds=2)
"""How long the attack lasts."""
FLOOD_SOURCES: Final = 4_000
_FASTEST: Final = 1
_SECOND: Final = 1_000_000


def write_attack(file: Path, flows: pl.DataFrame, start: datetime) -> None:
    """Write ``flows`` as having happened in the :data:`WINDOW` that begins at ``start``."""
    _write(file, flows.drop("moment").with_columns(first_seen=_spread(flows["moment"], start)))


def write_flood(file: Path, start: datetime, seed: int) -> None:
    """Write a flood whose sources are forged: drawn from all of the IPv4 space, one packet each."""
    dice = np.random.default_rng(seed)
    flood = pl.DataFrame(
        {
            "src_ip": v4_texts(pl.Series(dice.integers(0, 1 << 32, FLOOD_SOURCES))),
            "protocol": pl.repeat("tcp", FLOOD_SOURCES, eager=True),
            "packets": pl.repeat(1, FLOOD_SOURCES, eager=True),
            "tcp_flags": pl.repeat("S", FLOOD_SOURCES, eager=True),
            "dst_port": pl.repeat(443, FLOOD_SOURCES, eager=True),
            "first_seen": _spread(pl.Series(np.linspace(0.0, 1.0, FLOOD_SOURCES)), start),
        }
    )
    _write(file, flood)


def envelope(start: datetime, vector: str, *, drill: bool = True) -> dict[str, object]:
    """Return what the reporter states with a report."""
    return {
        "kind": "attack",
        "legal_basis": "legitimate-business-act",
        "purpose": "drill" if drill else "attack-response",
        "data_class": "drill-short" if drill else "attack-traffic",
        "mandate": "drill-1",
        "requested_action": "warn",
        "severity": "ongoing-attack",
        "vectors": [vector],
        "target": TARGET,
        "start": start.isoformat(),
        "end": (start + WINDOW).isoformat(),
    }


def _spread(moments: pl.Series, start: datetime) -> pl.Series:
    micros = (moments * WINDOW.total_seconds() * _SECOND).cast(pl.Int64) + int(start.timestamp() * _SECOND)
    return micros.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def _write(file: Path, rows: pl.DataFrame) -> None:
    text = rows.with_columns(dst_ip=pl.lit(TARGET)).write_csv()
    with (
        file.open("xb") as written,
        gzip.GzipFile(fileobj=written, mode="wb", compresslevel=_FASTEST, mtime=0) as packed,
    ):
        packed.write(text.encode())
