"""The first line of a CSV report: which columns there are, and whether they make a report of its kind."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence

from hub.addresses import parse_one
from hub.errors import BadRecords, Fault
from hub.intake.columns import COLUMNS, IGNORED_PREFIX, PARCEL_COLUMNS, required_columns
from hub.vocabulary import ReportKind

_MAX_HEADER = 16_384
_MAX_SHOWN = 64
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_header(data: bytes, kind: ReportKind, *, max_columns: int) -> tuple[str, ...]:
    """Return the column names, lower case and trimmed, of records of ``kind``.

    Args:
        data: The file, UTF-8, with or without BOM.
        kind: Decides which columns must be there.
        max_columns: Most columns a file may have, ignored ones included.

    Raises:
        BadRecords: with all that is wrong with the header.
    """
    names = tuple(name.strip().lower() for name in _first_line(data))
    if len(names) > max_columns:
        raise _bad_header(f"The header has {len(names)} columns.", f"at most {max_columns} columns")
    faults = [*_missing(names, kind), *_unknown(names), *_repeated(names)]
    if faults:
        raise _bad_header(
            "The header does not fit a report of this kind.",
            f"columns {', '.join(COLUMNS)}; own columns begin with '{IGNORED_PREFIX}' and are not read",
            action=_advice(names),
            faults=faults,
        )
    return names


def _first_line(data: bytes) -> list[str]:
    end = data.find(b"\n", 0, _MAX_HEADER)
    line = data[: _MAX_HEADER if end < 0 else end].removesuffix(b"\r")
    if b"\r" in line:
        raise _bad_header(
            "Lines end in CR alone.",
            "lines that end in LF or CRLF",
            action="Save the file with Unix or Windows line ends.",
        )
    if end < 0 and len(data) > _MAX_HEADER:
        raise _bad_header("The first line is too long for a header.", f"a header of at most {_MAX_HEADER} bytes")
    try:
        rows = list(csv.reader([line.decode("utf-8-sig")], strict=True))
    except csv.Error:
        raise _bad_header("The header's quotes do not match.", "column names, each on the first line") from None
    return rows[0] if rows else []


def _missing(names: Sequence[str], kind: ReportKind) -> Iterator[Fault]:
    for name in required_columns(kind):
        if name not in names:
            yield Fault(
                f"header, column {name}", "missing", f"a column {name}, which reports of kind {kind.value} need"
            )


def _unknown(names: Sequence[str]) -> Iterator[Fault]:
    for place, name in enumerate(names, start=1):
        if name not in COLUMNS and name not in PARCEL_COLUMNS and not name.startswith(IGNORED_PREFIX):
            yield Fault(f"header, column {place}", "unknown-column", "a known column name", got=name[:_MAX_SHOWN])


def _repeated(names: Sequence[str]) -> Iterator[Fault]:
    for name, times in Counter(names).items():
        if times > 1 and name in COLUMNS:
            yield Fault(f"header, column {name}", "duplicate-column", "each column once", got=f"{times} times")


def _advice(names: Sequence[str]) -> str:
    if any(parse_one(name) for name in names):
        return "The first line holds values: put the column names before them."
    if len(names) == 1:
        for separator, called in _OTHER_SEPARATORS.items():
            if separator in names[0]:
                return f"The columns seem to be separated by {called}: export the file with commas."
    return "Rename or remove the columns named here and send the file again."


def _bad_header(message: str, expected: str, *, action: str | None = None, faults: Sequence[Fault] = ()) -> BadRecords:
    return BadRecords(
        message,
        expected=expected,
        action=action or "Put the column names, separated by commas, on the first line.",
        faults=faults,
    )
