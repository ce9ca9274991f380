"""The command ``kessetsu-client``."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kessetsu_client import VERSION
from kessetsu_client.cli import account, failures, inbox, push, reports
from kessetsu_client.cli.catalogue import VOICE, language_of, say
from kessetsu_client.cli.session import Session, pass_session
from kessetsu_client.cli.speaking import Formatter, Group, usage_text
from kessetsu_client.errors import ClientError


class Main(Group):
    """The outermost group: its help also says what the exit codes mean."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and exit codes."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in failures.MEANINGS.items()])


@click.group(
    cls=Main,
    help="""Share who attacks, from whose network: the Kessetsu hub's command line for members.

    The hub's address and the token file come from KESSETSU_URL, KESSETSU_TOKEN_FILE and KESSETSU_CA_FILE, or from
    ~/.config/kessetsu/client.toml with the keys url, token_file, ca_file and receipts.""",
    examples=(
        "export KESSETSU_URL=https://hub.example.jp/ KESSETSU_TOKEN_FILE=~/.config/kessetsu/token",
        "kessetsu-client me",
        "kessetsu-client inbox list --state released",
        "kessetsu-client push --help",
    ),
)
@click.option("--url", metavar="URL", help="Address of the hub.")
@click.option("--token-file", metavar="FILE", help="File of mode 0600 that holds the token.")
@click.option("--ca-file", metavar="FILE", help="Certificates to trust instead of the public ones (PEM).")
@click.option("--config", "settings_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings file.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to go on trying when the hub cannot be reached.",
)
@click.version_option(VERSION, help="Show the version and exit.")
@pass_session
def cli(session: Session, /, patience: float, settings_file: Path | None, **given: str | None) -> None:
    """Take the options that concern every command."""
    session.patience = patience
    session.settings_file = settings_file
    session.given = given


for command in (push.push, *inbox.COMMANDS, *reports.COMMANDS, *account.COMMANDS):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    VOICE.language = language_of(arguments, os.environ)
    session = Session()
    try:
        return cli.main(arguments, prog_name="kessetsu-client", standalone_mode=False, obj=session) or failures.OK
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return failures.USAGE
    except click.UsageError as error:
        return _tell_usage(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo(say("Interrupted. Repeat the command to go on."), err=True)
        return failures.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; what was asked was done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failures.LOCAL
    except (ClientError, OSError) as error:
        return failures.tell(error, as_json=session.json)


def _tell_usage(error: click.UsageError) -> int:
    click.echo(say("Error: {headline}", headline=usage_text(error)), err=True)
    if error.ctx is not None:
        formatter = Formatter()
        error.ctx.command.format_usage(error.ctx, formatter)
        click.echo(formatter.getvalue().rstrip(), err=True)
        click.echo(say("See {command} --help.", command=error.ctx.command_path), err=True)
    return failures.USAGE


if __name__ == "__main__":
    main()
