from typing import Any
from uuid import UUID

import pytest

from hub.errors import NotAuthenticated
from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, log_of


def added(kessetsu: Kessetsu, name: str = "Example Net", *more: str) -> dict[str, Any]:
    """Add a carrier and return what the command said."""
    ran = kessetsu("member", "add", name, "--kind", "carrier", *more, "--json")
    assert ran.code == 0, ran.err
    facts: dict[str, Any] = ran.document
    return facts


class TestAdd:
    def test_joins_with_its_roles_and_agreement(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Member, capacities and agreement are there together, and the log tells of each by id and code."""
        facts = added(
            kessetsu, "Example Net", "--name-ja", "エグザンプルネット", "--kind", "vendor",
            "--agreement", "rules:2026-04", "--accepted-by", "J. Doe",
        )  # fmt: skip

        shown = kessetsu("member", "show", "Example Net", "--json").document
        assert shown["id"] == facts["id"]
        assert {one["kind"] for one in shown["capacities"]} == {"carrier", "vendor"}
        assert [(one["document"], one["version"]) for one in shown["agreements"]] == [("rules", "2026-04")]
        assert log_of(instance) == [
            ("member-added", {"member": facts["id"]}),
            ("capacity-added", {"capacity": facts["capacities"]["carrier"], "kind": "carrier", "member": facts["id"]}),
            ("capacity-added", {"capacity": facts["capacities"]["vendor"], "kind": "vendor", "member": facts["id"]}),
            ("agreement-accepted", {"member": facts["id"]}),
        ]

    def test_name_that_is_taken(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A second member of a name is refused, and nothing of it is kept or logged."""
        added(kessetsu)
        before = log_of(instance)

        ran = kessetsu("member", "add", "Example Net", "--kind", "vendor")

        assert ran.code == 1
        assert "got         Example Net" in ran.err
        assert "kessetsu member show" in ran.err
        assert log_of(instance) == before

    @pytest.mark.parametrize(
        "wrong",
        [
            ["--country", "Japan"],
            ["--language", "日本語"],
            ["--kind", "delegate"],
            ["--agreement", "rules:1"],
            ["--agreement", "rules", "--accepted-by", "J. Doe"],
            ["--accepted-by", "J. Doe"],
        ],
    )
    def test_value_nobody_could_use(self, kessetsu: Kessetsu, wrong: list[str]) -> None:
        """What is wrong is refused before anything is stored."""
        ran = kessetsu("member", "add", "Example Net", "--kind", "carrier", *wrong, "--json")

        assert (ran.code, ran.error["error"]) == (1, "bad-input")
        assert kessetsu("member", "list", "--json").document == []

    @pytest.mark.parametrize("name", ["", " Example", "a\x1b[2Jb", "x" * 201])
    def test_name_that_could_steer_a_terminal(self, kessetsu: Kessetsu, name: str) -> None:
        """A name is printable and of some length."""
        assert kessetsu("member", "add", name, "--kind", "carrier").code == 1


class TestList:
    def test_shows_who_takes_part_in_which_role(self, kessetsu: Kessetsu) -> None:
        """The table can be narrowed by standing and by role."""
        added(kessetsu, "A Net")
        added(kessetsu, "B Net", "--kind", "maker")
        kessetsu("member", "suspend", "A Net", "--reason", "test")

        assert [row["name"] for row in kessetsu("member", "list", "--json").document] == ["A Net", "B Net"]
        narrowed = kessetsu("member", "list", "--standing", "suspended", "--json").document
        assert [row["name"] for row in narrowed] == ["A Net"]
        assert [row["name"] for row in kessetsu("member", "list", "--kind", "maker", "--json").document] == ["B Net"]

    def test_a_table_for_people(self, kessetsu: Kessetsu) -> None:
        """Without --json there are headings and columns; an empty list says so."""
        assert "There are no such members." in kessetsu("member", "list").out
        added(kessetsu)

        first, second = kessetsu("member", "list").out.splitlines()

        assert first.split()[:1] == ["name"]
        assert second.startswith("Example Net")

    def test_the_table_in_japanese(self, kessetsu: Kessetsu) -> None:
        """Headings follow the language; columns stay aligned where characters take two."""
        added(kessetsu, "Example Net", "--name-ja", "エグザンプルネット")

        heading, row = kessetsu("member", "list", "--lang", "ja").out.splitlines()

        assert heading.startswith("名称")
        assert "エグザンプルネット" in row


class TestStanding:
    def test_suspended_and_back(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A change is in force at once, says why, and is in the log by code."""
        member = added(kessetsu)["id"]

        assert kessetsu("member", "suspend", "Example Net", "--reason", "agreement under review").code == 0
        shown = kessetsu("member", "show", member, "--json").document
        assert (shown["standing"], shown["standing_reason"]) == ("suspended", "agreement under review")
        assert kessetsu("member", "reinstate", "Example Net", "--reason", "done").code == 0
        assert log_of(instance)[-2:] == [
            ("standing-changed", {"member": member, "standing": "suspended"}),
            ("standing-changed", {"member": member, "standing": "active"}),
        ]

    def test_no_change_is_refused(self, kessetsu: Kessetsu) -> None:
        """Suspending twice says so instead of writing a second date."""
        added(kessetsu)
        kessetsu("member", "suspend", "Example Net", "--reason", "a")

        ran = kessetsu("member", "suspend", "Example Net", "--reason", "b", "--json")

        assert (ran.code, ran.error["error"], ran.error["got"]) == (1, "conflict", "suspended")

    def test_who_leaves_loses_its_tokens(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """After leaving, and after coming back, no old token opens anything."""
        added(kessetsu)
        issued = kessetsu(
            "token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--show", "--json"
        ).document
        assert instance.hub.authenticate(issued["token"]).credential_id == UUID(issued["id"])

        kessetsu("member", "leave", "Example Net", "--reason", "merged")
        kessetsu("member", "reinstate", "Example Net", "--reason", "came back")

        with pytest.raises(NotAuthenticated):
            instance.hub.authenticate(issued["token"])
        assert [act for act, _ in log_of(instance)][-3:] == ["standing-changed", "token-revoked", "standing-changed"]

    def test_nobody_knows_the_member(self, kessetsu: Kessetsu) -> None:
        """The error says how to find members."""
        ran = kessetsu("member", "suspend", "Nobody", "--reason", "x")

        assert ran.code == 1
        assert "There is no such member." in ran.err
        assert "kessetsu member list" in ran.err


class TestCapacity:
    def test_a_delegate_acts_for_an_operator_until_a_date(self, kessetsu: Kessetsu) -> None:
        """The delegation names the operator's own capacity."""
        operator = added(kessetsu, "Example Net")["capacities"]["carrier"]
        kessetsu("member", "add", "Sample Security", "--kind", "vendor")

        ran = kessetsu(
            "member", "capacity", "add", "Sample Security", "delegate",
            "--delegator", "Example Net", "--to", "2030-04-01T00:00:00+09:00", "--json",
        )  # fmt: skip

        assert ran.code == 0, ran.err
        found = kessetsu("member", "show", "Sample Security", "--json").document["capacities"]
        assert [one["delegator_id"] for one in found if one["kind"] == "delegate"] == [operator]

    @pytest.mark.parametrize(
        "given",
        [
            ["delegate", "--to", "2030-04-01T00:00:00+09:00"],
            ["delegate", "--delegator", "Example Net"],
            ["maker", "--delegator", "Example Net"],
            ["delegate", "--delegator", "Example Net", "--to", "2020-04-01T00:00:00+09:00"],
            ["delegate", "--delegator", "Sample Security", "--to", "2030-04-01T00:00:00+09:00"],
            ["vendor"],
        ],
    )
    def test_what_makes_no_sense(self, kessetsu: Kessetsu, given: list[str]) -> None:
        """No delegate without operator and end, no operator for others, no role twice."""
        added(kessetsu, "Example Net")
        kessetsu("member", "add", "Sample Security", "--kind", "vendor")

        assert kessetsu("member", "capacity", "add", "Sample Security", *given).code == 1


class TestContacts:
    def test_a_person_with_service_hours(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Days are spelled out; the log names the contact by id, not the person."""
        added(kessetsu)

        ran = kessetsu(
            "member", "contact", "add", "Example Net", "--role", "officer", "--name", "山田 花子",
            "--email", "yamada@example.jp", "--hours", "mon-tue=09:00-17:30", "--zone", "Asia/Tokyo", "--json",
        )  # fmt: skip

        assert ran.code == 0, ran.err
        (found,) = kessetsu("member", "contact", "list", "Example Net", "--json").document
        assert found["service_hours"] == {
            "zone": "Asia/Tokyo", "mon": ["09:00", "17:30"], "tue": ["09:00", "17:30"],
        }  # fmt: skip
        act, subjects = log_of(instance)[-1]
        assert (act, sorted(subjects)) == ("contact-added", ["contact", "member"])

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            (["--email", "nobody"], 1),
            (["--hours", "mon=09:00-17:30", "--zone", "Asia/Kyoto"], 1),
            (["--hours", "mon=09:00-17:30"], 2),
            (["--hours", "mon=17:30-09:00", "--zone", "Asia/Tokyo"], 2),
            (["--hours", "someday", "--zone", "Asia/Tokyo"], 2),
        ],
    )
    def test_what_cannot_be_used(self, kessetsu: Kessetsu, changes: list[str], code: int) -> None:
        """A wrong mail address, zone or time is refused."""
        added(kessetsu)
        given = ["--role", "abuse", "--name", "Abuse desk", "--email", "abuse@example.jp", *changes]

        assert kessetsu("member", "contact", "add", "Example Net", *given).code == code
        assert kessetsu("member", "contact", "list", "Example Net", "--json").document == []


class TestAgreement:
    def test_accepted_once_per_version(self, kessetsu: Kessetsu) -> None:
        """The same version a second time is refused; the next one is not."""
        added(kessetsu)
        accept = ("member", "agreement", "accept", "Example Net")

        assert kessetsu(*accept, "rules:2026-04", "--by", "J. Doe").code == 0
        assert kessetsu(*accept, "rules:2026-04", "--by", "J. Doe").code == 1
        assert kessetsu(*accept, "rules:2027-04", "--by", "J. Doe").code == 0
