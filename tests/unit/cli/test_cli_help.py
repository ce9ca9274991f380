"""What the command line says of itself, in both languages."""

import ast
import inspect
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import hub.cli
from hub.cli import failures
from hub.cli.catalogue import language_of
from hub.cli.help_ja import HELP
from hub.cli.main import cli
from hub.cli.messages_ja import MESSAGES
from hub.cli.speaking import Command, Group
from tests.unit.cli.running import Kessetsu

SOURCES = sorted(Path(hub.cli.__file__).parent.rglob("*.py"))
HEAVY = {
    "polars",
    "numpy",
    "sqlalchemy",
    "pydantic",
    "psycopg",
    "cryptography",
    "cedarpy",
    "uvicorn",
    "rich",
    "alembic",
}
SPOKEN = {"say": 0, "report_done": 1, "progress": 1, "_say_url": 1, "_change": 4}
"""Functions that say one of their arguments, and which."""
TABLES = {"headings", "labels", "_HEADINGS", "_SAID", "commands"}
"""Mappings whose values are said."""
OTHERS = {
    "There is no such member.", "the name or id of a member", "List members with: kessetsu member list",
    "There is no such held report.", "the id of a report in state 'held'", "There is no such parcel.",
    "List held reports with: kessetsu report held", "the id of a released parcel", "The rows are not in this parcel.",
    "Only a released parcel can be recalled.", "Nothing: nobody can read it.",
    "The hub's database does not answer now; nothing was taken.", "Send the same request again in a few seconds.",
    "The hub's database has no room; nothing was taken.", "a line like the others of the file",
    "a prefix length of 0 to 32 (IPv4) or 0 to 128 (IPv6)", "a prefix whose bits past its length are 0",
    "an AS number of 1 to 4294967295",
}  # fmt: skip
"""Sentences of other packages that an operator meets; each is looked for where it is raised."""


def commands() -> Iterator[tuple[str, Command | Group]]:
    """Walk over every command and group with its whole name."""
    waiting: list[tuple[str, click.Command]] = [("kessetsu", cli)]
    for name, command in waiting:
        assert isinstance(command, Command | Group), name
        yield name, command
        if isinstance(command, Group):
            waiting += [(f"{name} {word}", one) for word, one in command.commands.items()]


EVERY = [pytest.param(name, command, id=name) for name, command in commands()]


def paragraphs(text: str | None) -> list[str]:
    """Return a help's paragraphs, each on one line."""
    return [" ".join(part.split()) for part in inspect.cleandoc(text or "").split("\n\n")]


def helped() -> set[str]:
    """Return everything that help may say."""
    texts = {*failures.MEANINGS.values(), "Show this message and exit."}
    for _, command in commands():
        texts.update(paragraphs(command.help))
        texts.update(option.help or "" for option in command.params if isinstance(option, click.Option))
    return texts - {""}


def said(path: Path) -> Iterator[str]:
    """Walk over the sentences a module says."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            spoken = node.args[SPOKEN[name] :][:1] if name in SPOKEN else []
            spoken += [keyword.value for keyword in node.keywords if name == "show_rows" and keyword.arg == "empty"]
            yield from constants(spoken)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id in TABLES:
                yield from constants(node.value.values)


def constants(nodes: list[ast.expr]) -> Iterator[str]:
    """Walk over the texts among expressions."""
    yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


class TestEveryCommand:
    @pytest.mark.parametrize(("name", "command"), EVERY)
    @pytest.mark.parametrize("language", ["en", "ja"])
    def test_help_ends_with_examples(self, bare: Kessetsu, name: str, command: Command | Group, language: str) -> None:
        """Help works without an instance, in both languages, and shows how the command is typed."""
        ran = bare(*name.split()[1:], "--help", "--lang", language)

        assert ran.code == 0, ran.err
        assert {"en": "Usage:", "ja": "使い方:"}[language] in ran.out
        assert {"en": "Examples:", "ja": "例:"}[language] in ran.out
        assert any(line.strip().startswith(name) or command is cli for line in ran.out.splitlines()[1:])

    @pytest.mark.parametrize(("name", "command"), EVERY)
    def test_examples_can_be_typed(self, name: str, command: Command | Group) -> None:
        """Every example is a command that exists, with options it takes and all that it requires."""
        assert command.examples, name
        for example in command.examples:
            words = shlex.split(example.replace("\\\n", " "))
            if words[0] == "kessetsu":
                assert_typed_rightly(words)

    def test_groups_need_a_command(self, bare: Kessetsu) -> None:
        """A group alone shows its help, and is a wrong command line."""
        ran = bare("member")

        assert ran.code == 2
        assert "contact" in ran.err

    def test_lines_fit_the_terminal(self, bare: Kessetsu) -> None:
        """Japanese lines are broken by the columns they take."""
        help_text = bare("init", "--help", "--lang", "ja").out.split("例:")[0]

        assert max(sum(2 if ord(letter) > 0x2E80 else 1 for letter in line) for line in help_text.splitlines()) <= 80


def assert_typed_rightly(words: list[str]) -> None:
    """Follow an example through the groups to its command and compare its options."""
    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, Group):
        command = command.commands[rest.pop(0)]
    options = {name: one for one in command.params if isinstance(one, click.Option) for name in one.opts}
    given = [options[word] for word in rest if word.startswith("--")]
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    values = len([one for one in given if not one.is_flag])
    assert {one for one in options.values() if one.required} <= set(given), words
    assert len([word for word in rest if not word.startswith("--")]) == values + len(arguments), words


class TestTranslations:
    def test_every_help_has_its_japanese(self) -> None:
        """None is missing, none is left over."""
        assert helped() - set(HELP) == set()
        assert set(HELP) - helped() == set()

    def test_every_sentence_has_its_japanese(self) -> None:
        """What the commands say is in the catalogue; what is in the catalogue is said."""
        sentences = {sentence for path in SOURCES for sentence in said(path)} | {
            line for _, line in failures._HEADLINES
        }
        layout = {"Options", "Commands", "Examples", "Exit codes", "required", "It is refused.", "got", "expected"}
        sentences |= layout | {"what to do"}

        assert sentences - set(MESSAGES) - {""} == set()
        assert set(MESSAGES) - sentences - OTHERS == set()

    @pytest.mark.parametrize("sentence", sorted(OTHERS))
    def test_others_still_say_it(self, sentence: str) -> None:
        """A sentence of another package that changed there would be said in English only."""
        product = Path(hub.cli.__file__).parents[1]
        raised = (path.read_text(encoding="utf-8") for path in product.rglob("*.py") if "cli" not in path.parts)

        assert any(sentence in text for text in raised)

    def test_same_values_in_both_languages(self) -> None:
        """A translation fills in exactly what the sentence does."""

        def fields(text: str) -> set[str]:
            return {name for _, name, _, _ in string.Formatter().parse(text) if name}

        assert {text for text, japanese in MESSAGES.items() if fields(text) != fields(japanese)} == set()

    def test_options_and_commands_keep_their_names(self) -> None:
        """What must be typed is not translated."""

        def typed(text: str) -> set[str]:
            return set(re.findall(r"--[a-z-]+|`kessetsu[^`]*`|KESSETSU_[A-Z]+", text))

        assert {text for text, japanese in (HELP | MESSAGES).items() if typed(text) != typed(japanese)} == set()


class TestLanguage:
    @pytest.mark.parametrize(
        ("arguments", "environment", "language"),
        [
            ([], {}, "en"),
            ([], {"LANG": "ja_JP.UTF-8"}, "ja"),
            ([], {"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
            ([], {"LANG": "en_GB.UTF-8", "LC_ALL": "ja_JP"}, "ja"),
            (["member", "list", "--lang", "ja"], {"LANG": "C"}, "ja"),
            (["--lang=en", "member"], {"LANG": "ja_JP.UTF-8"}, "en"),
            (["--lang", "fr"], {"LANG": "ja_JP.UTF-8"}, "ja"),
        ],
    )
    def test_option_before_environment(self, arguments: list[str], environment: dict[str, str], language: str) -> None:
        """``--lang`` wins over LC_ALL, and LC_ALL over LANG."""
        assert language_of(arguments, environment) == language


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "english", "japanese"),
        [
            (["nothing"], "No such command", "コマンド nothing はありません"),
            (["member", "add"], "Missing argument", "指定が足りません"),
            (["member", "list", "--colour"], "No such option", "オプション --colour はありません"),
            (["member", "list", "--standing", "asleep"], "Invalid value", "--standing は使えません"),
            (["holding", "end", "x", "--at", "now"], "Invalid value", "ID は使えません"),
        ],
    )
    def test_said_in_both_languages(self, bare: Kessetsu, arguments: list[str], english: str, japanese: str) -> None:
        """A wrong command line ends with 2, says what is wrong and where help is."""
        first, second = bare(*arguments), bare(*arguments, "--lang", "ja")

        assert (first.code, second.code) == (2, 2)
        assert english in first.err
        assert japanese.replace("--standing", "'--standing'").replace("ID は", "'ID' は") in second.err
        assert "--help" in first.err
        assert "--help" in second.err

    def test_no_settings(self, bare: Kessetsu) -> None:
        """Without settings the error says how to get some, to people and to scripts."""
        told = bare("member", "list")
        document = bare("member", "list", "--json").error

        assert told.code == 1
        assert "kessetsu init" in told.err
        assert (document["error"], document["exit_code"]) == ("bad-input", 1)

    def test_errors_in_japanese(self, bare: Kessetsu) -> None:
        """An error's parts are labelled in the language chosen."""
        told = bare("member", "list", "--lang", "ja").err

        assert told.startswith("エラー: 指定されたものは使えません。")
        assert "設定がありません。" in told
        assert "対処" in told


def test_help_loads_nothing_heavy() -> None:
    """Help answers at once because it needs none of what the commands do."""
    program = (
        "import sys; from hub.cli.main import run; from hub.cli.session import Session;"
        "assert run(['prefixes', 'import', '--help'], Session()) == 0;"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stderr.strip() == "[]"
