"""Typed settings: one TOML file, overridden by ``KESSETSU_<SECTION>__<KEY>``; what is not known is refused.

Secrets stand in files of mode 0600 or 0400 and are named here by path; none has a default. Relative
paths in the file count from the file's own directory, those in the environment from the current one.
"""

import difflib
import json
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hub.errors import BadInput, Fault

ENVIRONMENT_PREFIX: Final = "KESSETSU_"
NOT_SETTINGS: Final = frozenset(
    {"KESSETSU_CONFIG", "KESSETSU_DATA", "KESSETSU_URL", "KESSETSU_TOKEN_FILE", "KESSETSU_CA_FILE"}
)
"""Variables with our prefix that mean something else; so do all that begin with ``KESSETSU_TEST_``."""
MIB: Final = 1024 * 1024
SOCKET_PATH_LIMIT: Final = 107
"""Bytes of a Unix socket's path (``sun_path`` less its final zero, unix(7))."""
SECRET_MODES: Final = frozenset({0o600, 0o400})

Tree: TypeAlias = dict[str, Any]


def _number(value: object) -> object:
    """Keep ``true`` from passing as 1."""
    if isinstance(value, bool):
        raise ValueError("a number is expected")  # noqa: TRY004 -- pydantic makes a fault of a ValueError only
    return value


Number: TypeAlias = Annotated[int, BeforeValidator(_number)]
Positive: TypeAlias = Annotated[Number, Field(gt=0)]


class Section(BaseModel):
    """A part of the settings: frozen, typed, closed, and silent about values it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


class DatabaseSettings(Section):
    """Where PostgreSQL is, and the password of each role, by path."""

    embedded: bool = Field(description="true: run the PostgreSQL that came with the program, in home")
    host: str = Field(min_length=1, description="directory of the server's socket, or a host name")
    port: Positive = Field(default=5432, le=65535, description="port, also in the socket's name")
    name: str = Field(default="kessetsu", min_length=1, description="name of the database")
    owner_password_file: Path = Field(description="password of the role that owns the tables and migrates them")
    api_password_file: Path = Field(description="password of the role the API uses")
    worker_password_file: Path = Field(description="password of the role the worker uses")
    operator_password_file: Path = Field(description="password of the role the operator's commands use")
    superuser_password_file: Path | None = Field(default=None, description="password of an embedded server's superuser")
    pool_size: Positive = Field(default=10, description="connections a process holds at most")

    @model_validator(mode="after")
    def _embedded_is_whole(self) -> Self:
        if self.embedded and self.superuser_password_file is None:
            raise ValueError("an embedded server needs superuser_password_file")
        if self.embedded and not self.host.startswith("/"):
            raise ValueError("an embedded server is reached by its socket: host must be an absolute directory")
        return self

    @field_validator("host")
    @classmethod
    def _socket_fits(cls, host: str) -> str:
        if "/" not in host:
            return host
        if not host.startswith("/"):
            raise ValueError("a socket directory must be absolute")
        if len(os.fsencode(host)) + len("/.s.PGSQL.65535") > SOCKET_PATH_LIMIT:
            raise ValueError(f"the socket's path must fit {SOCKET_PATH_LIMIT} bytes; choose a shorter directory")
        return host


class KeySettings(Section):
    """Where keys live. Nothing of this may lie inside the database or its backups."""

    store: Path = Field(description="directory of the bucket keys; outside PostgreSQL and outside every backup")
    master_key_file: Path = Field(description="key that wraps the bucket keys")
    signing_key_file: Path = Field(description="Ed25519 key that signs receipts and certificates")


class PolicySettings(Section):
    """Where the rules of disclosure and retention are read from."""

    directory: Path | None = Field(default=None, description="directory of policies and limits; unset: our own")


class IntakeSettings(Section):
    """Stated limits of a push; what is past them is refused while it streams."""

    max_body_bytes: Positive = Field(default=256 * MIB, description="bytes of a request as sent")
    max_decoded_bytes: Positive = Field(default=768 * MIB, description="bytes of the records after decompression")
    max_rows: Positive = Field(default=2_000_000, description="rows of a report")
    max_errors: Positive = Field(default=1_000, description="refused rows listed one by one; all are counted")
    max_bytes_in_flight: Positive = Field(default=512 * MIB, description="bytes one process holds of all uploads")
    upload_timeout_seconds: Positive = Field(default=300, description="seconds an upload may take")

    @model_validator(mode="after")
    def _largest_push_has_room(self) -> Self:
        if self.max_bytes_in_flight < self.max_body_bytes:
            raise ValueError("max_bytes_in_flight must not be below max_body_bytes: no push of that size could pass")
        return self


class ApiSettings(Section):
    """How the API listens."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: Number = Field(default=8443, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    tls_certificate_file: Path | None = Field(
        default=None, description="PEM certificate chain; unset with tls_key_file: a proxy in front ends TLS"
    )
    tls_key_file: Path | None = Field(default=None, description="PEM private key of the certificate")
    public_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$", description="URL members use, without a last slash"
    )
    threads: Positive = Field(default=16, description="requests handled at a time")

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file go together: set both or neither")
        return self


class WorkerSettings(Section):
    """How the worker works, in a process of its own."""

    threads: Positive = Field(default=1, description="threads of column work, so that the API keeps its share")
    concurrency: Positive = Field(default=2, description="jobs at a time")
    heartbeat_seconds: Positive = Field(default=5, description="seconds between signs of life")
    stalled_after_seconds: Positive = Field(default=20, description="silence after which its jobs go to another worker")

    @model_validator(mode="after")
    def _one_late_heartbeat_is_forgiven(self) -> Self:
        if self.stalled_after_seconds < 2 * self.heartbeat_seconds:
            raise ValueError("stalled_after_seconds must be at least twice heartbeat_seconds")
        return self


class StatisticsSettings(Section):
    """What may stay behind after erasure."""

    minimum_cell: Number = Field(default=5, ge=2, description="counts below this are suppressed from the first day")


class Settings(Section):
    """Everything the programs are told from outside. :meth:`load` is the only way in."""

    home: Path = Field(description="directory of what the instance keeps: embedded database, sockets, run files")
    demo_only: bool = Field(default=False, description="accept drill reports only; the environment cannot undo it")
    database: DatabaseSettings
    keys: KeySettings
    policies: PolicySettings = PolicySettings()
    intake: IntakeSettings = IntakeSettings()
    api: ApiSettings = ApiSettings()
    worker: WorkerSettings = WorkerSettings()
    statistics: StatisticsSettings = StatisticsSettings()

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """Read the file at ``path`` (else ``KESSETSU_CONFIG``), then the environment, which wins.

        Raises :class:`~hub.errors.BadInput` with every fault found at once.
        """
        environ = os.environ if environ is None else environ
        path = path or (Path(environ["KESSETSU_CONFIG"]) if environ.get("KESSETSU_CONFIG") else None)
        from_file = {} if path is None else _read_file(path)
        from_environment, faults = _read_environment(environ)
        faults += list(_unknown_keys(from_file)) + list(_undoing(from_file, from_environment))
        if faults:
            raise _unusable(path, faults)
        base = Path.cwd() if path is None else path.absolute().parent
        merged = _merged(_rooted(from_file, base), _rooted(from_environment, Path.cwd()))
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            raise _unusable(path, [_fault(detail, from_environment) for detail in details]) from None

    def check_secrets(self, *keys: str) -> None:
        """Check that the files the dotted ``keys`` name are there, private and not empty; report all faults at once.

        Each program names what it needs and no more: the API's account should not even be able to read the rest.
        """
        faults = [fault for key in keys if (fault := secret_fault(key, self._path(key))) is not None]
        if faults:
            raise BadInput(
                "secret files cannot be used: " + ", ".join(fault.where for fault in faults),
                action="create them with `kessetsu init`, or correct owner and mode (chmod 600)",
                faults=faults,
            )

    def read_secret(self, key: str) -> bytes:
        """Return the bytes of the file the dotted ``key`` names, checked first, without a final line feed."""
        self.check_secrets(key)
        return (self._path(key) or Path()).read_bytes().rstrip(b"\r\n")

    def _path(self, key: str) -> Path | None:
        section, _, name = key.rpartition(".")
        value = getattr(getattr(self, section) if section else self, name)
        if value is not None and not isinstance(value, Path):
            raise TypeError(f"{key} is no path")
        return value


def secret_fault(key: str, path: Path | None) -> Fault | None:
    """Return what is wrong with the secret file at ``path`` that setting ``key`` names; ``None`` where nothing is."""
    if path is None:
        return Fault(key, "missing", "the path of a file of mode 0600 or 0400")
    try:
        status = path.stat()
    except OSError as error:
        return Fault(key, "unreadable", "a readable file", f"{path}: {error.strerror}")
    mode = stat.S_IMODE(status.st_mode)
    wrong = (
        (not stat.S_ISREG(status.st_mode), "not-a-file", "a regular file", "something else"),
        (mode not in SECRET_MODES, "mode", "mode 0600 or 0400, so that nobody else can read it", f"mode {mode:04o}"),
        (status.st_uid not in {0, os.geteuid()}, "owner", "a file of this account or of root", f"uid {status.st_uid}"),
        (status.st_size == 0, "empty", "a file that holds the secret", "0 bytes"),
    )
    return next((Fault(key, code, expected, f"{path}: {got}") for true, code, expected, got in wrong if true), None)


def write_settings(path: Path, settings: Settings) -> None:
    """Write ``settings`` as commented TOML to the new file ``path`` (mode 0600); defaults stand commented out."""
    text = _HEADER + _written(settings)
    for name, model in _SECTIONS.items():
        text += f"\n[{name}]  # {(model.__doc__ or '').strip()}\n" + _written(getattr(settings, name))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"settings exist already at {path}", expected="a new file", action="choose another path, or keep that file"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


_HEADER: Final = """\
# Settings of a Kessetsu hub. Each key can be overridden by the environment: KESSETSU_<SECTION>__<KEY>,
# as KESSETSU_API__PORT. A key that stands commented out has the value shown. Unknown keys stop the start.

"""


def _written(section: Section) -> str:
    fields = type(section).model_fields
    return "".join(_line(key, field, getattr(section, key)) for key, field in fields.items() if key not in _SECTIONS)


def _line(key: str, field: FieldInfo, value: object) -> str:
    unchanged = not field.is_required() and value == field.get_default()
    return f"# {field.description}\n{'# ' if unchanged else ''}{key} = {'...' if value is None else _toml(value)}\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value > 65535 else str(value)  # noqa: PLR2004 -- a port is better read whole
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


_SECTIONS: Final[dict[str, type[Section]]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
_KEYS: Final[dict[str, FieldInfo]] = {
    name: field for name, field in Settings.model_fields.items() if name not in _SECTIONS
} | {f"{name}.{key}": field for name, model in _SECTIONS.items() for key, field in model.model_fields.items()}
"""Every leaf, by its dotted name."""


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")


def _read_file(path: Path) -> Tree:
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadInput(
            f"the settings file {path} cannot be read: {reason}",
            expected="a TOML file",
            action="write one with `kessetsu init`, or name it with --config or KESSETSU_CONFIG",
        ) from None
    if mode & stat.S_IWOTH:
        raise BadInput(
            f"everybody can write the settings file {path}",
            expected="a file only its owner or group can write",
            action=f"chmod o-w {path}",
        )
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(
            f"the settings file {path} is not TOML: {error}", expected="TOML 1.0", action="correct that line"
        ) from None


def _read_environment(environ: Mapping[str, str]) -> tuple[Tree, list[Fault]]:
    variables = {_variable(key): key for key in _KEYS}
    tree: Tree = {}
    faults: list[Fault] = []
    for name, value in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS or name.startswith("KESSETSU_TEST_"):
            continue
        if name not in variables:
            faults.append(_unknown(name, [*variables, *NOT_SETTINGS]))
        elif value == "":
            faults.append(Fault(name, "empty", "a value; unset the variable to leave the file's or the default"))
        else:
            _put(tree, variables[name], value)
    return tree, faults


def _put(tree: Tree, key: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    (tree.setdefault(section, {}) if section else tree)[name] = value


def _unknown_keys(tree: Tree) -> Iterator[Fault]:
    for name, value in tree.items():
        if name not in _SECTIONS:
            yield from () if name in _KEYS else (_unknown(name, [*_KEYS, *_SECTIONS]),)
        elif not isinstance(value, dict):
            yield Fault(name, "not-a-section", f"a section: [{name}]")
        else:
            own = [f"{name}.{key}" for key in _SECTIONS[name].model_fields]
            yield from (_unknown(f"{name}.{key}", own) for key in value if f"{name}.{key}" not in own)


def _unknown(name: str, known: list[str]) -> Fault:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return Fault(name, "unknown", f"a known setting; did you mean {close[0]}?" if close else "a known setting", name)


def _undoing(from_file: Tree, from_environment: Tree) -> Iterator[Fault]:
    """Refuse to make a demo's instance a real one by a variable: its officers and certificate are made up."""
    if from_file.get("demo_only") is True and "demo_only" in from_environment:
        yield Fault(_variable("demo_only"), "fixed", "not to be set: the settings file says this is a demo's instance")


def _rooted(tree: Tree, base: Path, section: str = "") -> Tree:
    """Return ``tree`` with its relative paths counted from ``base``."""
    rooted: Tree = {}
    for name, value in tree.items():
        key = section + name
        if name in _SECTIONS:
            rooted[name] = _rooted(value, base, f"{key}.")
        else:
            is_path = isinstance(value, str) and _KEYS[key].annotation in (Path, Path | None)
            rooted[name] = str(base / value) if is_path else value
    return rooted


def _merged(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for name, value in above.items():
        merged[name] = {**below.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


def _fault(detail: ErrorDetails, from_environment: Tree) -> Fault:
    parts = [str(part) for part in detail["loc"]]
    key = ".".join(parts)
    section: object = from_environment.get(parts[0]) if parts else None
    in_environment = parts[-1] in section if isinstance(section, dict) and parts else section is not None
    where = _variable(key) if in_environment else key
    if detail["type"] == "missing":
        wanted = _KEYS[key].description if key in _KEYS else f"the section [{key}]"
        return Fault(where, "missing", wanted or key)
    got = None if isinstance(detail["input"], Mapping | Section) else repr(detail["input"])[:80]
    return Fault(where, detail["type"].replace("_", "-"), detail["msg"].removeprefix("Value error, "), got)


def _unusable(path: Path | None, faults: list[Fault]) -> BadInput:
    source = "the environment" if path is None else str(path)
    named = ", ".join(f"{fault.where} ({fault.expected})" for fault in faults)
    return BadInput(
        f"the settings from {source} cannot be used: {named}",
        action="correct them, or write a new file with `kessetsu init`",
        faults=faults,
    )
