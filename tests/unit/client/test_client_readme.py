import ast
import re
from pathlib import Path

import click

import kessetsu_client
from hub.intake.envelope import read_envelope
from kessetsu_client.cli import main
from kessetsu_client.cli.failures import MEANINGS
from kessetsu_client.cli.push import push
from kessetsu_client.cli.speaking import Command
from tests.unit.client.small_hub import Hub, Run, multipart
from tests.unit.client.test_client_connection import operations

README = (Path(kessetsu_client.__file__).parents[1] / "README.md").read_text()
SHOWN = re.findall(r"^    (kessetsu-client (?:.*\\\n)*.*)", README, re.MULTILINE)


def split(line: str) -> list[str]:
    """Return the arguments of a command as it is typed."""
    return line.replace("\\\n", " ").split()[1:]


class TestReadme:
    def test_every_command_shown_is_one(self) -> None:
        """What a reader copies, the command line understands."""
        assert len(SHOWN) > 5
        for line in SHOWN:
            words = split(line)
            command: click.Command = main.cli
            while isinstance(command, click.Group):
                command = command.commands[words.pop(0)]
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options

    def test_every_push_shown_is_one_the_hub_takes(self, run: Run, hub: Hub, tmp_path: Path) -> None:
        """An example that the hub refuses teaches the wrong thing: the hub itself reads what each one states."""
        (tmp_path / "attack.csv").write_text("src_ip,first_seen\n192.0.2.1,2026-01-31T00:00:00Z\n")
        assert isinstance(push, Command)
        shown = [*SHOWN, *(line for line in push.examples if "--envelope" not in line)]
        pushes = [words for line in shown if (words := split(line))[0] == "push"]
        assert len(pushes) == 2
        for words in pushes:
            assert run(*words)[0] == 0
            [(_, _, statement), _] = multipart(hub.seen[-1].headers["content-type"], hub.seen[-1].body)
            assert read_envelope(statement).vectors == ("syn-flood",)

    def test_every_method_is_listed_and_every_listed_one_is_there(self) -> None:
        """The table of methods is the client's own."""
        table = README.partition("| what it is about")[2].partition("\n\n")[0]
        assert set(re.findall(r"`(\w+)`", table)) == set(operations(kessetsu_client.Client))

    def test_every_exit_code_is_listed(self) -> None:
        """The table of exit codes is the program's own."""
        assert {int(code) for code in re.findall(r"^\| (\d) \|", README, re.MULTILINE)} == set(MEANINGS)

    def test_the_program_shown_is_one(self) -> None:
        """The example in Python can be compiled, and names only what there is."""
        [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for name in re.findall(r"hub\.(\w+)\(", code):
            assert name in operations(kessetsu_client.Client)
