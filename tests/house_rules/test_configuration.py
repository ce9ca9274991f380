import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from hub import errors, logs, vocabulary
from tests.house_rules.rules import ROOT, Source, tracked

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def configuration() -> dict[str, Any]:
    """Return the tools' sections."""
    tools: dict[str, Any] = tomllib.loads(PYPROJECT)["tool"]
    return tools


def word_lists() -> list[type[Enum]]:
    """Return the enumerations of the vocabulary, without the base classes they are made of."""
    kinds = [value for value in vars(vocabulary).values() if inspect.isclass(value) and issubclass(value, Enum)]
    return [kind for kind in kinds if kind.__module__ == vocabulary.__name__]


def unexplained(block: str) -> list[str]:
    """Return the entries of a TOML list, one a line, that no comment explains."""
    entries = [line.strip() for line in block.splitlines() if re.match(r'\s*"', line)]
    return [entry for entry in entries if not re.search(r'",?\s+#\s+\S+\s+\S+', entry)]


class TestTools:
    """What checks the project is itself held strict; who loosens it must change this file too."""

    def test_ruff_checks_everything_but_what_is_explained(self) -> None:
        """All rules are on; each exception says why where it stands."""
        assert configuration()["ruff"]["lint"]["select"] == ["ALL"]
        ignored = re.findall(r"^ignore = \[\n(.*?)^\]", PYPROJECT, re.DOTALL | re.MULTILINE)
        for_tests = re.findall(r'^"tests/\*\*" = \[\n(.*?)^\]', PYPROJECT, re.DOTALL | re.MULTILINE)

        assert len(ignored) == len(for_tests) == 1
        assert not unexplained(ignored[0])
        assert not unexplained(for_tests[0])

    def test_an_unexplained_exception_is_seen(self) -> None:
        """The check above finds what it looks for."""
        assert unexplained('    "E501",\n    "D107",  # the class says it\n    "X1",  #\n') == ['"E501",', '"X1",  #']

    def test_mypy_is_strict_and_stays_so(self) -> None:
        """Nothing but missing stubs of others may be excused."""
        mypy = configuration()["mypy"]
        excused = [set(override) - {"module"} for override in mypy["overrides"]]

        assert mypy["strict"] is True
        assert {"hub", "api", "kessetsu_client"} <= set(mypy["packages"])
        assert set(mypy) <= {
            "python_version",
            "strict",
            "enable_error_code",
            "packages",
            "overrides",
            "mypy_path",
            "plugins",
        }
        assert all(keys == {"ignore_missing_imports"} for keys in excused)
        assert not [name for override in mypy["overrides"] for name in override["module"] if is_ours(name)]

    def test_warnings_are_errors(self) -> None:
        """What a library warns of today breaks tomorrow."""
        pytest_options = configuration()["pytest"]["ini_options"]

        assert pytest_options["filterwarnings"][0] == "error"
        assert pytest_options["xfail_strict"] is True
        assert {"--strict-markers", "--strict-config"} <= set(pytest_options["addopts"])

    def test_no_contract_of_imports_has_a_hole(self) -> None:
        """The direction of the house knows no exception by name."""
        contracts = configuration()["importlinter"]["contracts"]
        forbidden = [contract for contract in contracts if contract["type"] == "forbidden"]
        pairs = {(a, b) for one in forbidden for a in one["source_modules"] for b in one["forbidden_modules"]}

        assert contracts[0]["type"] == "layers"
        assert not [contract["name"] for contract in contracts if "ignore_imports" in contract]
        assert {
            ("kessetsu_client", "hub"),
            ("kessetsu_client", "api"),
            ("hub", "fastapi"),
            ("api", "sqlalchemy"),
        } <= pairs

    def test_every_package_has_its_layer(self) -> None:
        """A package nobody placed would be free to import anything."""
        layers = " | ".join(configuration()["importlinter"]["contracts"][0]["layers"]).split(" | ")
        there = {
            f"hub.{path.stem}"
            for path in (ROOT / "hub").iterdir()
            if not path.name.startswith("__") and (path.suffix == ".py" or any(path.glob("*.py")))
        }

        assert there == {layer for layer in layers if layer.startswith("hub.")}


def is_ours(module: str) -> bool:
    """Tell whether a module's name is one of the project's."""
    return module.partition(".")[0] in {"*", "hub", "api", "kessetsu_client", "sharing_policies", "migrations"}


class TestLocks:
    """What is installed is exactly what was looked at."""

    @pytest.mark.parametrize("path", sorted(path.name for path in ROOT.glob("requirements*.lock")))
    def test_every_requirement_is_pinned_and_hashed(self, path: str) -> None:
        """One version each, by digest; nothing by URL, nothing from a named index."""
        text = (ROOT / path).read_text(encoding="utf-8")
        blocks = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())

        assert blocks
        for block in blocks:
            assert re.match(r"[a-z0-9.\[\],-]+==[^\s;]+( ; [^\n]+)? \\\n", block), block.splitlines()[0]
            assert "--hash=sha256:" in block
        assert not re.search(r"://|--(?:extra-)?index|--find-links", text)

    def test_what_is_declared_is_locked(self) -> None:
        """A dependency added without `make lock` would not be installed."""
        declared = [one for table in ("project",) for one in tomllib.loads(PYPROJECT)[table]["dependencies"]]
        locked = set(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==", lock("requirements.lock"), re.MULTILINE))

        assert {normal(name) for name in declared} <= locked

    def test_development_adds_to_the_product_and_changes_nothing(self) -> None:
        """What was tested is what is installed."""
        product, development = (dict(pins(name)) for name in ("requirements.lock", "requirements-dev.lock"))

        assert {name: development.get(name) for name in product} == product


def lock(name: str) -> str:
    """Return the text of a lock file."""
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> Iterator[tuple[str, str]]:
    """Walk over name and version of what a lock file holds."""
    yield from re.findall(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", lock(name), re.MULTILINE)


def normal(requirement: str) -> str:
    """Return a requirement's name as lock files spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ;]", requirement)[0]).lower()


class TestWords:
    @pytest.mark.parametrize("kind", word_lists(), ids=lambda kind: kind.__name__)
    def test_no_two_words_of_a_list_are_the_same(self, kind: type[Enum]) -> None:
        """Python would silently make the second an alias of the first."""
        assert not [name for name, member in kind.__members__.items() if member.name != name]

    @pytest.mark.parametrize("kind", word_lists(), ids=lambda kind: kind.__name__)
    def test_every_word_can_be_logged(self, kind: type[Enum]) -> None:
        """A state the log withholds would be missed just when it is needed."""
        line = {"state": list(kind)}

        assert not [shown for shown in logs.seal(None, "info", line)["state"] if shown.startswith("<")]


class TestErrors:
    def test_the_drawn_tree_is_the_real_one(self) -> None:
        """Who reads the top of the file knows every error there is, and what it is a kind of."""
        drawn = dict(drawn_tree(errors.__doc__ or ""))
        real = {
            name: value.__mro__[1].__name__
            for name, value in vars(errors).items()
            if inspect.isclass(value) and issubclass(value, errors.KessetsuError) and value is not errors.KessetsuError
        }

        assert drawn == real

    def test_every_error_has_a_code_of_its_own(self) -> None:
        """Callers and logs tell errors apart by code."""
        codes = [kind.code for kind in every_subclass(errors.KessetsuError) if kind.__module__ == errors.__name__]

        assert len(codes) == len(set(codes)) > 10


def drawn_tree(text: str) -> Iterator[tuple[str, str]]:
    """Walk over the names in a drawn tree, each with the name it hangs under; the rest hangs under the first."""
    above: list[tuple[int, str]] = []
    root = ""
    for line in text.splitlines():
        if not (found := re.match(r"^([│├└─ ]*)``(\w+)``", line)):
            continue
        depth, name = len(found.group(1)), found.group(2)
        while above and above[-1][0] >= depth:
            above.pop()
        if above:
            yield name, above[-1][1]
        elif root:
            yield name, root
        root = root or name
        above.append((depth, name))


def every_subclass(kind: type[errors.KessetsuError]) -> Iterator[type[errors.KessetsuError]]:
    """Walk down from an error to all that are kinds of it."""
    for below in kind.__subclasses__():
        yield below
        yield from every_subclass(below)


WITHOUT_SECRETS = {
    "hub/store/revise.py",  # a developer's tool; works on an empty database of its own
    "hub/demo/leash.py",  # becomes another program at once
}
"""Programs that never hold a secret."""
PROGRAM = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)


def programs() -> list[Source]:
    """Return the modules of the hub that a process starts with."""
    scripts = tomllib.loads(PYPROJECT)["project"]["scripts"].values()
    named = {script.split(":")[0].replace(".", "/") + ".py" for script in scripts}
    return [
        source
        for source in tracked()
        if source.is_python
        and source.under("hub", "api")
        and source.path not in WITHOUT_SECRETS
        and (source.path in named or PROGRAM.search(source.text))
    ]


def calls_by_name(source: Source) -> set[str]:
    """Return the names of the functions a module calls."""
    functions = [call.func for call in source.calls()]
    return {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in functions}


class TestPrograms:
    @pytest.mark.parametrize("source", programs(), ids=lambda source: source.path)
    def test_every_program_seals_its_log_and_forbids_core_dumps(self, source: Source) -> None:
        """A process that forgets either may print or leave on disk what it holds in memory."""
        assert {"configure", "forbid_core_dumps"} <= calls_by_name(source)

    def test_the_programs_are_seen(self) -> None:
        """The command line is one of them."""
        assert "hub/cli/main.py" in {source.path for source in programs()}


def test_the_continuous_run_is_the_whole_suite() -> None:
    """One command is the truth about the project."""
    script = ROOT / ".ci/run"

    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert Path(ROOT / "LICENSE").read_text(encoding="utf-8").split()[:2] == ["Apache", "License"]
