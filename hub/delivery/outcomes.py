"""What recipients did, checked and read back: codes only, by (parcel, row); the latest word on a row counts."""

from collections import Counter
from collections.abc import Sequence

from hub.errors import BadInput, Fault
from hub.records import OutcomeBatch
from hub.vocabulary import OutcomeCode

MAX_BATCHES = 1_000


def check_outcomes(batches: Sequence[OutcomeBatch], record_count: int) -> int:
    """Return how many rows the batches speak of, each once per batch.

    Raises:
        BadInput: no batch, too many, or rows that are not in the parcel; with every fault.
    """
    if not 1 <= len(batches) <= MAX_BATCHES:
        raise BadInput(
            "Outcomes come in batches, one per code.",
            expected=f"1 to {MAX_BATCHES} batches",
            got=str(len(batches)),
            action="Group the rows by code, or split the request.",
        )
    faults = [fault for number, batch in enumerate(batches) for fault in _faults(number, batch, record_count)]
    if faults:
        raise BadInput("Some outcomes name rows that are not in this parcel.", faults=faults)
    return sum(record_count if batch.rows is None else len(set(batch.rows)) for batch in batches)


def latest(batches: Sequence[OutcomeBatch], record_count: int) -> dict[int, OutcomeCode]:
    """Return the standing outcome of each answered row, from batches in the order they came."""
    standing: dict[int, OutcomeCode] = {}
    for batch in batches:
        rows = range(1, record_count + 1) if batch.rows is None else batch.rows
        standing.update(dict.fromkeys(rows, batch.code))
    return standing


def totals(batches: Sequence[OutcomeBatch], record_count: int) -> Counter[str]:
    """Count the standing outcomes by code."""
    return Counter(code.value for code in latest(batches, record_count).values())


def _faults(number: int, batch: OutcomeBatch, record_count: int) -> list[Fault]:
    if batch.rows is None:
        return []
    where = f"/outcomes/{number}/rows"
    if not batch.rows:
        return [Fault(where, "empty", expected='row numbers, or "all"')]
    outside = [row for row in batch.rows if not 1 <= row <= record_count]
    if not outside:
        return []
    return [Fault(where, "no-such-row", expected=f"1 to {record_count}", got=", ".join(map(str, outside[:5])))]
