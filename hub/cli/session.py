"""What one run of the command line shares: where the settings are, how to show results, and the way to the hub."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.clock import Clock, SystemClock
from hub.errors import BadInput

if TYPE_CHECKING:
    from hub import settings as settings_module
    from hub.cli.acts import connecting
    from hub.store.unit import Store
    from hub.wiring import Hub
else:
    settings_module = lazily("hub.settings")
    connecting = lazily("hub.cli.acts.connecting")

FILE_NAME: Final = "kessetsu.toml"


@dataclass
class Session:
    """One run."""

    json: bool = False
    config: Path | None = None
    prepare: Callable[[str], None] = field(default=lambda _program: None)
    """Called with the program's name before any command does its work."""
    clock: Clock = field(default_factory=SystemClock)

    def settings_file(self) -> Path | None:
        """Return the settings file to read; ``None`` where the environment alone says everything."""
        if self.config is not None:
            return self.config
        if os.environ.get("KESSETSU_CONFIG"):
            return Path(os.environ["KESSETSU_CONFIG"])
        if Path(FILE_NAME).exists():
            return Path(FILE_NAME)
        if "KESSETSU_HOME" in os.environ:
            return None
        raise BadInput(
            say("There are no settings."),
            expected=say("--config FILE, KESSETSU_CONFIG, or {name} in the current directory", name=FILE_NAME),
            action=say("Make an instance with `kessetsu init`, or name its settings file."),
        )

    def settings(self) -> "settings_module.Settings":
        """Return the settings in force."""
        return settings_module.Settings.load(self.settings_file())

    @contextmanager
    def store(self) -> Iterator["Store"]:
        """Open the database as the operator."""
        with connecting.operator_store(self.settings(), self.clock) as store:
            yield store

    @contextmanager
    def hub(self) -> Iterator["Hub"]:
        """Open the whole hub as the operator: keys and policies too."""
        with connecting.operator_hub(self.settings(), self.clock) as hub:
            yield hub


def session_of(ctx: click.Context) -> Session:
    """Return the session a context belongs to."""
    return ctx.ensure_object(Session)


pass_session = click.make_pass_decorator(Session, ensure=True)
