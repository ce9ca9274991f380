"""Errors told to people and to scripts, and the exit code of each."""

import json
from collections.abc import Iterator
from typing import Final

import click

from hub.cli.catalogue import say
from hub.cli.text import padded, printable, width
from hub.errors import (
    BadInput,
    Conflict,
    Fault,
    Gone,
    KessetsuError,
    KeyDestroyed,
    KeyServiceDown,
    NotFound,
    NotPermitted,
    StorageFull,
    Unavailable,
)

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130

MEANINGS: Final = {
    OK: "Done.",
    REFUSED: "Refused: nothing was changed; the message says what to mend.",
    USAGE: "The command line is wrong.",
    UNAVAILABLE: "Something the hub needs does not answer, or a check found a fault.",
}


class CheckFailed(Unavailable):
    """A check found a fault; what it found has been shown already."""

    code = "check-failed"


_HEADLINES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (CheckFailed, "A check found a fault."),
    (StorageFull, "There is no room."),
    (KeyServiceDown, "The key store cannot be used."),
    (Unavailable, "It cannot be done now."),
    (NotFound, "It is not there."),
    (Conflict, "It contradicts what is there."),
    (BadInput, "What was given cannot be used."),
    (NotPermitted, "It is not permitted."),
    (Gone, "It was erased or recalled."),
    (KeyDestroyed, "It was erased or recalled."),
    (OSError, "This machine cannot do it."),
)


def tell(error: KessetsuError | OSError, *, as_json: bool) -> int:
    """Write what went wrong to standard error and return the exit code."""
    code = UNAVAILABLE if isinstance(error, Unavailable) else REFUSED
    if as_json:
        click.echo(json.dumps(_document(error, code), ensure_ascii=False, indent=1), err=True)
    else:
        headline = next((line for kind, line in _HEADLINES if isinstance(error, kind)), "It is refused.")
        click.echo(say("Error: {headline}", headline=say(headline)), err=True)
        for line in _lines(error):
            click.echo(f"  {line}", err=True)
    return code


def _document(error: KessetsuError | OSError, code: int) -> dict[str, object]:
    if isinstance(error, OSError):
        return {"error": "os-error", "exit_code": code, "message": str(error)}
    return {
        "error": error.code,
        "exit_code": code,
        "message": error.message,
        "got": error.got,
        "expected": error.expected,
        "action": error.action,
        "faults": [
            {"where": fault.where, "code": fault.code, "expected": fault.expected, "got": fault.got}
            for fault in error.faults
        ],
    }


def _lines(error: KessetsuError | OSError) -> Iterator[str]:
    if isinstance(error, OSError):
        yield printable(str(error))
        return
    yield printable(say(error.message))
    said = {"got": error.got, "expected": error.expected, "what to do": error.action}
    labels = {label: say(label) for label in said}
    columns = max(map(width, labels.values()))
    for label, text in said.items():
        if text:
            yield f"{padded(labels[label], columns)}  {printable(say(text))}"
    yield from map(_fault, error.faults)


def _fault(fault: Fault) -> str:
    got = "" if fault.got is None else f" ({say('got')}: {fault.got})"
    return printable(f"- {fault.where}: {say(fault.expected)}{got}")
