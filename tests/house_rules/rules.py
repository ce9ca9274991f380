"""The house rules that no bought linter knows, each as a function from one file to what is wrong in it."""

import ast
import functools
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from hub import logs

ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST_FILE: Final = 600
LONGEST_FUNCTION: Final = 60


@dataclass(frozen=True)
class Source:
    """One text file of the project, by its path from the root."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Return the parsed module."""
        return ast.parse(self.text, self.path)

    @property
    def is_python(self) -> bool:
        """Whether this is a Python module."""
        return self.path.endswith(".py")

    def under(self, *folders: str) -> bool:
        """Tell whether the file lies in one of ``folders``."""
        return any(self.path.startswith(f"{folder}/") for folder in folders)

    def calls(self) -> Iterator[ast.Call]:
        """Walk over every call in the module."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Walk over what the module imports anywhere in it: line and dotted name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)


Finding: TypeAlias = tuple[int, str]
"""Line, and what is wrong there."""
Rule: TypeAlias = Callable[[Source], Iterator[Finding]]

PRODUCT: Final = ("hub", "api", "clients", "migrations", "sharing_policies")


def tracked() -> Iterator[Source]:
    """Walk over the project's text files: what git knows or would be asked to know."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    for name in sorted(filter(None, listed)):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield Source(name, content.decode())


WAIVER: Final = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|ruff:|mypy:|nosec|pylint)", re.IGNORECASE)
REASON: Final = re.compile(r"(?:\s--?|\s#)\s+\S+(?:\s+\S+)+$")


def waivers_carry_a_reason(source: Source) -> Iterator[Finding]:
    """Every waiver of a check says why, in two words at least."""
    if not source.is_python:
        return
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and WAIVER.search(token.string) and not REASON.search(token.string):
            yield token.start[0], "a waiver without a reason: add `-- why` after the codes"


def only_programs_print(source: Source) -> Iterator[Finding]:
    """Only command lines and the demo talk to a terminal; everything else logs or returns."""
    if not source.is_python or not source.under(*PRODUCT) or re.search(r"/(cli|demo)/", source.path):
        return
    for call in source.calls():
        if isinstance(call.func, ast.Name) and call.func.id == "print":
            yield call.lineno, "print() outside cli and demo"


def only_logs_knows_logging(source: Source) -> Iterator[Finding]:
    """Loggers come from structlog, so that every line passes the seal."""
    if not source.is_python or not source.under("hub", "api") or source.path == "hub/logs.py":
        return
    for call in source.calls():
        if isinstance(call.func, ast.Name | ast.Attribute) and _last_name(call.func) in {"getLogger", "basicConfig"}:
            yield call.lineno, "the standard library's logging outside hub/logs.py: use structlog.get_logger()"


def log_lines_can_be_said(source: Source) -> Iterator[Finding]:
    """Log calls name their event by a code and use keys the seal knows, or the line is of no use."""
    if not source.is_python or not source.under("hub", "api"):
        return
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in LOG_VERBS and _is_logger(call.func.value):
            event = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
            if logs.seal(None, "info", {"event": event}) != {"event": event} or event is None:
                yield call.lineno, "a log line's event must be a constant code, as report-released"
            for keyword in call.keywords:
                if keyword.arg not in {None, "exc_info"} and not _can_be_said(str(keyword.arg)):
                    yield (
                        call.lineno,
                        f"the log withholds the key {keyword.arg}: use another, or list it in hub/logs.py",
                    )


LOG_VERBS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


def _can_be_said(key: str) -> bool:
    return logs.seal(None, "info", {key: 1}) == {key: 1}


def _is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return _last_name(node.func) in {"get_logger", "bind"}
    return _last_name(node).lower().strip("_") in {"log", "logger"}


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def files_stay_readable(source: Source) -> Iterator[Finding]:
    """No module is longer than 600 lines."""
    lines = source.text.count("\n")
    if source.is_python and lines > LONGEST_FILE:
        yield LONGEST_FILE, f"{lines} lines; cut it where its verbs differ"


def functions_stay_short(source: Source) -> Iterator[Finding]:
    """No function of the product is longer than 60 lines."""
    if not source.is_python or not source.under(*PRODUCT):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION and not source.under("migrations"):
                yield node.lineno, f"{node.name} has {lines} lines; name its parts"


UNFINISHED: Final = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b")
SAMPLES: Final = "tests/house_rules"
"""Here stands what is bad, for the rules to find."""


def nothing_is_unfinished(source: Source) -> Iterator[Finding]:
    """Nothing stands here for something to come."""
    if not source.under(SAMPLES):
        yield from _matches(source, UNFINISHED, "unfinished work")


MACHINES: Final = re.compile(r"(?<![\w.])/(?:work/\w|root/\w|home/\w|Users/\w|opt/\w+/\w)|[A-Z]:\\\\?Users")
REGISTRIES: Final = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.com|proxy\.golang|crates\.io", re.IGNORECASE
)


def no_machine_is_named(source: Source) -> Iterator[Finding]:
    """No file tells of the machine it was written on, nor of the registry packages came from."""
    if not source.under(SAMPLES):
        yield from _matches(source, MACHINES, "a path of somebody's machine")
        yield from _matches(source, REGISTRIES, "a registry's host")


def _matches(source: Source, pattern: re.Pattern[str], what: str) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := pattern.search(line):
            yield number, f"{what}: {found.group()}"


def only_the_store_knows_sqlalchemy(source: Source) -> Iterator[Finding]:
    """One package speaks SQL; migrations are its past."""
    if not source.is_python or not source.under("hub", "api", "clients") or source.under("hub/store"):
        return
    for line, name in source.imports():
        if name.split(".")[0] in {"sqlalchemy", "alembic"}:
            yield line, "SQLAlchemy outside hub/store: declare a protocol and implement it there"


def only_the_store_commits(source: Source) -> Iterator[Finding]:
    """Only who began a unit of work ends it; nobody else commits or rolls back."""
    if not source.is_python or not source.under("hub", "api") or source.under("hub/store"):
        return
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"}:
            yield call.lineno, f".{call.func.attr}() outside hub/store"


def tests_use_the_real_thing(source: Source) -> Iterator[Finding]:
    """No mocks: a test against a pretence proves the pretence."""
    if not source.is_python or not source.under("tests"):
        return
    for line, name in source.imports():
        if f"{name}.".startswith(("unittest.mock.", "mock.", "pytest_mock.")):
            yield line, "a mock: use the real part, or a fake of our own that keeps its contract"


def the_clock_is_handed_in(source: Source) -> Iterator[Finding]:
    """Deadlines are promises, so nothing below the programs reads the time on the side (hub/clock.py)."""
    if not source.is_python or not source.under("hub") or source.under("hub/cli", "hub/demo"):
        return
    if source.path in READ_THE_TIME:
        return
    for call in source.calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in {"now", "utcnow", "today"}:
            continue
        if _last_name(call.func.value) in {"datetime", "date"}:
            yield call.lineno, "reads the machine's time: take a hub.clock.Clock"


READ_THE_TIME: Final = frozenset(
    {
        "hub/clock.py",
        "hub/logs.py",  # a line says when it was written
        "hub/store/revise.py",  # a developer's tool: names a file by its day
    }
)

RULES: Final[tuple[Rule, ...]] = (
    waivers_carry_a_reason,
    only_programs_print,
    only_logs_knows_logging,
    log_lines_can_be_said,
    files_stay_readable,
    functions_stay_short,
    nothing_is_unfinished,
    no_machine_is_named,
    only_the_store_knows_sqlalchemy,
    only_the_store_commits,
    tests_use_the_real_thing,
    the_clock_is_handed_in,
)
