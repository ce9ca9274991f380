"""The command ``kessetsu``: set up and run a hub, keep its directory, decide, look after it."""

import os
import sys
from collections.abc import Sequence

import click

from hub.cli import failures, holdings, instances, members, oversight, prefixes, programs, reports, tokens
from hub.cli.catalogue import VOICE, language_of, say
from hub.cli.session import Session
from hub.cli.speaking import Formatter, Group, usage_text
from hub.errors import KessetsuError


class Main(Group):
    """The outermost group; its help says what the exit codes mean as well."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and exit codes."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in failures.MEANINGS.items()])


@click.group(
    cls=Main,
    help="""Run a hub of Kessetsu, the joint through which carriers share who attacks and from whose network.

    For the people who operate it: set up an instance, run it, keep its directory of members and networks, decide
    what waits for an officer, and look after deadlines and the log. Members use `kessetsu-client`.""",
    examples=(
        "kessetsu init --home /srv/kessetsu",
        "export KESSETSU_CONFIG=/srv/kessetsu/kessetsu.toml",
        "kessetsu up",
        'kessetsu member add "Example Net" --name-ja エグザンプルネット --kind carrier',
        "kessetsu status",
    ),
)
@click.version_option(package_name="kessetsu", prog_name="kessetsu", help="Show the version and exit.")
def cli() -> None:
    """Hold the commands together."""


for module in (instances, programs, members, holdings, prefixes, tokens, reports, oversight):
    for command in module.COMMANDS:
        cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given, Session(prepare=_prepare)))


def run(arguments: list[str], session: Session) -> int:
    """Run one command line and return its exit code."""
    VOICE.language = language_of(arguments, os.environ)
    try:
        cli.main(arguments, prog_name="kessetsu", standalone_mode=False, obj=session)
    except Exception as error:  # noqa: BLE001 - what is none of ours must not be printed: it may hold an address
        return _tell(error, session)
    except KeyboardInterrupt:
        return _tell(click.Abort(), session)
    return failures.OK


def _tell(error: Exception, session: Session) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            code = failures.USAGE
        case click.UsageError():
            code = _tell_usage(error)
        case click.Abort():
            click.echo(say("Interrupted; what was not finished was not done."), err=True)
            code = failures.INTERRUPTED
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has gone; the work was done
            code = failures.OK
        case KessetsuError() | OSError():
            code = failures.tell(error, as_json=session.json)
        case _:
            code = _tell_defect(error)
    return code


def _prepare(program: str) -> None:
    from hub.logs import configure, forbid_core_dumps  # noqa: PLC0415 - help need not pay for it

    forbid_core_dumps()
    configure(program)


def _tell_usage(error: click.UsageError) -> int:
    click.echo(say("Error: {headline}", headline=usage_text(error)), err=True)
    if error.ctx is not None:
        formatter = Formatter()
        formatter.write_usage(error.ctx.command_path, " ".join(error.ctx.command.collect_usage_pieces(error.ctx)))
        click.echo(formatter.getvalue().rstrip(), err=True)
        click.echo(say("See {command} --help.", command=error.ctx.command_path), err=True)
    return failures.USAGE


def _tell_defect(error: Exception) -> int:
    import structlog  # noqa: PLC0415 - as above

    structlog.get_logger().critical("uncaught-error", exc_info=error)
    click.echo(say("This should not happen. Please report it with the line above; no value stands in it."), err=True)
    return failures.REFUSED


if __name__ == "__main__":
    main()
