"""Where the hub is and where the token lies: from the environment, then a settings file."""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

from kessetsu_client.address import hub_address
from kessetsu_client.errors import BadArgument, BadConfiguration
from kessetsu_client.files import open_regular

VARIABLES: Final = {"url": "KESSETSU_URL", "token_file": "KESSETSU_TOKEN_FILE", "ca_file": "KESSETSU_CA_FILE"}
MAX_TOKEN: Final = 4096


def default_settings_file() -> Path:
    """Return ``$XDG_CONFIG_HOME/kessetsu/client.toml``, by default under ``~/.config``."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(config) if config.startswith("/") else Path.home() / ".config") / "kessetsu" / "client.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client must know; ``origins`` tells where each value was found."""

    url: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    receipts: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def require_url(self) -> str:
        """Return the hub's address.

        Raises:
            BadConfiguration: where none is set.
        """
        if self.url is None:
            raise BadConfiguration(
                "The hub's address is not set.", action=f"Set {VARIABLES['url']} or url in {default_settings_file()}."
            )
        return hub_address(self.url)

    def read_token(self) -> str:
        """Return the token from its file.

        Raises:
            BadConfiguration: where the file is missing, others may read it, or it holds no token.
        """
        if self.token_file is None:
            raise BadConfiguration(
                "No token file is set.",
                action=f"Put the token into a file of mode 0600 and set {VARIABLES['token_file']} to its path, "
                f"or token_file in {default_settings_file()}.",
            )
        return _read_secret(self.token_file)


def load_settings(
    *,
    file: Path | None = None,
    given: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Gather settings: ``given`` (as from the command line) wins over the environment, that over the file.

    Raises:
        BadConfiguration: where the file cannot be read or has a key that is not one of the settings.
    """
    settings = _from_file(file or default_settings_file(), required=file is not None)
    named = {name: environment[variable] for name, variable in VARIABLES.items() if environment.get(variable)}
    settings = _overlay(settings, named, {name: VARIABLES[name] for name in named})
    options = {name: value for name, value in (given or {}).items() if value}
    return _overlay(settings, options, {name: f"--{name.replace('_', '-')}" for name in options})


def _from_file(path: Path, *, required: bool) -> Settings:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if required:
            raise BadConfiguration(f"There is no settings file {path}.", action="Check the path.") from None
        return Settings()
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"The settings file {path} cannot be read: {error}", action="Mend it.") from None
    known = {part.name for part in fields(Settings)} - {"origins"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise BadConfiguration(
            f"The settings file {path} has unknown keys: {', '.join(unknown)}.",
            action=f"It may have: {', '.join(sorted(known))}.",
        )
    if not all(isinstance(value, str) for value in content.values()):
        raise BadConfiguration(f"A value in the settings file {path} is not text.", action="Put it in quotes.")
    return _overlay(Settings(), content, dict.fromkeys(content, str(path)), base=path.parent)


def _overlay(
    settings: Settings, values: Mapping[str, str], origins: Mapping[str, str], *, base: Path | None = None
) -> Settings:
    """Lay ``values`` over ``settings``; relative paths count from ``base``, by default the working directory."""
    paths = {name: (base or Path()) / Path(value).expanduser() for name, value in values.items() if name != "url"}
    return replace(
        settings,
        url=values.get("url", settings.url),
        token_file=paths.get("token_file", settings.token_file),
        ca_file=paths.get("ca_file", settings.ca_file),
        receipts=paths.get("receipts", settings.receipts),
        origins={**settings.origins, **origins},
    )


def _read_secret(path: Path) -> str:
    try:
        with open_regular(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_TOKEN + 1)
    except (OSError, BadArgument) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message
        raise BadConfiguration(
            f"The token file {path} cannot be read: {reason}", action="Check the path in KESSETSU_TOKEN_FILE."
        ) from None
    if mode & 0o077:
        raise BadConfiguration(
            f"Others than its owner may read the token file {path} (mode {mode:04o}).", action=f"chmod 600 {path}"
        )
    token = content.decode("ascii", "replace").strip()
    if not token or len(content) > MAX_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise BadConfiguration(
            f"The token file {path} does not hold one token.", action="It should hold the token and nothing else."
        )
    return token
