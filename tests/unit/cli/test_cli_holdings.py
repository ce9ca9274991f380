from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.vocabulary import CapacityKind
from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, log_of

SINCE = "2020-04-01T00:00:00+09:00"


def declared(kessetsu: Kessetsu, member: str, *network: str) -> str:
    """Declare a network and return the declaration's id."""
    ran = kessetsu("holding", "declare", member, *network, "--from", SINCE, "--json")
    assert ran.code == 0, ran.err
    return str(ran.document["id"])


class TestDeclare:
    def test_waits_for_an_officer(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A declaration is a proposal, dated as it was typed, and in the log."""
        party = instance.party("Example Net")

        holding = declared(kessetsu, "Example Net", "--prefix", "5.6.7.0/24", "--shared")

        (row,) = kessetsu("holding", "list", "--state", "proposed", "--json").document
        assert (row["id"], row["network"], row["shared"]) == (holding, "5.6.7.0/24", True)
        assert datetime.fromisoformat(row["valid_from"]) == datetime(2020, 3, 31, 15, tzinfo=UTC)
        assert log_of(instance)[-1] == ("holding-declared", {"holding": holding, "member": str(party.member_id)})

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            (["--prefix", "5.6.7.1/24", "--from", SINCE], 1),
            (["--prefix", "5.6.7.0", "--from", SINCE], 1),
            (["--asn", "0", "--from", SINCE], 1),
            (["--asn", "4294967296", "--from", SINCE], 1),
            (["--from", SINCE], 1),
            (["--asn", "64496", "--prefix", "5.6.7.0/24", "--from", SINCE], 1),
            (["--asn", "64496", "--from", SINCE, "--to", "2019-04-01T00:00:00+09:00"], 1),
            (["--asn", "64496", "--from", "2020-04-01"], 2),
            (["--asn", "64496", "--from", "2020-04-01T00:00:00"], 2),
            (["--asn", "64496"], 2),
        ],
    )
    def test_what_names_no_network_or_no_time(
        self, kessetsu: Kessetsu, instance: Instance, given: list[str], code: int
    ) -> None:
        """One network, whole, with a beginning that has a zone."""
        instance.party("Example Net")

        assert kessetsu("holding", "declare", "Example Net", *given).code == code
        assert kessetsu("holding", "list", "--json").document == []

    def test_the_same_twice(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """The same network for the same time is declared once."""
        instance.party("Example Net")
        declared(kessetsu, "Example Net", "--asn", "64496")

        assert kessetsu("holding", "declare", "Example Net", "--asn", "64496", "--from", SINCE).code == 1

    def test_who_operates_no_networks(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A maker holds nothing; the error names the kinds that can."""
        instance.party("Gadgets", CapacityKind.MAKER)

        ran = kessetsu("holding", "declare", "Gadgets", "--asn", "64496", "--from", SINCE)

        assert ran.code == 1
        assert "carrier" in ran.err


class TestReview:
    def test_shows_what_speaks_against_it(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Another member's same network, one within it, and the routing table's other origin are listed by name."""
        instance.prefixes({"5.6.7.0/24": 64500})
        instance.party("Holder Net", prefixes=["5.6.7.0/24", "5.6.7.128/25"])
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--prefix", "5.6.7.0/24")

        reviewed = kessetsu("holding", "review", holding, "--json").document

        found = {(one["kind"], one["member"], one["overlap"]) for one in reviewed["conflicts"]}
        assert found == {
            ("other-member", "Holder Net", "5.6.7.0/24"),
            ("sub-allocation", "Holder Net", "5.6.7.128/25"),
            ("routing-table", None, "5.6.7.0/24"),
        }
        shown = kessetsu("holding", "review", holding).out
        assert "another member holds the same" in shown
        assert "64,500" not in shown

    def test_nothing_speaks_against_it(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """An undisputed network says so."""
        instance.prefixes({"5.6.7.0/24": 64500})
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--asn", "64500")

        assert "Nothing speaks against it." in kessetsu("holding", "review", holding).out

    def test_unknown_id(self, kessetsu: Kessetsu) -> None:
        """An id of nothing is not found; text that is no id is a wrong command line."""
        assert kessetsu("holding", "review", uuid4()).code == 1
        assert kessetsu("holding", "review", "first").code == 2


class TestDecide:
    def test_approved_attributes_from_now_on(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """The officer and the reason are kept; addresses of it are the member's."""
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--prefix", "5.6.7.0/24")

        assert kessetsu("holding", "approve", holding, "--by", "H. Yamada", "--reason", "seen in registry").code == 0

        (row,) = kessetsu("holding", "list", "--json").document
        assert (row["state"], row["decided_by"], row["decision_reason"]) == (
            "approved", "H. Yamada", "seen in registry",
        )  # fmt: skip
        assert kessetsu("prefixes", "lookup", "5.6.7.9", "--json").document["member"] == "Example Net"
        assert log_of(instance)[-1][0] == "holding-approved"

    def test_what_two_hold_is_nobodys(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A network another member holds is approved only by somebody who says so."""
        instance.party("Holder Net", systems=[64496])
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--asn", "64496")
        approve = ("holding", "approve", holding, "--by", "H. Yamada", "--reason", "x")

        refused = kessetsu(*approve)

        assert refused.code == 1
        assert "Another member holds the same network" in refused.err
        assert "Holder Net" not in refused.err
        assert kessetsu(*approve, "--despite-conflicts").code == 0

    def test_rejected_once(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A decision is made once, and attributes nothing where it is no."""
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--prefix", "5.6.7.0/24")
        decision = (holding, "--by", "H. Yamada", "--reason", "not in registry")

        assert kessetsu("holding", "reject", *decision).code == 0
        assert kessetsu("holding", "reject", *decision).code == 1
        assert kessetsu("holding", "approve", *decision).code == 1
        assert kessetsu("prefixes", "lookup", "5.6.7.9", "--json").document["member"] is None


class TestEnd:
    def test_cut_short_only(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """An end is moved forward, never back; later addresses are nobody's."""
        party = instance.party("Example Net")
        holding = instance.hold(party, prefix="5.6.7.0/24")

        assert kessetsu("holding", "end", holding, "--at", "2026-06-01T00:00:00Z").code == 0
        assert kessetsu("holding", "end", holding, "--at", "2026-07-01T00:00:00Z").code == 1
        assert kessetsu("holding", "end", holding, "--at", "2019-07-01T00:00:00Z").code == 1
        assert kessetsu("holding", "end", holding, "--at", "2026-05-01T00:00:00Z").code == 0

        def member(at: str) -> object:
            return kessetsu("prefixes", "lookup", "5.6.7.9", "--at", at, "--json").document["member"]

        assert (member("2026-04-30T23:59:59Z"), member("2026-05-01T00:00:00Z")) == ("Example Net", None)

    def test_a_proposal_has_no_end_to_date(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """What is not in force cannot be ended."""
        instance.party("Example Net")
        holding = declared(kessetsu, "Example Net", "--asn", "64496")

        assert kessetsu("holding", "end", holding, "--at", "2026-06-01T00:00:00Z").code == 1
