import functools
import re
import subprocess
from pathlib import Path

import pytest

from tests.house_rules.rules import ROOT, Source, tracked

HEADINGS = ("Context", "Decision", "Consequences", "Alternatives", "What enforces it")
STATUSES = ("proposed", "accepted", "superseded by")


@functools.cache
def documents() -> tuple[Source, ...]:
    """Return every Markdown document of the project."""
    return tuple(source for source in tracked() if source.path.endswith(".md"))


def decisions() -> list[Path]:
    """Return the decision records, the template among them."""
    return sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def targets(makefile: str) -> set[str]:
    """Return the commands a makefile declares."""
    return set(re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[0].split())


def commands(text: str) -> set[str]:
    """Return the make targets that code in a document calls."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    return set(re.findall(r"(?:^|[`\s$;&])make\s+([a-z][a-z-]*)", code, re.MULTILINE))


def dead_links(source: Source) -> list[str]:
    """Return the links to files that are not there."""
    text = re.sub(r"```.*?```", "", source.text, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    return [link for link in local if not (ROOT / source.path).parent.joinpath(link).exists()]


class TestDecisions:
    def test_the_index_lists_every_record_by_its_title(self) -> None:
        """Who looks for a decision looks in one place."""
        index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
        listed = re.findall(r"^- \[(\d{4}): ([^\]]+)\]\((\d{4}-[a-z0-9-]+\.md)\)$", index, re.MULTILINE)
        there = [(path.name[:4], title_of(path), path.name) for path in decisions() if path.name != "0000-template.md"]

        assert listed == there

    def test_numbers_have_no_gap(self) -> None:
        """A number missing is a decision hidden."""
        assert [int(path.name[:4]) for path in decisions()] == list(range(len(decisions())))
        assert len(decisions()) > 9

    @pytest.mark.parametrize("path", decisions(), ids=lambda path: path.name)
    def test_a_record_says_all_there_is_to_say(self, path: Path) -> None:
        """Context, decision, price, what else was thought of, and what keeps it true; about a page."""
        text = path.read_text(encoding="utf-8")

        assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS
        assert re.search(rf"^Status: (?:{'|'.join(STATUSES)})", text, re.MULTILINE)
        assert text.count("\n") <= 80
        assert all(section.strip() for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


def title_of(path: Path) -> str:
    """Return a record's title, without its number."""
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix(f"# {path.name[:4]}: ")


class TestCommands:
    def test_help_lists_every_target(self) -> None:
        """A command nobody lists is a command nobody finds."""
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

        assert set(re.findall(r"^  make ([a-z]+) +\S", shown, re.MULTILINE)) == targets(makefile)
        assert {"demo", "test", "lint", "format", "bench", "soak", "lock", "help"} <= targets(makefile)

    @pytest.mark.parametrize("source", documents(), ids=lambda source: source.path)
    def test_a_document_s_commands_exist(self, source: Source) -> None:
        """What a reader is told to type works."""
        assert commands(source.text) <= targets((ROOT / "Makefile").read_text(encoding="utf-8"))

    def test_commands_are_found_in_code_only(self) -> None:
        """The check above sees commands, and not the verb."""
        assert commands("They make sure. `make test`, `KEEP=1 make demo`\n```\n$ make lock\n```\n") == {
            "test",
            "demo",
            "lock",
        }


class TestLinks:
    @pytest.mark.parametrize("source", documents(), ids=lambda source: source.path)
    def test_no_link_leads_nowhere(self, source: Source) -> None:
        """A document that points at ghosts is believed by nobody."""
        assert not dead_links(source)

    def test_a_dead_link_is_seen(self) -> None:
        """The check above finds what it looks for."""
        text = "[a](gone.md) [b](../README.md#x) [c](https://example.org/x) [d](LICENSE)"

        assert dead_links(Source("docs.md", text)) == ["gone.md", "../README.md"]
