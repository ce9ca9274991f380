"""Pushing a report over HTTP with a look at the clock when its last byte is handed over, and waiting for what comes."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import httpx
import orjson

from tests.benchmarks import cpu
from tests.benchmarks.instance import Instance, Member
from tests.benchmarks.reports import Drawn, envelope

_PIECE: Final = 1 << 20
_LOOK: Final = 0.005
_PATIENCE: Final = 300.0
_ACCEPTED: Final = 202
_FETCHED: Final = 5
"""Parcels of each large report that are fetched over HTTP and counted."""


@dataclass(frozen=True)
class Pushed:
    """Instants of one push, in seconds of the monotonic clock."""

    report_id: UUID
    first_byte: float
    last_byte: float
    answered: float
    visible: float
    cpu: cpu.Spent
    """Processor time from the first byte until the report was released."""

    @property
    def seconds(self) -> float:
        """Return what it took from the last byte until every parcel could be fetched."""
        return self.visible - self.last_byte


class Body:
    """A multipart body that notes when its last byte was taken by the socket."""

    def __init__(self, drawn: Drawn, start: datetime) -> None:
        """Put the parts together; the records are not copied."""
        boundary = uuid4().hex
        self._before = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="envelope"; filename="envelope.json"\r\n'
            f"Content-Type: application/json\r\n\r\n".encode()
            + orjson.dumps(envelope(start))
            + f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="records"; filename="records.csv"\r\n'
            f"Content-Type: text/csv\r\n\r\n".encode()
        )
        self._records = memoryview(drawn.csv)
        self._after = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._before) + len(self._records) + len(self._after)),
        }
        self.last_byte = 0.0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body; what follows the last piece runs once that is handed over."""
        yield self._before
        for place in range(0, len(self._records), _PIECE):
            yield bytes(self._records[place : place + _PIECE])
        yield self._after
        self.last_byte = time.monotonic()


def push(instance: Instance, member: Member, drawn: Drawn, start: datetime) -> Pushed:
    """Push a report, wait until it is released, and check that everybody got what is theirs."""
    body = Body(drawn, start)
    headers = {**member.headers, **body.headers, "Idempotency-Key": uuid4().hex}
    with httpx.Client(base_url=instance.url, timeout=_PATIENCE, trust_env=False) as client:
        before = cpu.spent(instance.processes)
        first_byte = time.monotonic()
        answer = client.post("/v1/reports", content=iter(body), headers=headers)
        answered = time.monotonic()
        if answer.status_code != _ACCEPTED:
            raise RuntimeError(f"the push was answered {answer.status_code}: {answer.text[:500]}")
        report_id = UUID(answer.json()["report_id"])
        visible = _released(instance, report_id)
        spent = cpu.difference(before, cpu.spent(instance.processes))
        _check(instance, client, report_id, drawn)
    return Pushed(report_id, first_byte, body.last_byte, answered, visible, spent)


def _released(instance: Instance, report_id: UUID) -> float:
    """Return when the report's parcels had become visible, to some milliseconds."""
    until = time.monotonic() + _PATIENCE
    with closing(instance.connect()) as connection:
        while time.monotonic() < until:
            row = connection.execute("SELECT state FROM reports WHERE id = %s", (report_id,)).fetchone()
            if row == ("released",):
                return time.monotonic()
            if row not in {("received",), ("sealed",)}:
                raise RuntimeError(f"the report is not released but {row}")
            time.sleep(_LOOK)
    raise RuntimeError("the report was not released in time")


def _check(instance: Instance, client: httpx.Client, report_id: UUID, drawn: Drawn) -> None:
    """Compare the counts of all members with what was drawn, and fetch some parcels as their recipients would."""
    delivered = instance.delivered(report_id)
    if delivered != drawn.expected:
        wrong = sum(delivered.get(member) != count for member, count in drawn.expected.items())
        raise RuntimeError(
            f"{sum(delivered.values()):,} records reached {len(delivered):,} members, expected {drawn.delivered:,}"
            f" for {len(drawn.expected):,}; {wrong:,} members have another number than theirs"
        )
    for index in list(drawn.expected)[:: max(1, len(drawn.expected) // _FETCHED)]:
        member = instance.members[index]
        [(parcel_id,)] = instance.asked(
            "SELECT id FROM parcels WHERE report_id = %s AND capacity_id = %s", report_id, member.capacity_id
        )
        fetched = client.get(f"/v1/inbox/{parcel_id}/records", headers=member.headers)
        if fetched.status_code != httpx.codes.OK or len(fetched.json()["records"]) != drawn.expected[index]:
            raise RuntimeError(f"parcel {parcel_id} of member {index} cannot be fetched whole: {fetched.status_code}")
