"""Results as tables for people and as JSON for scripts; progress where somebody watches."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import click

from hub.cli.catalogue import say
from hub.cli.session import Session
from hub.cli.text import columns, printable

Row: TypeAlias = Mapping[str, Any]
Tick: TypeAlias = Callable[[int], None]


def show_rows(session: Session, rows: Sequence[Row], headings: Mapping[str, str], *, empty: str) -> None:
    """Show rows: those keys that ``headings`` names as a table, all of them as JSON."""
    if session.json:
        write_json([plain(row) for row in rows])
    elif not rows:
        click.echo(say(empty))
    elif sys.stdout.isatty():
        _rich_table(rows, headings)
    else:
        cells = [[text_of(row.get(key)) for key in headings] for row in rows]
        click.echo(columns([[say(heading) for heading in headings.values()], *cells]))


def show_facts(session: Session, facts: Row, labels: Mapping[str, str]) -> None:
    """Show one thing: label and value a line, or JSON."""
    if session.json:
        write_json(plain(facts))
    else:
        click.echo(columns([[say(label), text_of(facts.get(key))] for key, label in labels.items()]))


def report_done(session: Session, message: str, /, facts: Row | None = None, **values: object) -> None:
    """Say that something was done, with the ids a script needs next."""
    if session.json:
        write_json({"done": True, **plain(facts or {})})
    else:
        click.echo(printable(say(message, **values)))


def write_json(document: object) -> None:
    """Write a document to standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=1))


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has many types
    """Return a value as JSON can say it.

    Raises:
        TypeError: JSON cannot; a defect of the caller.
    """
    shown: Any = value
    match value:
        case Enum():
            shown = plain(value.value)
        case UUID() | Path():
            shown = str(value)
        case datetime():
            shown = value.isoformat()
        case Mapping():
            shown = {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            shown = [plain(one) for one in value]
        case None | bool() | int() | float() | str():
            pass
        case _ if dataclasses.is_dataclass(value):
            shown = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} cannot be shown as JSON")
    return shown


def text_of(value: object) -> str:
    """Return a value as a person reads it; times in this machine's zone."""
    shown = str(value)
    match value:
        case None | "" | () | []:
            shown = "-"
        case bool():
            shown = say("yes") if value else say("no")
        case datetime():
            shown = value.astimezone().isoformat(" ", "seconds")
        case float():
            shown = f"{value:,.1f}"
        case int():
            shown = f"{value:,}"
        case Enum():
            shown = str(value.value)
        case Mapping():
            shown = ", ".join(f"{key}: {text_of(one)}" for key, one in value.items()) or "-"
        case list() | tuple() | set() | frozenset():
            shown = ", ".join(map(text_of, value))
    return printable(shown)


@contextmanager
def progress(session: Session, label: str, total: int | None = None) -> Iterator[Tick]:
    """Give a function to tell how much is done; shown on standard error where that is a terminal."""
    if session.json or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    shown = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    counted = (*shown, MofNCompleteColumn()) if total is not None else shown
    with Progress(*counted, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(say(label), total=total)
        yield lambda done: display.update(task, completed=done)


def _rich_table(rows: Sequence[Row], headings: Mapping[str, str]) -> None:
    from rich import box  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for key, heading in headings.items():
        ids = all(isinstance(row.get(key), UUID) for row in rows)
        numbers = all(isinstance(row.get(key), int) for row in rows)
        table.add_column(say(heading), no_wrap=ids, overflow="fold", justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*(Text(text_of(row.get(key))) for key in headings))
    Console(no_color="NO_COLOR" in os.environ).print(table)
