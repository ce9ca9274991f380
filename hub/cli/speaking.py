"""click's commands and groups, speaking the chosen language and ending their help with examples."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from hub.cli.catalogue import LANGUAGES, VOICE, say
from hub.cli.session import session_of
from hub.cli.text import padded, width, wrapped

_DEFAULT: Final = re.compile(r"default: (.*)")
_EXTRAS: Final = re.compile(r"(.*?)(?:  \[([^\]]*)\])?", re.DOTALL)
_TERM_COLUMNS: Final = 32


class Formatter(click.HelpFormatter):
    """Writes help in the chosen language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how to call it."""
        super().write_usage(prog, args, prefix or say("Usage:") + " ")

    def write_heading(self, heading: str) -> None:
        """Write what a section is about."""
        super().write_heading(say(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            self.write("\n" if number else "")
            for line in wrapped(VOICE.explain(_one_line(paragraph)), self.width - self.current_indent):
                self.write(f"{indent}{line}\n")

    def write_dl(
        self, rows: Sequence[tuple[str, str]] | Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write terms with their meaning beside them, or below where the term is long."""
        listed = list(rows)
        first = min(max(width(term) for term, _ in listed), max(col_max, _TERM_COLUMNS)) + col_spacing
        indent = " " * self.current_indent
        for term, meaning in listed:
            lines = wrapped(_meaning(meaning), self.width - self.current_indent - first)
            if width(term) + col_spacing > first:
                self.write(f"{indent}{term}\n{indent}{' ' * first}{lines[0]}\n")
            else:
                self.write(f"{indent}{padded(term, first)}{lines[0]}".rstrip() + "\n")
            self.write("".join(f"{indent}{' ' * first}{line}\n" for line in lines[1:]))


class Context(click.Context):
    """A context whose help is written by :class:`Formatter`."""

    formatter_class = Formatter


class Command(click.Command):
    """A command with examples; takes ``--config``, ``--json`` and ``--lang``."""

    context_class = Context

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own
        examples: Sequence[str] = (),
        program: str = "operator",
        **kwargs: Any,  # noqa: ANN401 - click's own
    ) -> None:
        """Show ``examples`` at the end of the help; log as ``program``."""
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.program = program
        self.params.extend(common_options())

    def invoke(self, ctx: click.Context) -> object:
        """Make the process safe for secrets, then do the work."""
        session_of(ctx).prepare(self.program)
        return super().invoke(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - the table wraps; nothing is cut off
        """Return the first paragraph of the help."""
        return VOICE.explain(_first_paragraph(self.help))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the examples."""
        write_examples(self.examples, formatter)


class Group(click.Group):
    """A group of such commands."""

    context_class = Context
    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Show ``examples`` at the end of the help."""
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(common_options())

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - the table wraps; nothing is cut off
        """Return the first paragraph of the help."""
        return VOICE.explain(_first_paragraph(self.help))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own order of arguments
        """Return the commands in the order they were added, which is that of work."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the examples."""
        write_examples(self.examples, formatter)


Group.group_class = Group


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write commands as they are typed; a line is never broken."""
    if not examples:
        return
    with formatter.section("Examples"):
        for line in "\n".join(examples).splitlines():
            formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def common_options() -> list[click.Option]:
    """Return the options every command takes, wherever on the line they stand."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_keep("config"),
            help="Settings file; otherwise KESSETSU_CONFIG, otherwise kessetsu.toml in the current directory.",
        ),
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_keep("json"), help="Write JSON, for scripts."
        ),
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help="Language of messages; otherwise by LC_ALL and LANG.",
        ),
    ]


def _keep(name: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def keep(ctx: click.Context, _: click.Parameter, value: object) -> None:
        if value:
            setattr(session_of(ctx), name, value)

    return keep


def _one_line(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _first_paragraph(text: str | None) -> str:
    return _one_line((text or "").split("\n\n", maxsplit=1)[0])


def _meaning(text: str) -> str:
    match = _EXTRAS.fullmatch(text)
    if match is None or match[2] is None:
        return VOICE.explain(text)
    extras = [
        say("default: {value}", value=default[1]) if (default := _DEFAULT.fullmatch(extra)) else say(extra)
        for extra in match[2].split("; ")
    ]
    return f"{VOICE.explain(match[1])} [{', '.join(extras)}]"


def usage_text(error: click.UsageError) -> str:
    """Say what is wrong with the command line."""
    if VOICE.language == "en":
        return error.format_message()
    match error:
        case click.MissingParameter():
            return say("missing: {what}", what=_hint(error))
        case click.NoSuchOption():
            return say("there is no option {name}", name=error.option_name)
        case click.exceptions.NoSuchCommand():
            return say("there is no command {name}", name=error.command_name)
        case click.BadParameter():
            return say("{what} cannot be used: {why}", what=_hint(error), why=error.message)
    return error.format_message()


def _hint(error: click.BadParameter) -> str:
    hint = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param and error.ctx else "")
    return hint if isinstance(hint, str) else " / ".join(hint)
