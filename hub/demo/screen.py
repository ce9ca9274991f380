"""What the demo shows: steps, progress, tables and checks; plain lines where nobody watches a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hub.demo.texts import say

Tick: TypeAlias = Callable[[float], None]
"""Told how much of the whole is done."""

_PLAIN_WIDTH = 118
_INDENT = (0, 0, 0, 3)


class Screen:
    """Writes to a console, one step after another."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``, by default standard output."""
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _PLAIN_WIDTH
        self._step = 0

    def title(self, text: str, under: str) -> None:
        """Begin."""
        self.console.print(Text(text, style="bold"))
        self.console.print(Text(under, style="dim"))

    def step(self, what: str, why: str) -> None:
        """Begin a step: what happens, and in one line why it may."""
        self._step += 1
        self.console.print()
        self.console.print(Text(f"{self._step}  {what}", style="bold cyan"))
        self.console.print(Padding(Text(why, style="dim"), _INDENT, expand=False))

    def line(self, text: str) -> None:
        """Say something."""
        self.console.print(Padding(Text(text), _INDENT, expand=False))

    def command(self, text: str) -> None:
        """Show a command as it is run."""
        self.console.print(Text(f"   $ {text}", style="green"), soft_wrap=True)

    def check(self, well: bool, text: str) -> bool:  # noqa: FBT001 - reads as a sentence at every call
        """Show whether something promised is so; returns it."""
        mark = ("✓", "green") if well else ("✗", "bold red")
        self.console.print(Padding(Text(*mark) + Text(f" {text}", style="default"), _INDENT, expand=False))
        return well

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show rows; numbers to the right."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=True)
        for place, heading in enumerate(headings):
            numbers = all(isinstance(row[place], int | None) for row in rows)
            table.add_column(heading, justify="right" if numbers else "left", overflow="ellipsis", no_wrap=place == 0)
        for row in rows:
            table.add_row(*(Text(_cell(value)) for value in row))
        self.console.print()
        self.console.print(table)

    @contextmanager
    def progress(self, label: str, total: float | None = None) -> Iterator[Tick]:
        """Give a function to tell how much is done; shows a bar, then one line with the time it took."""
        began = time.monotonic()
        if self.console.is_terminal:
            shown = (
                TextColumn("   {task.description}"),
                BarColumn(bar_width=40),
                TaskProgressColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*shown, console=self.console, transient=True) as display:
                task = display.add_task(escape(label), total=total)
                yield lambda done: display.update(task, completed=done)
        else:
            yield lambda _done: None
        self.line(say("{what}: {seconds:.1f} s", what=label, seconds=time.monotonic() - began))


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)  # noqa: RUF001 - a dash for nothing
