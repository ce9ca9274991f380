"""Text on a terminal: widths as they appear, where a Japanese character takes two columns."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

NEVER_FIRST: Final = "、。，．・：；？！）」』】〉》ー々っゃゅょッャュョ),."  # noqa: RUF001 - full-width marks are meant
"""Characters that do not begin a line (JIS X 4051, in short)."""
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
_PIECE = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+|\s+")


def width(text: str) -> int:
    """Count terminal columns."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def pad(text: str, columns: int) -> str:
    """Fill with spaces up to ``columns``."""
    return text + " " * (columns - width(text))


def wrap(text: str, columns: int) -> list[str]:
    """Break one paragraph into lines: between words, and between Japanese characters."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and width(line) + width(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.rstrip() or not lines else lines


def _pieces(text: str) -> Iterator[str]:
    """Yield what must stay together: a word, or a character with the punctuation that may not begin a line."""
    held = ""
    for piece in _PIECE.findall(" ".join(text.split())):
        if held and piece[0] not in NEVER_FIRST:
            yield held
            held = ""
        held += piece
    if held:
        yield held


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns under headings."""
    cells = [list(headings), *(list(map(printable, row)) for row in rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(pad, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def pairs(items: Sequence[tuple[str, str]]) -> str:
    """Lay out labels and values, one pair a line."""
    columns = max(width(label) for label, _ in items)
    return "\n".join(f"{pad(label, columns)}  {printable(value)}" for label, value in items)


def printable(text: str) -> str:
    """Replace what could steer a terminal; the text may come from anybody."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
