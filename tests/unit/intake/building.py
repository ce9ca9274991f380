"""Envelopes and CSV files for the tests of intake."""

from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

from hub.intake.csv_records import IntakeLimits, check_csv
from hub.intake.envelope import read_envelope
from hub.records import CheckedRecords, Envelope

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "src_ip,src_port,dst_ip,dst_port,protocol,first_seen,last_seen,packets,bytes,tcp_flags"
ROW = "192.0.2.1,40000,198.51.100.7,443,tcp,2026-03-01T11:00:00Z,2026-03-01T11:00:01Z,3,180,....S."
SHORT = "src_ip,first_seen"

ATTACK: dict[str, object] = {
    "kind": "attack",
    "legal_basis": "necessity",
    "purpose": "attack-response",
    "data_class": "attack-traffic",
    "mandate": "M-1",
    "requested_action": "block",
    "vectors": ["syn-flood"],
    "target": "198.51.100.7",
    "start": "2026-03-01T10:00:00Z",
    "end": "2026-03-01T11:30:00Z",
}
INFECTED: dict[str, object] = {
    "kind": "infected",
    "legal_basis": "consent-terms",
    "purpose": "subscriber-notice",
    "data_class": "infected-host",
    "mandate": "M-2",
    "consent": "terms 2026-01 art. 7",
    "malware_family": "Mirai",
    "detection": "sinkhole",
}
VULNERABLE: dict[str, object] = {
    "kind": "vulnerable-device",
    "legal_basis": "statute",
    "purpose": "device-remediation",
    "data_class": "vulnerable-device",
    "mandate": "M-3",
    "vulnerability": "CVE-2026-12345",
}


def members(base: dict[str, object], **changes: object) -> dict[str, object]:
    """Return ``base`` with ``changes``; ``None`` leaves a member out."""
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def envelope(base: dict[str, object] = ATTACK, **changes: object) -> Envelope:
    """Return a checked envelope."""
    return read_envelope(orjson.dumps(members(base, **changes)))


def lines(*rows: str, header: str = HEADER) -> bytes:
    """Return a CSV file."""
    return "".join(f"{line}\n" for line in (header, *rows)).encode()


def row(**cells: str) -> str:
    """Return a good row with some cells changed."""
    values = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    return ",".join({**values, **cells}.values())


def check(data: bytes, base: dict[str, object] = ATTACK, **changes: object) -> CheckedRecords:
    """Check a file under an envelope, with the usual limits and clock."""
    return check_csv(data, envelope(base, **changes), now=NOW, limits=IntakeLimits())


def read_column(name: str, cells: Iterable[str], *, epoch: bool = False, zone: str | None = None) -> list[object]:
    """Return what each cell of an otherwise good file was read as: its value, or its reason code.

    A good row goes last, so that not all are refused.
    """
    cells = list(cells)
    good = row(**{name: "1772362800"}) if epoch else row()
    data = lines(*(row(**{name: cell}) for cell in cells), good)
    checked = check(data, epoch_columns=[name] if epoch else [], time_zone=zone)
    values = dict(checked.records.select("row", {"src_ip": "src_lo", "dst_ip": "dst_lo"}.get(name, name)).iter_rows())
    reasons = {error.row: error.reason for error in checked.errors}
    return [values[place] if place in values else reasons[place] for place in range(1, len(cells) + 1)]
