from pathlib import Path

import pytest

from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, log_of

SINCE = "2020-01-01T00:00:00Z"


def csv(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    """Write a file."""
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def members_file(path: Path, count: int) -> Path:
    """Write a file of members."""
    rows = (f"Net {number:04d},網 {number:04d},JP,ja,carrier,rules:2026-04,Officer {number}" for number in range(count))
    return csv(path, "name,name_ja,country,language,kind,agreement,accepted_by", *rows)


class TestFifteenHundred:
    def test_all_members_and_holdings_of_an_association(
        self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path
    ) -> None:
        """1,500 members join by one file, and so do their networks; each act is in the log."""
        count = 1_500
        rows = (f"Net {number:04d},{64512 + number},{SINCE},no" for number in range(count))
        networks = csv(tmp_path / "networks.csv", "member,asn,valid_from,shared", *rows)

        joined = kessetsu("member", "import", members_file(tmp_path / "members.csv", count), "--json")
        taken = kessetsu("holding", "import", networks, "--approve", "--by", "H. Yamada", "--json")

        assert (joined.code, taken.code) == (0, 0), joined.err + taken.err
        assert len(joined.document["ids"]) == count
        assert (taken.document["declared"], taken.document["approved"]) == (count, count)
        acts = [act for act, _ in log_of(instance)]
        assert {act: acts.count(act) for act in set(acts)} == {
            "member-added": count, "capacity-added": count, "agreement-accepted": count,
            "holding-declared": count, "holding-approved": count,
        }  # fmt: skip


class TestMembersFile:
    def test_one_wrong_line_and_nothing_is_taken(self, kessetsu: Kessetsu, tmp_path: Path) -> None:
        """Every fault is named by its line, and nobody joins."""
        file = csv(
            tmp_path / "m.csv", "name,kind,country", "Good Net,carrier,JP", "Bad Net,carrier,Japan",
            "Worse Net,wizard,JP", "Extra Net,carrier,JP,more", ",carrier,JP",
        )  # fmt: skip

        ran = kessetsu("member", "import", file, "--json")

        assert ran.code == 1
        assert [fault["where"] for fault in ran.error["faults"]] == ["line 3", "line 4", "line 5", "line 6"]
        assert kessetsu("member", "list", "--json").document == []

    def test_who_is_there_already(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """A name in the directory, or twice in the file, stops all of it."""
        instance.party("Good Net")
        file = csv(tmp_path / "m.csv", "name,kind", "New Net,carrier", "Good Net,carrier", "New Net,maker")

        ran = kessetsu("member", "import", file, "--json")

        assert [fault["where"] for fault in ran.error["faults"]] == ["line 3", "line 4"]
        assert [row["name"] for row in kessetsu("member", "list", "--json").document] == ["Good Net"]

    def test_as_spreadsheets_write_it(self, kessetsu: Kessetsu, tmp_path: Path) -> None:
        """A byte order mark, CRLF and quotes are what spreadsheets write; several kinds stand between blanks."""
        file = tmp_path / "m.csv"
        file.write_bytes('\ufeffname,kind\r\n"Net, Inc.",carrier vendor\r\n'.encode())

        assert kessetsu("member", "import", file).code == 0
        (row,) = kessetsu("member", "list", "--json").document
        assert (row["name"], row["kinds"]) == ("Net, Inc.", ["carrier", "vendor"])

    @pytest.mark.parametrize(
        ("lines", "encoding"),
        [
            (["name,kind", "エグザンプル,carrier"], "shift_jis"),
            (["name,role", "Net,carrier"], "utf-8"),
            (["name,name,kind", "Net,Net,carrier"], "utf-8"),
            (["name,kind"], "utf-8"),
            ([""], "utf-8"),
        ],
    )
    def test_file_that_is_none(self, kessetsu: Kessetsu, tmp_path: Path, lines: list[str], encoding: str) -> None:
        """Another encoding, other columns or no lines are refused with what is expected."""
        ran = kessetsu("member", "import", csv(tmp_path / "m.csv", *lines, encoding=encoding), "--json")

        assert (ran.code, ran.error["error"]) == (1, "bad-input")
        assert ran.error["expected"]

    def test_no_such_file(self, kessetsu: Kessetsu, tmp_path: Path) -> None:
        """A path of nothing is a wrong command line."""
        assert kessetsu("member", "import", tmp_path / "none.csv").code == 2


class TestHoldingsFile:
    def test_faults_by_line(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """Unknown members, networks others hold, broken networks and dates without zone are all named at once."""
        instance.party("Holder Net", systems=[64500])
        instance.party("Example Net")
        first = csv(
            tmp_path / "h.csv", "member,prefix,asn,valid_from,shared",
            f"Example Net,5.6.7.0/24,,{SINCE},yes",
            f"Example Net,5.6.7.1/24,,{SINCE},",
            "Example Net,,64496,2020-01-01,",
            f"Example Net,,64496,{SINCE},perhaps",
        )  # fmt: skip
        second = csv(
            tmp_path / "i.csv", "member,asn,valid_from",
            f"Nobody,64496,{SINCE}", f"Example Net,64500,{SINCE}", f"Example Net,AS64501,{SINCE}",
            f"Holder Net,64501,{SINCE}",
        )  # fmt: skip

        unreadable = kessetsu("holding", "import", first, "--json")
        untakable = kessetsu("holding", "import", second, "--approve", "--by", "H. Yamada", "--json")

        assert [fault["where"] for fault in unreadable.error["faults"]] == ["line 3", "line 4", "line 5"]
        assert [fault["where"] for fault in untakable.error["faults"]] == ["line 2", "line 3", "line 5"]
        assert len(kessetsu("holding", "list", "--json").document) == 1

    def test_again_after_it_has_grown(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """Lines taken before are passed over; proposals of it are approved when that is asked for."""
        instance.party("Example Net")
        head, one, two = "member,asn,valid_from", f"Example Net,64496,{SINCE}", f"Example Net,64497,{SINCE}"
        csv(tmp_path / "h.csv", head, one)
        kessetsu("holding", "import", tmp_path / "h.csv")
        csv(tmp_path / "h.csv", head, one, two)

        facts = kessetsu("holding", "import", tmp_path / "h.csv", "--approve", "--by", "H. Yamada", "--json").document

        assert (facts["declared"], facts["approved"], facts["already_there"]) == (1, 2, 1)
        again = kessetsu("holding", "import", tmp_path / "h.csv", "--approve", "--by", "H. Yamada", "--json").document
        assert (again["declared"], again["approved"], again["already_there"]) == (0, 0, 2)
        assert {row["state"] for row in kessetsu("holding", "list", "--json").document} == {"approved"}

    def test_what_the_routing_table_says_otherwise(
        self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path
    ) -> None:
        """A prefix that another AS originates is taken, and listed for the officer; what the own AS does is not."""
        instance.prefixes({"5.6.7.0/24": 64500, "5.6.8.0/24": 64496})
        instance.party("Example Net")
        file = csv(
            tmp_path / "h.csv", "member,prefix,asn,valid_from",
            f"Example Net,,64496,{SINCE}",
            f"Example Net,5.6.8.0/24,,{SINCE}",
            f"Example Net,5.6.7.0/24,,{SINCE}",
        )  # fmt: skip

        facts = kessetsu("holding", "import", file, "--approve", "--by", "H. Yamada", "--json").document

        assert facts["remarks"] == [
            {"line": 4, "kind": "routing-table", "asn": 64500, "overlap": "5.6.7.0/24"},
        ]  # fmt: skip

    def test_approval_has_a_name(self, kessetsu: Kessetsu, tmp_path: Path) -> None:
        """Nobody approves anonymously."""
        file = csv(tmp_path / "h.csv", "member,asn,valid_from")

        assert kessetsu("holding", "import", file, "--approve").code == 2
        assert kessetsu("holding", "import", file, "--by", "H. Yamada").code == 2
