"""Errors told to people and to scripts, and the exit code of each."""

import json
from collections.abc import Iterator
from typing import Final

import click

from kessetsu_client import errors
from kessetsu_client.cli.catalogue import say
from kessetsu_client.cli.layout import printable
from kessetsu_client.decoding import to_json

OK: Final = 0
LOCAL: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
DENIED: Final = 4
ABSENT: Final = 5
UNAVAILABLE: Final = 6
SOME_ROWS_REFUSED: Final = 7
INTERRUPTED: Final = 130

MEANINGS: Final = {
    OK: "Done.",
    LOCAL: "Something failed on this machine: a full disk, a file that changed.",
    USAGE: "The command line or the settings are wrong.",
    REFUSED: "The hub refused the content; mend it.",
    DENIED: "The token is not valid, or does not allow this.",
    ABSENT: "Not found, erased or recalled.",
    UNAVAILABLE: "The hub cannot be reached or cannot do it now; repeat later.",
    SOME_ROWS_REFUSED: "The report was taken, some of its rows were refused.",
}

_TOLD: Final[tuple[tuple[type[errors.ClientError], int, str], ...]] = (
    (errors.TooLarge, REFUSED, "The report is too large."),
    (errors.BadInput, REFUSED, "The hub refused the content."),
    (errors.Conflict, REFUSED, "It contradicts what the hub has stored."),
    (errors.NotAuthenticated, DENIED, "The token is not valid."),
    (errors.NotPermitted, DENIED, "This is not permitted."),
    (errors.NotFound, ABSENT, "There is no such thing, or not for you."),
    (errors.Gone, ABSENT, "It was erased or recalled."),
    (errors.ConnectionFailed, UNAVAILABLE, "The hub cannot be reached."),
    (errors.UnreadableAnswer, UNAVAILABLE, "What answered is not a hub."),
    (errors.HubError, UNAVAILABLE, "The hub cannot do it now."),
    (errors.BadConfiguration, USAGE, "The settings are not usable."),
    (errors.BadArgument, USAGE, "A value is not usable."),
    (errors.FileExists, USAGE, "The destination cannot be written."),
    (errors.JournalDamaged, LOCAL, "The journal of unfinished work is damaged."),
    (errors.FileChanged, LOCAL, "The file changed."),
    (errors.ReceiptNotSaved, LOCAL, "The hub took the report, but its receipt could not be kept."),
)


def tell(error: errors.ClientError | OSError, *, as_json: bool) -> int:
    """Write what went wrong to stderr and return the exit code."""
    code, headline = _place(error)
    if as_json:
        click.echo(json.dumps(_document(error, code), ensure_ascii=False), err=True)
    else:
        click.echo("\n".join([say("Error: {headline}", headline=say(headline)), *_lines(error)]), err=True)
    return code


def _place(error: errors.ClientError | OSError) -> tuple[int, str]:
    for kind, code, headline in _TOLD:
        if isinstance(error, kind):
            return code, headline
    return LOCAL, "Something failed on this machine."


def _document(error: errors.ClientError | OSError, code: int) -> object:
    problem: object = {"title": str(error), "action": getattr(error, "action", None)}
    if isinstance(error, errors.HubError):
        problem = to_json(error.problem)
    return {"error": type(error).__name__, "exit_code": code, "problem": problem}


def _lines(error: errors.ClientError | OSError) -> Iterator[str]:
    yield f"  {printable(str(error))}"
    if isinstance(error, errors.HubError):
        yield from _labelled("expected", error.expected)
        yield from _labelled("got", error.got)
        yield from map(_fault, error.errors)
    yield from _labelled("what to do", getattr(error, "action", None))
    if isinstance(error, errors.HubError):
        if error.retry_after is not None:
            yield from _labelled("try again in", f"{error.retry_after:.0f} s")
        yield from _labelled("request", error.request_id)


def _labelled(label: str, text: str | None) -> Iterator[str]:
    if text:
        yield f"  {say(label)}: {printable(text)}"


def _fault(fault: errors.Fault) -> str:
    said = [f"{say('expected')}: {fault.expected}"] if fault.expected else []
    said += [f"{say('got')}: {fault.got}"] if fault.got else []
    return printable(f"  - {fault.where}: {fault.code}" + (f" ({'; '.join(said)})" if said else ""))
