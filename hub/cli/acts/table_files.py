"""CSV files of members and holdings, as an operator keeps them in a spreadsheet: all of a file is taken, or nothing."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from hub.cli.acts import holdings, members
from hub.cli.catalogue import say
from hub.errors import BadInput, Conflict, Fault, NotFound
from hub.members.holdings import Prefix
from hub.vocabulary import CapacityKind

MOST_LINES: Final = 100_000
_MOST_FAULTS: Final = 20
"""So many faults are shown; one is enough to refuse the file."""
_YES: Final = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """One line of a file of holdings."""

    member: str
    prefix: Prefix | None
    asn: int | None
    valid_from: datetime
    valid_to: datetime | None
    shared: bool


class Faults:
    """Collects what is wrong in a file by line, so that all of it can be mended at once."""

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        self._found: list[Fault] = []

    @contextmanager
    def at(self, line: int) -> Iterator[None]:
        """Note what is refused within instead of raising it."""
        try:
            yield
        except (BadInput, Conflict, NotFound) as error:
            expected = " ".join(filter(None, [error.message, error.expected]))
            self._found.append(Fault(say("line {line}", line=line), error.code, expected, error.got))

    def refuse(self, path: Path) -> None:
        """Refuse the file if anything is wrong in it.

        Raises:
            BadInput: it is; with the first faults.
        """
        if self._found:
            raise BadInput(
                say("{count} lines cannot be taken; nothing was.", count=len(self._found)),
                got=str(path),
                action=say("Mend these lines and import the file again."),
                faults=self._found[:_MOST_FAULTS],
            )


def read_members(path: Path) -> list[tuple[int, members.NewMember]]:
    """Return the members a file names, by line.

    Columns: ``name``, ``kind`` (several with blanks between), and, where wanted, ``name_ja``, ``country``,
    ``language``, ``agreement`` (DOCUMENT:VERSION), ``accepted_by``.

    Raises:
        BadInput: not such a file, or any line is wrong.
    """
    optional = ("name_ja", "country", "language", "agreement", "accepted_by")
    return _read(path, ("name", "kind"), optional, _new_member)


def read_holdings(path: Path) -> list[tuple[int, HoldingLine]]:
    """Return the holdings a file names, by line.

    Columns: ``member`` (name or id), ``valid_from``, ``prefix`` or ``asn`` or both (one of them filled in each
    line), and, where wanted, ``valid_to`` and ``shared``.

    Raises:
        BadInput: not such a file, or any line is wrong.
    """
    return _read(path, ("member", "valid_from"), ("prefix", "asn", "valid_to", "shared"), _holding_line)


def _read(
    path: Path, required: Sequence[str], optional: Sequence[str], parse: Callable[[dict[str, str]], _Row]
) -> list[tuple[int, _Row]]:
    reader = csv.DictReader(io.StringIO(_text(path)), restkey="", restval="")
    _refuse_columns(path, list(reader.fieldnames or ()), required, optional)
    faults, rows = Faults(), []
    for cells in reader:
        with faults.at(reader.line_num):
            if "" in cells:
                raise BadInput(say("It has more cells than columns."))
            rows.append((reader.line_num, parse({name: (value or "").strip() for name, value in cells.items()})))
    faults.refuse(path)
    if not 0 < len(rows) <= MOST_LINES:
        raise BadInput(say("The file has {count} lines.", count=len(rows)), expected=f"1 to {MOST_LINES:,}")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(
            say("The file is not UTF-8 text."),
            got=str(path),
            expected=say("CSV in UTF-8"),
            action=say("Save it again as CSV UTF-8."),
        ) from None


def _refuse_columns(path: Path, given: list[str], required: Sequence[str], optional: Sequence[str]) -> None:
    known = {*required, *optional}
    if len(given) == len(set(given)) and set(required) <= set(given) <= known:
        return
    raise BadInput(
        say("The columns are others."),
        got=", ".join(given) or str(path),
        expected=f"{', '.join(required)} [, {', '.join(optional)}]",
        action=say("Write these names into the first line."),
    )


def _new_member(cells: dict[str, str]) -> members.NewMember:
    new = members.NewMember(
        name=cells["name"],
        name_ja=cells.get("name_ja") or None,
        country=cells.get("country") or "JP",
        language=cells.get("language") or "ja",
        kinds=tuple(map(_kind, cells["kind"].split())),
        agreement=members.agreement_of(cells["agreement"]) if cells.get("agreement") else None,
        accepted_by=cells.get("accepted_by") or None,
    )
    if not new.kinds:
        raise BadInput(say("The kind is missing."), expected=", ".join(CapacityKind))
    members.refuse_bad_member(new)
    return new


def _kind(word: str) -> CapacityKind:
    try:
        return CapacityKind(word)
    except ValueError:
        raise BadInput(say("The kind is unknown."), got=word, expected=", ".join(CapacityKind)) from None


def _holding_line(cells: dict[str, str]) -> HoldingLine:
    asn = cells.get("asn", "").upper().removeprefix("AS")
    if asn and not (asn.isascii() and asn.isdigit()):
        raise BadInput(say("The AS number cannot be used."), got=cells["asn"], expected="1 to 4294967295")
    prefix, number = holdings.network_of(cells.get("prefix") or None, int(asn) if asn else None)
    valid_from = _instant(cells["valid_from"])
    valid_to = _instant(cells["valid_to"]) if cells.get("valid_to") else None
    holdings.refuse_bad_dates(valid_from, valid_to)
    shared = _YES.get(cells.get("shared", "").lower())
    if shared is None:
        raise BadInput(say("Shared is said by yes or no."), got=cells["shared"], expected="yes, no")
    return HoldingLine(cells["member"], prefix, number, valid_from, valid_to, shared)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadInput(
            say("The time cannot be used."),
            got=text,
            expected=say("a time with its zone, as 2026-04-01T00:00:00+09:00"),
        )
    return instant
