"""Text in terminal columns, where a Japanese character takes two."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_WIDE_RANGES: Final = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_PART: Final = re.compile(rf"\s+|[{_WIDE_RANGES}]|[^\s{_WIDE_RANGES}]+")
_NO_LINE_BEGINS_WITH: Final = frozenset("、。・」）〕：；？！ー)].,;:")  # noqa: RUF001 - the full-width marks are meant


def width(text: str) -> int:
    """Return how many columns ``text`` takes."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def padded(text: str, columns: int) -> str:
    """Return ``text`` filled with blanks to ``columns``."""
    return text + " " * max(columns - width(text), 0)


def wrapped(text: str, columns: int) -> list[str]:
    """Break a paragraph into lines: between words, and between Japanese characters where that is allowed."""
    lines = [""]
    for part in _PART.findall(" ".join(text.split())):
        fits = width(lines[-1]) + width(part.rstrip()) <= columns
        if not lines[-1] or fits or part[0] in _NO_LINE_BEGINS_WITH:
            lines[-1] = (lines[-1] + part) if lines[-1] else part.lstrip()
        else:
            lines.append(part.lstrip())
    return [line.rstrip() for line in lines]


def printable(text: str) -> str:
    """Replace what could steer a terminal: names come from files and from members."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def columns(rows: Sequence[Sequence[str]], *, gap: int = 2) -> str:
    """Lay out rows of cells in columns, one row a line."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        (" " * gap).join(padded(cell, wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows
    )
