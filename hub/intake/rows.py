"""The rows of a CSV file: where each begins, whether it has as many cells as the header, and its cells as text.

The bytes are scanned once, in steps, for separators outside quotes (RFC 4180). That gives every row its
number and cell count before the cells are read, so a ragged row is refused by itself and shifts no other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from hub.errors import BadRecords, TooLarge
from hub.intake.columns import COLUMNS

_COMMA, _LF, _CR, _QUOTE = b',\n\r"'
_MAY_PRECEDE_OPENING = (_COMMA, _LF, _QUOTE)
_MAY_FOLLOW_CLOSING = (_COMMA, _LF, _CR, _QUOTE)
_BOM = b"\xef\xbb\xbf"
_STEP = 4 * 1_048_576

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Lines:
    """One entry per line of the file, the header's first; a line ends at a line end outside quotes."""

    cells: Places
    blank: Flags


@dataclass(frozen=True, slots=True)
class Rows:
    """The data rows of a file, numbered from 1; empty lines are no rows and are not counted."""

    total: int
    """Data rows in the file, ragged ones included."""
    _text: pl.DataFrame = field(repr=False)
    """The known columns of every line as text, the header's and empty lines too."""
    _number: Places
    """Of the row each line is; 0 where it is none."""
    _surplus: Places
    """Cells the line has too many, or too few where negative."""

    def parts(self, lines: int) -> Iterator[pl.DataFrame]:
        """Yield the rows that fit the header: ``row`` (``UInt32``) and known columns, ``String``, empty cells null.

        Args:
            lines: Of the file that go into one part; what follows need not hold more at a time.
        """
        even = (self._number > 0) & (self._surplus == 0)
        for start in range(0, even.size, lines):
            here = slice(start, start + lines)
            part = self._text.slice(start, lines).with_columns(pl.Series("row", self._number[here], dtype=pl.UInt32))
            yield part if even[here].all() else part.filter(pl.Series(even[here]))

    def ragged(self) -> pl.DataFrame:
        """Return ``row`` (``UInt32``) and ``surplus`` (``Int64``) of the rows that do not fit the header."""
        odd = (self._number > 0) & (self._surplus != 0)
        return pl.DataFrame(
            {"row": self._number[odd], "surplus": self._surplus[odd]}, schema={"row": pl.UInt32, "surplus": pl.Int64}
        )


def read_rows(data: bytes, names: Sequence[str], *, max_rows: int) -> Rows:
    """Split ``data`` into rows and cells.

    Args:
        data: The file with its header, UTF-8, with or without BOM.
        names: Of the columns, as the header has them.
        max_rows: Most lines below the header.

    Raises:
        TooLarge: past ``max_rows``.
        BadRecords: where there is no row, or quotes do not match.
    """
    lines = _scan(data, max_rows)
    is_row = ~lines.blank
    is_row[0] = False
    total = int(is_row.sum())
    if total == 0:
        raise BadRecords(
            "The file has a header and no records.",
            expected="at least one row below the header",
            action="Send a report only when there is something to report.",
        )
    text = _cells(data, names, lines.cells.size)
    return Rows(total, text, np.where(is_row, np.cumsum(is_row), 0), lines.cells - len(names))


def _cells(data: bytes, names: Sequence[str], height: int) -> pl.DataFrame:
    """Return the known columns of every line, the header's first, as text."""
    schema = {name if name in COLUMNS else f"ignored {place}": pl.String for place, name in enumerate(names)}
    table = pl.scan_csv(
        data, has_header=False, schema=schema, null_values=[""], truncate_ragged_lines=True, infer_schema=False
    )
    try:
        text = table.select(name for name in schema if name in COLUMNS).collect()
    except pl.exceptions.PolarsError as error:
        raise _unreadable() from error
    if text.height != height:
        raise _unreadable()
    return text


def _scan(data: bytes, max_rows: int) -> _Lines:
    whole = np.frombuffer(data, np.uint8)[len(_BOM) if data.startswith(_BOM) else 0 :]
    ends, cells, seen, open_cells = [], [], 0, 0
    for places in _separators(whole, quoted=b'"' in data):
        closing = np.flatnonzero(whole[places] == _LF)
        if closing.size:
            counts = np.diff(closing, prepend=-1)
            counts[0] += open_cells
            ends.append(places[closing])
            cells.append(counts)
            open_cells = 0
        open_cells += places.size - 1 - (int(closing[-1]) if closing.size else -1)
        seen += closing.size
        if seen > max_rows + 1:
            raise _too_many_rows(max_rows)
    if whole.size and not (ends and ends[-1][-1] == whole.size - 1):
        ends.append(np.array([whole.size]))
        cells.append(np.array([open_cells + 1]))
    return _lines(whole, ends, cells, max_rows)


def _lines(whole: Bytes, ends: list[Places], cells: list[Places], max_rows: int) -> _Lines:
    if not ends:
        return _Lines(np.zeros(1, np.int64), np.ones(1, np.bool_))
    end = np.concatenate(ends)
    if end.size > max_rows + 1:
        raise _too_many_rows(max_rows)
    start = np.concatenate(([0], end[:-1] + 1))
    length = end - start
    blank = (length == 0) | ((length == 1) & (whole[np.minimum(start, whole.size - 1)] == _CR))
    return _Lines(np.concatenate(cells), blank)


def _separators(whole: Bytes, *, quoted: bool) -> Iterator[Places]:
    """Yield, step by step, where commas and line ends stand outside quotes."""
    parity = np.uint8(0)
    for start in range(0, whole.size, _STEP):
        piece = whole[start : start + _STEP]
        found = (piece == _COMMA) | (piece == _LF)
        if quoted:
            quotes = piece == _QUOTE
            inside = np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ parity
            parity = inside[-1]
            _require_sound_quotes(whole, np.flatnonzero(quotes) + start, inside[quotes] == 1)
            found &= inside == 0
        yield np.flatnonzero(found) + start
    if parity:
        raise _stray_quote(whole, int(np.flatnonzero(whole == _QUOTE)[-1]))


def _require_sound_quotes(whole: Bytes, quotes: Places, opening: Flags) -> None:
    """Check that quotes open and close whole cells only; a doubled one closes and opens at once."""
    first, last = quotes[opening], quotes[~opening]
    before = whole[np.maximum(first - 1, 0)]
    wrong = first[~np.isin(before, _MAY_PRECEDE_OPENING) & (first > 0)]
    after = _byte_at(whole, last + 1)
    loose = (after == _CR) & (_byte_at(whole, last + 2) != _LF)
    wrong = np.concatenate((wrong, last[~np.isin(after, _MAY_FOLLOW_CLOSING) | loose]))
    if wrong.size:
        raise _stray_quote(whole, int(wrong.min()))


def _byte_at(whole: Bytes, places: Places) -> Bytes:
    """Return the bytes at ``places``; past the end stands a line end."""
    return np.where(places < whole.size, whole[np.minimum(places, whole.size - 1)], np.uint8(_LF))


def _stray_quote(whole: Bytes, place: int) -> BadRecords:
    line = int((whole[:place] == _LF).sum()) + 1
    return BadRecords(
        f"A quote in line {line} does not open or close a cell.",
        expected='quotes around a whole cell, and "" for a quote within one (RFC 4180)',
        action="Mend the line, or export the file with a program that quotes cells.",
    )


def _too_many_rows(max_rows: int) -> TooLarge:
    return TooLarge(
        f"The file has more than {max_rows} rows.",
        expected=f"at most {max_rows} lines below the header",
        action="Split the records into several reports and push each with a key of its own.",
    )


def _unreadable() -> BadRecords:
    return BadRecords(
        "The records cannot be split into rows and cells.",
        expected="CSV by RFC 4180: commas, and quotes around cells that hold commas, quotes or line ends",
        action="Export the file again with a program that writes CSV.",
    )
