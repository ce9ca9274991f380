from datetime import datetime, timedelta
from uuid import UUID

import pytest

from hub.members.holdings import HoldingConflict, conflicts
from tests.unit.attribution.building import DAY, START, holding, table_of

ALICE, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3))
ROUTES = table_of({"1.0.0.0/8": 100, "1.2.0.0/16": 200, "2400:100::/32": 100})


class TestPrefixes:
    def test_the_same_prefix_of_another_member_is_a_conflict(self) -> None:
        """Two members cannot operate one network at one time."""
        found = conflicts(holding("1.5.0.0/16", member=ALICE), [holding("1.5.0.0/16", member=BOB)], None)
        assert found == [HoldingConflict("other-member", BOB, None, "1.5.0.0/16")]

    @pytest.mark.parametrize(("mine", "theirs"), [("1.5.0.0/16", "1.5.6.0/24"), ("1.5.6.0/24", "1.5.0.0/16")])
    def test_nesting_either_way_is_shown_as_sub_allocation(self, mine: str, theirs: str) -> None:
        """The officer sees the inner prefix: it is the one that will win."""
        found = conflicts(holding(mine, member=ALICE), [holding(theirs, member=BOB)], None)
        assert found == [HoldingConflict("sub-allocation", BOB, None, "1.5.6.0/24")]

    def test_neighbours_and_the_other_family_are_none(self) -> None:
        """Only a common address makes a conflict; ::/16 holds no IPv4 address."""
        others = [holding("1.4.0.0/16", member=BOB), holding("::/16", member=BOB)]
        assert conflicts(holding("1.5.0.0/16", member=ALICE), others, None) == []

    def test_ones_own_holdings_are_none(self) -> None:
        """A member may declare parts of its network apart, and be asked twice about one holding."""
        mine = holding("1.5.0.0/16", member=ALICE)
        assert conflicts(mine, [mine, holding("1.5.0.0/17", member=ALICE)], None) == []

    def test_what_another_system_originates_is_shown_with_its_holder(self) -> None:
        """The routing table speaks against a claim on what others announce."""
        approved = [holding(100, member=ALICE), holding(200, member=BOB)]
        found = conflicts(holding("1.2.0.0/15", member=ALICE), approved, ROUTES)
        assert found == [HoldingConflict("routing-table", BOB, 200, "1.2.0.0/16")]

    def test_a_system_nobody_holds_has_no_holder(self) -> None:
        """The AS alone is shown."""
        found = conflicts(holding("2400:100:8::/48", member=ALICE), [], ROUTES)
        assert found == [HoldingConflict("routing-table", None, 100, "2400:100:8::/48")]

    def test_what_nobody_announces_is_shown(self) -> None:
        """An unrouted claim is possible, and for a person to judge."""
        found = conflicts(holding("9.0.0.0/8", member=ALICE), [], ROUTES)
        assert found == [HoldingConflict("routing-table", None, None, "9.0.0.0/8")]


class TestSystems:
    def test_the_same_as_of_another_member_is_a_conflict(self) -> None:
        """Two members cannot operate one AS at one time."""
        found = conflicts(holding(100, member=ALICE), [holding(100, member=BOB), holding(200, member=BOB)], ROUTES)
        assert found == [HoldingConflict("other-member", BOB, 100, None)]

    def test_an_as_that_announces_nothing_is_shown(self) -> None:
        """Perhaps the number is wrong."""
        assert conflicts(holding(300, member=ALICE), [], ROUTES) == [HoldingConflict("routing-table", None, 300, None)]

    def test_prefixes_others_declared_inside_it_are_shown(self) -> None:
        """They will win over the AS, so the officer should know."""
        found = conflicts(holding(200, member=ALICE), [holding("1.2.3.0/24", member=BOB)], ROUTES)
        assert found == [HoldingConflict("sub-allocation", BOB, 200, "1.2.3.0/24")]


class TestDates:
    @pytest.mark.parametrize(
        ("since", "until", "conflicting"),
        [
            (START - 2 * DAY, START, False),
            (START - 2 * DAY, START + timedelta(microseconds=1), True),
            (START + DAY, None, False),
            (START + DAY - timedelta(microseconds=1), None, True),
            (START - DAY, None, True),
        ],
    )
    def test_only_a_common_instant_makes_a_conflict(
        self, since: datetime, until: datetime | None, *, conflicting: bool
    ) -> None:
        """A network may change hands: the end of one is the beginning of the next."""
        mine = holding("1.5.0.0/16", member=ALICE, until=START + DAY)
        theirs = holding("1.5.0.0/16", member=BOB, since=since, until=until)
        assert bool(conflicts(mine, [theirs], None)) is conflicting

    def test_a_past_holder_of_the_as_is_no_longer_named(self) -> None:
        """Who holds the announcing AS is asked for the proposal's own time."""
        past = holding(200, member=CAROL, since=START - DAY, until=START)
        found = conflicts(holding("1.2.0.0/16", member=ALICE), [holding(200, member=BOB), past], ROUTES)
        assert [conflict.other_member_id for conflict in found] == [BOB]
