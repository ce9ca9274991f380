"""What the commands of one run share: settings given, how to write, and the client, made when needed."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

import click

from kessetsu_client.cli.catalogue import say
from kessetsu_client.cli.layout import printable
from kessetsu_client.decoding import to_json
from kessetsu_client.errors import HubError

if TYPE_CHECKING:
    from kessetsu_client.client import Client
    from kessetsu_client.settings import Settings


@dataclass
class Session:
    """One run of the command line."""

    json: bool = False
    given: dict[str, str | None] = field(default_factory=dict)
    settings_file: Path | None = None
    patience: float = 120.0
    announce: Callable[[str], None] = field(default_factory=lambda: partial(click.echo, err=True))
    """Tells a person what goes on; a progress bar takes it over while it is shown."""

    def settings(self) -> "Settings":
        """Gather the settings in force."""
        from kessetsu_client.settings import load_settings  # noqa: PLC0415 - --help need not pay for it

        return load_settings(file=self.settings_file, given=self.given)

    def client(self) -> "Client":
        """Make the client."""
        # httpx imports a command line of its own where it can, which costs as much again; None stops that.
        sys.modules.setdefault("httpx._main", cast("ModuleType", None))
        from kessetsu_client.client import Client  # noqa: PLC0415 - httpx costs more than all of --help
        from kessetsu_client.retrying import Patience  # noqa: PLC0415 - as above

        return Client.from_settings(self.settings(), patience=Patience(self.patience, on_wait=self._tell_waiting))

    def _tell_waiting(self, error: HubError, seconds: float) -> None:
        self.announce(say("{reason} Trying again in {seconds:.0f} s.", reason=printable(str(error)), seconds=seconds))

    def write(self, value: object, human: Callable[[], str]) -> None:
        """Write a result: as JSON, or as ``human`` lays it out."""
        click.echo(json.dumps(to_json(value), ensure_ascii=False, indent=1) if self.json else human())


def session_of(ctx: click.Context) -> Session:
    """Return the session that a context belongs to."""
    return ctx.ensure_object(Session)


pass_session = click.make_pass_decorator(Session, ensure=True)
