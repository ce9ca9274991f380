import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import kessetsu_client
from kessetsu_client.cli import failures, main
from kessetsu_client.cli.catalogue import language_of
from kessetsu_client.cli.catalogue_ja import HELP, MESSAGES
from kessetsu_client.cli.failures import MEANINGS
from kessetsu_client.cli.speaking import Command, first_paragraph
from tests.unit.client.small_hub import Run

PACKAGE = Path(kessetsu_client.__file__).parent
STATED = ("--kind", "attack", "--basis", "self-defence", "--purpose", "attack-response")
STATED += ("--class", "attack-traffic", "--mandate", "M-1")


def commands(
    command: click.Command = main.cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Go through every command and group."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


ALL = list(commands(main.cli))


class TestHelp:
    @pytest.mark.parametrize("path", [path for path, _ in ALL], ids=" ".join)
    @pytest.mark.parametrize("language", ["en", "ja"])
    def test_every_command_explains_itself(self, run: Run, path: tuple[str, ...], language: str) -> None:
        """Help is there for every command in both languages, and fits a terminal of 80 columns but for words."""
        code, out, err = run(*path, "--help", "--lang", language)
        assert (code, err) == (0, "")
        assert ("使い方:" in out) == (language == "ja")
        assert f"kessetsu-client {' '.join(path)}".strip() in out

    @pytest.mark.parametrize("path", [path for path, command in ALL if isinstance(command, Command)], ids=" ".join)
    def test_every_command_shows_examples_of_itself(self, path: tuple[str, ...]) -> None:
        """An example is of the command it stands under, and click can read its options."""
        command = dict(ALL)[path]
        assert isinstance(command, Command)
        assert command.examples
        for example in command.examples:
            words = example.replace("\\\n", " ").split()
            assert words[: len(path) + 1] == ["kessetsu-client", *path]
            options = {word for word in words if word.startswith("-")}
            assert options <= {option for param in command.params for option in param.opts}

    def test_exit_codes_are_documented(self, run: Run) -> None:
        """Scripts find the meaning of every code in the help."""
        out = run("--help")[1]
        for code, meaning in MEANINGS.items():
            assert re.search(rf"^ *{code}  {re.escape(meaning)}$", out, re.MULTILINE)

    def test_without_a_command_help_is_shown_as_an_error(self, run: Run) -> None:
        """A script that forgot the command does not go on."""
        code, out, err = run()
        assert (code, out) == (2, "")
        assert "Commands:" in err


class TestJapanese:
    def test_every_help_text_is_translated(self) -> None:
        """Each paragraph, option and exit code has its Japanese, and none is left over."""
        said = set(MEANINGS.values()) | {"Show this message and exit."}
        for _, command in ALL:
            said |= {" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")}
            said |= {param.help for param in command.params if isinstance(param, click.Option) and param.help}
            assert first_paragraph(command.help) in HELP
        assert said == set(HELP)

    def test_every_message_is_translated(self) -> None:
        """Each sentence the program says has its Japanese with the same blanks to fill, and none is left over."""
        from_click = {"Options", "Commands", "Positional arguments", "required"}
        from_errors = {headline for _, _, headline in failures._TOLD} | {"Something failed on this machine."}
        tables = {"Examples", "Exit codes", "expected", "got", "what to do", "try again in", "request"}
        said = set().union(*(sentences(path) for path in PACKAGE.rglob("*.py")))
        assert said <= set(MESSAGES)
        assert set(MESSAGES) <= said | from_click | from_errors | tables
        for english, japanese in MESSAGES.items():
            blanks = re.compile(r"\{[^}]*\}")
            assert sorted(blanks.findall(english)) == sorted(blanks.findall(japanese))

    @pytest.mark.parametrize(
        ("arguments", "environment", "language"),
        [
            ([], {}, "en"),
            ([], {"LANG": "ja_JP.UTF-8"}, "ja"),
            ([], {"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
            ([], {"LANG": "C", "LC_MESSAGES": "ja_JP.eucJP"}, "ja"),
            ([], {"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
            (["me", "--lang", "en"], {"LANG": "ja_JP.UTF-8"}, "en"),
            (["--lang=ja", "me"], {}, "ja"),
            (["--lang"], {}, "en"),
        ],
    )
    def test_language_is_chosen_as_posix_says(
        self, arguments: list[str], environment: dict[str, str], language: str
    ) -> None:
        """--lang, then LC_ALL, LC_MESSAGES, LANG; an empty variable is not set."""
        assert language_of(arguments, environment) == language

    def test_results_errors_and_reasons_are_in_japanese(
        self, run: Run, attack: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the account's language, without an option."""
        monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
        assert "受理行数" in run("push", attack, *STATED)[1]
        assert "貴社の網" in run("inbox", "get", "p-1")[1]
        assert "見つからない" in run("inbox", "get", "p-9")[2]
        assert "指定が足りません" in run("push", attack)[2]
        assert "オプション --nosuch はありません" in run("me", "--nosuch")[2]

    @pytest.mark.parametrize("encoding", ["ascii", "euc_jp"])
    def test_a_terminal_that_cannot_show_it_does_not_stop_the_command(self, encoding: str) -> None:
        """What an encoding lacks is shown as an escape."""
        done = subprocess.run(
            [sys.executable, "-m", "kessetsu_client", "--help", "--lang", "ja"],
            capture_output=True,
            env={"PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": encoding},
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")


def sentences(path: Path) -> set[str]:
    """Return every literal that a file gives to say()."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            said = node.func.id == "say"
            listed = node.func.id == "map" and isinstance(node.args[0], ast.Name) and node.args[0].id == "say"
            literals = node.args[:1] if said else node.args[1:] if listed else []
            inside = (part for literal in literals for part in ast.walk(literal))
            found |= {part.value for part in inside if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found
