import ast
import re
from pathlib import Path

import click

import kessetsu_client
from kessetsu_client.cli import main
from kessetsu_client.cli.failures import MEANINGS
from tests.unit.client.test_client_connection import operations

README = (Path(kessetsu_client.__file__).parents[1] / "README.md").read_text()


class TestReadme:
    def test_every_command_shown_is_one(self) -> None:
        """What a reader copies, the command line understands."""
        shown = re.findall(r"^    (kessetsu-client .*(?:\\\n.*)*)", README, re.MULTILINE)
        assert len(shown) > 5
        for line in shown:
            words = line.replace("\\\n", " ").split()[1:]
            command: click.Command = main.cli
            while isinstance(command, click.Group):
                command = command.commands[words.pop(0)]
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options

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
