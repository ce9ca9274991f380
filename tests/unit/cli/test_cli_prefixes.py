import gzip
from pathlib import Path

import pytest

from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, log_of

TABLE = b"5.6.7.0/24,64500,Example,JP\n2a0a::/32,64501,Sample,DE\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Give a small prefix table."""
    file = tmp_path / "table.csv"
    file.write_bytes(TABLE)
    return file


def take(kessetsu: Kessetsu, file: Path, at: str = "2026-01-01T00:00:00Z") -> int:
    """Import a table and return the exit code."""
    return kessetsu("prefixes", "import", file, "--valid-from", at, "--by", "ops").code


class TestImport:
    def test_in_force_from_its_moment_on(self, kessetsu: Kessetsu, instance: Instance, table: Path) -> None:
        """The version is listed with its counts and who brought it; the log names it by id."""
        ran = kessetsu("prefixes", "import", table, "--valid-from", "2026-01-01T00:00:00Z", "--by", "ops", "--json")

        assert ran.code == 0, ran.err
        assert (ran.document["prefixes_v4"], ran.document["prefixes_v6"], ran.document["systems"]) == (1, 1, 2)
        (row,) = kessetsu("prefixes", "list", "--json").document
        assert (row["source"], row["imported_by"], row["id"]) == ("table.csv", "ops", ran.document["id"])
        assert log_of(instance) == [("prefixes-imported", {"table": ran.document["id"]})]

    def test_the_same_file_twice(self, kessetsu: Kessetsu, instance: Instance, table: Path) -> None:
        """A file taken before changes nothing, whatever moment is named, and says so."""
        take(kessetsu, table)

        again = kessetsu("prefixes", "import", table, "--valid-from", "2026-02-01T00:00:00Z", "--by", "ops")

        assert (again.code, again.out) == (0, "This file was imported before; nothing was changed.\n")
        assert len(kessetsu("prefixes", "list", "--json").document) == 1
        assert len(log_of(instance)) == 1

    def test_two_versions_of_one_moment(self, kessetsu: Kessetsu, table: Path, tmp_path: Path) -> None:
        """Two tables cannot be in force from the same moment on."""
        take(kessetsu, table)
        other = tmp_path / "other.csv.gz"
        other.write_bytes(gzip.compress(b"5.6.8.0/24,64502\n"))

        assert take(kessetsu, other) == 1
        assert take(kessetsu, other, "2026-02-01T00:00:00Z") == 0

    @pytest.mark.parametrize(
        "content", [b"", b"# nothing\n", b"5.6.7.0/24,64500\n5.6.8.1/24,64500\n", TABLE * 2 + b"x"]
    )
    def test_empty_or_broken(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path, content: bytes) -> None:
        """What cannot be read whole is refused whole, and what is in force stays."""
        broken = tmp_path / "broken.csv"
        broken.write_bytes(content)

        assert take(kessetsu, broken) == 1
        assert kessetsu("prefixes", "list", "--json").document == []
        assert log_of(instance) == []

    @pytest.mark.parametrize("at", ["2026-01-01", "2026-01-01T00:00:00", "yesterday"])
    def test_moment_without_a_zone(self, kessetsu: Kessetsu, table: Path, at: str) -> None:
        """A moment that could be any of 24 is a wrong command line."""
        assert take(kessetsu, table, at) == 2


class TestLookup:
    def test_whose_an_address_was(self, kessetsu: Kessetsu, instance: Instance, table: Path) -> None:
        """System, country and member answer as of the moment asked; nothing of it is logged."""
        take(kessetsu, table)
        instance.party("Example Net", systems=[64500])
        before = log_of(instance)

        found = kessetsu("prefixes", "lookup", "5.6.7.8", "--json").document
        foreign = kessetsu("prefixes", "lookup", "2a0a::1", "--json").document
        early = kessetsu("prefixes", "lookup", "5.6.7.8", "--at", "2025-12-31T23:59:59Z", "--json").document
        unrouted = kessetsu("prefixes", "lookup", "9.9.9.9", "--json").document
        special = kessetsu("prefixes", "lookup", "192.168.1.1", "--json").document

        assert (found["asn"], found["country"], found["member"], found["outcome"]) == (
            64500, "JP", "Example Net", "member",
        )  # fmt: skip
        assert (foreign["asn"], foreign["member"], foreign["outcome"]) == (64501, None, "non-member")
        assert (early["asn"], early["table"]) == (None, None)
        assert (unrouted["outcome"], special["outcome"]) == ("unrouted", "special-use")
        assert log_of(instance) == before
        assert "AS64500" in kessetsu("prefixes", "lookup", "5.6.7.8").out

    def test_from_standard_input(
        self, kessetsu: Kessetsu, table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """An address that must not stay in the shell's history is read from standard input."""
        take(kessetsu, table)
        (tmp_path / "asked").write_text("5.6.7.8\n")
        with (tmp_path / "asked").open() as asked:
            monkeypatch.setattr("sys.stdin", asked)

            assert kessetsu("prefixes", "lookup", "-", "--json").document["asn"] == 64500

    def test_no_address(self, kessetsu: Kessetsu) -> None:
        """Text that is no address is refused."""
        assert kessetsu("prefixes", "lookup", "example.jp").code == 1
