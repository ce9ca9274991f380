"""click's help and usage messages in the chosen language, laid out for wide characters, with examples."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from kessetsu_client.cli.catalogue import LANGUAGES, VOICE, say
from kessetsu_client.cli.layout import pad, width, wrap
from kessetsu_client.cli.session import session_of

_EXTRA = re.compile(r"^(?P<help>.*?)(?:  \[(?P<extra>[^\]]*)\])?$", re.DOTALL)
_DEFAULT = re.compile(r"^default: (?P<value>.*)$")


class Formatter(click.HelpFormatter):
    """Writes help in the chosen language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, prefix or f"{say('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(say(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        indent = " " * self.current_indent
        paragraphs = (VOICE.explain(" ".join(paragraph.split())) for paragraph in text.split("\n\n"))
        blocks = (wrap(paragraph, self.width - self.current_indent) for paragraph in paragraphs)
        self.write("\n\n".join("\n".join(indent + line for line in block) for block in blocks) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and what they mean in two columns."""
        listed = list(rows)
        first = min(max(width(term) for term, _ in listed), col_max) + col_spacing
        indent = " " * self.current_indent
        for term, meaning in listed:
            lines = wrap(_meaning(meaning), max(self.width - first - self.current_indent, 20))
            if width(term) + col_spacing > first:
                self.write(f"{indent}{term}\n")
                term = ""  # noqa: PLW2901 - the first column is spent
            self.write(f"{indent}{pad(term, first)}{lines[0]}".rstrip() + "\n")
            for line in lines[1:]:
                self.write(f"{indent}{' ' * first}{line}\n")


def _meaning(text: str) -> str:
    match = _EXTRA.match(text)
    if match is None or match["extra"] is None:
        return VOICE.explain(text)
    extras = "; ".join(map(_extra, match["extra"].split("; ")))
    return f"{VOICE.explain(match['help'])}  [{extras}]"


def _extra(text: str) -> str:
    default = _DEFAULT.match(text)
    return say("default: {value}", value=default["value"]) if default else say(text)


class Context(click.Context):
    """A context that writes help by :class:`Formatter`."""

    formatter_class = Formatter


class Command(click.Command):
    """A command with examples, that takes ``--json`` and ``--lang`` at its own end too."""

    context_class = Context

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Add ``examples``, shown at the end of the help."""
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(everywhere())

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - the table wraps, nothing is cut
        """Return the first sentence of the help."""
        return VOICE.explain(first_paragraph(self.help))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of such commands."""

    context_class = Context
    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Add ``examples``, shown at the end of the help."""
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(everywhere())

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - the table wraps, nothing is cut
        """Return the first sentence of the help."""
        return VOICE.explain(first_paragraph(self.help))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


Group.group_class = Group


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a help text in one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write commands as they are typed, unbroken."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                for line in example.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def everywhere() -> list[click.Option]:
    """Return the options that every command takes."""
    return [
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_json, help="Write JSON, for scripts."),
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help="Language of messages; otherwise by LC_ALL, LC_MESSAGES or LANG.",
        ),
        click.Option(["--token"], hidden=True, expose_value=False, callback=_refuse_token, is_eager=True),
    ]


def _json(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own order
    if value:
        session_of(ctx).json = True


def _refuse_token(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            say(
                "A token on the command line can be read by others on this machine. Put it into a file of mode 0600 "
                "and set KESSETSU_TOKEN_FILE to its path."
            ),
            ctx,
        )


_USAGE: dict[type[click.UsageError], Callable[[Any], str]] = {
    click.MissingParameter: lambda error: say("missing: {what}", what=_hint(error)),
    click.NoSuchOption: lambda error: say("there is no option {name}", name=error.option_name),
    click.exceptions.NoSuchCommand: lambda error: say("there is no command {name}", name=error.command_name),
    click.BadParameter: lambda error: say("{what} cannot be used: {why}", what=_hint(error), why=error.message),
}


def usage_text(error: click.UsageError) -> str:
    """Say what was wrong with the command line."""
    for kind, text in _USAGE.items():
        if VOICE.language != "en" and isinstance(error, kind):
            return text(error)
    return error.format_message()


def _hint(error: click.BadParameter) -> str:
    hint = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param else "")
    return hint if isinstance(hint, str) else " / ".join(hint)
