"""Logs that cannot print a secret: a line is a short code, known keys, and values of harmless types.

Every line passes :func:`seal`, last before it is rendered: keys not listed here and values that are not
plainly harmless are replaced by the name of their type. Text is never harmless by itself, so the messages
of other libraries and of exceptions are dropped; what remains of them is who spoke, from which line, and
for exceptions the types and our own frames. A line looks so::

    {"event":"report-released","level":"info","timestamp":"…Z","program":"worker","report_id":"…","parcels":41}
"""

import contextlib
import ctypes
import logging
import re
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias
from uuid import UUID

import orjson
import structlog

from hub.errors import KessetsuError

Line: TypeAlias = MutableMapping[Any, Any]

KEYS: Final = frozenset(
    """
    event level timestamp program version pid logger where withheld
    error error_code sqlstate causes frames
    request_id job_id task queue attempt attempts concurrency threads
    method route status
    action code kind state reason purpose data_class capacity outcome relation stage step result
    drill demo_only embedded enabled replayed
    deadline bucket hour policy_hash policy_ids
    count total taken refused rows records parcels recipients reports receipts entries keys buckets jobs
    members tables prefixes chunks erased released held delivered undelivered recalled rebuilt reminders
    """.split()  # noqa: SIM905 -- seventy words in as many lines would hide what belongs together
)
"""What a line may say. No evidence column, no disclosed field, nothing a member wrote."""
SUFFIXES: Final = ("_id", "_count", "_ms", "_seconds", "_bytes", "_rows", "_at", "_code", "_kind", "_state")
"""A key that ends so may be said too."""
MOST_ITEMS: Final = 32
MOST_CAUSES: Final = 8
LARGEST_NUMBER: Final = 2**53
RANDOM_UUIDS: Final = frozenset({4, 7})
"""Versions that carry nothing; an id made from a name (3, 5) can be tested against every address."""

_CODE: Final = re.compile(r"[a-z][a-z0-9]{0,23}(?:[-_][a-z][a-z0-9]{0,23}){0,7}")
"""A word of ours: no dot, no colon, no part that begins with a digit, so that no address is one."""
_DOTTED: Final = re.compile(r"[A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63}){0,7}")
_PLACE: Final = re.compile(r"[\w/]{1,80}(?:\.py)?:\d{1,5}:[\w<>]{1,80}")
_SEGMENT: Final = r"\{[a-z_]{1,32}\}|\.?[a-z][a-z0-9_-]{0,30}(?:\.[a-z]{1,8})?"
_SHAPES: Final = {
    "level": re.compile("debug|info|warning|error|critical"),
    "logger": _DOTTED,
    "task": _DOTTED,
    "error": _DOTTED,
    "causes": _DOTTED,
    "where": _PLACE,
    "frames": _PLACE,
    "route": re.compile(rf"/|(?:/(?:{_SEGMENT}))+/?"),
    "method": re.compile("GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"),
    "sqlstate": re.compile(r"[0-9A-Z]{5}"),
    "policy_hash": re.compile(r"[0-9a-f]{64}"),
    "bucket": re.compile(r"[a-z-]{1,32}/\d{8}T\d{6}Z"),
    "version": re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}"),
}
"""Strings these keys may hold; all other keys hold codes only."""

_ROOT: Final = Path(__file__).resolve().parent.parent
_OURS: Final = frozenset({"hub", "api", "migrations", "tests"})
_PR_SET_DUMPABLE: Final = 4

UVICORN: Final[Mapping[str, Any]] = {"log_config": None, "access_log": False}
"""Give these to uvicorn: its own log lines hold whole paths; requests are logged by :func:`log_request`."""


def configure(program: str, stream: TextIO | None = None) -> None:
    """Send everything ``program`` logs through the seal, to ``stream`` (standard error): JSON lines, colour on a tty.

    Covers structlog, the standard library's logging with every library behind it, warnings, and exceptions
    that nobody catches. Every program calls this first.
    """
    sink = _Sink(stream or sys.stderr)
    render = _console() if sink.stream.isatty() else _json
    processors = [structlog.contextvars.merge_contextvars, _stamped(program), _explained, seal, render]
    structlog.configure(
        processors=[structlog.processors.add_log_level, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    _take_over(_SealedHandler(sink, processors))
    _catch_the_uncaught()


def forbid_core_dumps() -> None:
    """Keep this process and its children from leaving memory on disk; plain records live there.

    The limit alone does not bind where the kernel pipes cores to a program (core(5)); the dumpable flag does,
    and keeps other processes of the account from reading our memory as well.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextlib.contextmanager
def request_context(request_id: UUID) -> Iterator[None]:
    """Name the request in every line logged within."""
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        yield


@contextlib.contextmanager
def job_context(job_id: int, task: str) -> Iterator[None]:
    """Name the job in every line logged within."""
    with structlog.contextvars.bound_contextvars(job_id=job_id, task=task):
        yield


def log_request(method: str, route: str | None, status: int, duration_ms: float) -> None:
    """Log a served request by its route's template; never give a path, it holds values."""
    log = structlog.get_logger()
    say = log.error if status >= 500 else log.info  # noqa: PLR2004 -- the server's own faults, RFC 9110 section 15.6
    say("request", method=method, route=route or "/unmatched", status=status, duration_ms=round(duration_ms, 1))


def seal(_logger: object, _level: str, line: Line) -> Line:
    """Return ``line`` with everything that is not plainly harmless replaced by the name of its type."""
    sealed: Line = {}
    withheld = 0
    for key, value in line.items():
        if not isinstance(key, str) or not _CODE.fullmatch(key):
            withheld += 1
        elif key in KEYS or key.endswith(SUFFIXES):
            sealed[key] = _harmless(key, value)
        else:
            sealed[key] = _type_name(value)
    if withheld:
        sealed["withheld"] = withheld
    return sealed


def _harmless(key: str, value: object) -> object:
    if isinstance(value, list | tuple):
        return [_harmless_one(key, item) for item in value[:MOST_ITEMS]]
    if isinstance(value, set | frozenset):
        return sorted((_harmless_one(key, item) for item in list(value)[:MOST_ITEMS]), key=str)
    return _harmless_one(key, value)


def _harmless_one(key: str, value: object) -> object:
    shown: object = _type_name(value)
    match value:
        case None | bool() | float():
            shown = value
        case Enum():
            shown = _word(value)
        case int() if abs(value) < LARGEST_NUMBER:
            shown = int(value)
        case UUID() if value.version in RANDOM_UUIDS:
            shown = str(value)
        case datetime() if value.tzinfo is not None:
            shown = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            shown = value.total_seconds()
        case str() if _SHAPES.get(key, _CODE).fullmatch(value):
            shown = str(value)
    return shown


def _word(member: Enum) -> str:
    """Return the member's value where it is a word, as in our word lists; else its name."""
    word = member.value if isinstance(member.value, str) else str(member.name).lower().replace("|", "-")
    return word if _CODE.fullmatch(word) else _type_name(member)


def _type_name(value: object) -> str:
    name = type(value).__name__
    return f"<{name}>" if _DOTTED.fullmatch(name) else "<object>"


def _stamped(program: str) -> Callable[[object, str, Line], Line]:
    def stamp(_logger: object, _level: str, line: Line) -> Line:
        line["timestamp"] = datetime.now(UTC)
        line["program"] = program
        return line

    return stamp


def _explained(_logger: object, _level: str, line: Line) -> Line:
    """Replace an exception by its types, its code and our own frames; messages and locals stay behind."""
    given = line.pop("exc_info", None)
    for key in ("exception", "stack", "stack_info"):
        line.pop(key, None)
    if isinstance(given, tuple):
        given = given[1]
    elif given is not None and not isinstance(given, BaseException):
        given = sys.exc_info()[1] if given else None
    if given is None:
        return line
    chain = _chain(given)
    codes = [error.code for error in chain if isinstance(error, KessetsuError)]
    states = [state for error in chain if isinstance(state := getattr(error, "sqlstate", None), str)]
    line["error"] = _qualified(given)
    line["causes"] = [_qualified(error) for error in chain[1:]]
    line["frames"] = [place for error in chain for place in _frames(error)][-MOST_ITEMS:]
    line.update({"error_code": codes[0]} if codes else {})
    line.update({"sqlstate": states[0]} if states else {})
    return line


def _chain(error: BaseException) -> list[BaseException]:
    """Return ``error`` and what it was raised from or holds, outermost first."""
    chain = [error]
    for one in chain:
        inner = [one.__cause__, None if one.__suppress_context__ else one.__context__]
        inner += list(one.exceptions) if isinstance(one, BaseExceptionGroup) else []
        inner += [origin] if isinstance(origin := getattr(one, "orig", None), BaseException) else []
        chain += [new for new in inner if new is not None and not any(new is old for old in chain)]
        if len(chain) >= MOST_CAUSES:
            break
    return chain[:MOST_CAUSES]


def _qualified(error: BaseException) -> str:
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return name if _DOTTED.fullmatch(name) else kind.__name__


def _frames(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and (inside := path.relative_to(_ROOT)).parts[0] in _OURS:
            yield f"{inside}:{line}:{frame.f_code.co_name}"


def _json(_logger: object, _level: str, line: Line) -> str:
    first = {key: line[key] for key in ("event", "level", "timestamp", "program") if key in line}
    return orjson.dumps(first | dict(line)).decode()


def _console() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=True, sort_keys=False)


class _Sink:
    """Writes finished lines, one at a time; a full or closed stream does not stop the program."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._lock = threading.Lock()

    def msg(self, text: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.stream.write(text + "\n")
            self.stream.flush()

    debug = info = warning = error = critical = msg


_LIBRARY_MESSAGE: Final = "library-message"
_WITHHELD_ERROR: Final = "withheld_error"


class _SealedRecord(logging.LogRecord):
    """A record without text, arguments and traceback: a library may wire up a handler of its own at any time."""

    def __init__(  # noqa: PLR0917 -- the standard library calls it so
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        _msg: object,
        _args: object,
        exc_info: object,
        func: str | None = None,
        _sinfo: str | None = None,
        **_rest: object,
    ) -> None:
        super().__init__(name, level, pathname, lineno, _LIBRARY_MESSAGE, None, None, func)
        setattr(self, _WITHHELD_ERROR, exc_info)


class _SealedHandler(logging.Handler):
    """Writes what libraries log: who spoke, how loud and from where."""

    def __init__(self, sink: _Sink, processors: list[Any]) -> None:
        super().__init__()
        self._sink = sink
        self._processors = processors

    def emit(self, record: logging.LogRecord) -> None:
        line: Any = {
            "event": _LIBRARY_MESSAGE,
            "level": record.levelname.lower(),
            "logger": record.name,
            "where": f"{record.module}:{record.lineno}:{record.funcName}",
            "exc_info": getattr(record, _WITHHELD_ERROR, None),
        }
        for process in self._processors:
            line = process(None, line["level"], line)
        self._sink.msg(line)


def _take_over(handler: logging.Handler) -> None:
    """Make ``handler`` the way out of the standard library's logging, and leave nothing to say for any other."""
    logging.setLogRecordFactory(_SealedRecord)
    logging.raiseExceptions = False  # a record that cannot be formatted would be printed with its arguments
    logging.lastResort = handler
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    known = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in known:
        logger.handlers.clear()
        logger.propagate = True
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _catch_the_uncaught() -> None:
    def log_uncaught(error: BaseException | None) -> None:
        structlog.get_logger().critical("uncaught-error", exc_info=error)

    sys.excepthook = lambda _kind, error, _traceback: log_uncaught(error)
    sys.unraisablehook = lambda unraisable: log_uncaught(unraisable.exc_value)
    threading.excepthook = lambda thread: log_uncaught(thread.exc_value)
