from datetime import timedelta
from uuid import UUID, uuid4

import polars as pl
import pytest

from hub.attribution.networks import Located, Networks
from hub.records import Recipient
from hub.vocabulary import SourceOutcome
from tests.unit.attribution.building import DAY, START, dated, holding, records_of

ALICE, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3))
ROUTES = {"1.0.0.0/8": 100, "2.0.0.0/8": 200, "2400:100::/32": 100, "10.0.0.0/8": 100, "192.175.48.0/24": 112}


def where(located: Located) -> list[tuple[str, UUID | None, int]]:
    """Return of each record the outcome, the member and the AS."""
    members = [recipient.member_id for recipient in located.recipients]
    rows = located.records.select("outcome", "recipient", "asn").iter_rows()
    return [
        (SourceOutcome(outcome).name, None if recipient == -1 else members[recipient], asn)
        for outcome, recipient, asn in rows
    ]


class TestOutcomes:
    def test_every_record_ends_in_one_of_four(self) -> None:
        """Member's, non-member's with its AS, unrouted, special use; both families alike."""
        networks = Networks([dated(ROUTES)], [holding(100, member=ALICE)])
        sources = ["1.2.3.4", "2400:100::1", "2.3.4.5", "3.0.0.1", "10.0.0.1", "2400:101::1"]
        assert where(networks.locate(records_of(sources))) == [
            ("MEMBER", ALICE, 100),
            ("MEMBER", ALICE, 100),
            ("NON_MEMBER", None, 200),
            ("UNROUTED", None, 0),
            ("SPECIAL_USE", None, 0),
            ("UNROUTED", None, 0),
        ]

    def test_columns_have_the_stated_types(self) -> None:
        """What is appended is what the records' documentation says."""
        found = Networks([dated(ROUTES)], [holding(100, member=ALICE)]).locate(records_of(["1.2.3.4"]))
        assert found.records.select("outcome", "recipient", "asn").schema == {
            "outcome": pl.UInt8,
            "recipient": pl.Int32,
            "asn": pl.UInt32,
        }

    def test_special_use_is_never_a_members_whatever_was_declared(self) -> None:
        """Behind carrier-grade NAT every carrier has the same addresses."""
        declared = [holding("100.64.0.0/10", member=ALICE), holding(112, member=BOB)]
        networks = Networks([dated(ROUTES)], declared)
        assert where(networks.locate(records_of(["100.64.0.1", "192.175.48.1"]))) == [
            ("SPECIAL_USE", None, 0),
            ("SPECIAL_USE", None, 0),
        ]

    def test_no_records_have_no_recipients(self) -> None:
        """An empty frame is answered with an empty frame."""
        found = Networks([dated(ROUTES)], [holding(100, member=ALICE)]).locate(records_of([]))
        assert found.records.height == 0
        assert (found.recipients, found.table_ids, found.undecided) == ((), (), 0)


class TestDeclarations:
    def test_a_declared_prefix_wins_over_the_table(self) -> None:
        """The operator knows better than the routing table, routed or not; the AS stays the table's."""
        networks = Networks(
            [dated(ROUTES)],
            [holding(100, member=ALICE), holding("1.2.0.0/16", member=BOB), holding("3.0.0.0/24", member=CAROL)],
        )
        assert where(networks.locate(records_of(["1.2.0.1", "1.3.0.1", "3.0.0.1", "3.0.1.1"]))) == [
            ("MEMBER", BOB, 100),
            ("MEMBER", ALICE, 100),
            ("MEMBER", CAROL, 0),
            ("UNROUTED", None, 0),
        ]

    def test_sub_allocations_win_by_longest_match(self) -> None:
        """Among declared prefixes the most specific one answers, beyond /64 too."""
        networks = Networks(
            [dated(ROUTES)],
            [
                holding("2400:100::/32", member=ALICE),
                holding("2400:100::8:0/112", member=BOB),
                holding("2400:100::8:1/128", member=CAROL),
            ],
        )
        sources = ["2400:100::1", "2400:100::8:0", "2400:100::8:1", "2400:100::9:0"]
        assert [member for _, member, _ in where(networks.locate(records_of(sources)))] == [ALICE, BOB, CAROL, ALICE]

    def test_what_two_members_hold_at_once_is_nobodys(self) -> None:
        """Rather nobody is told than the wrong one; a wider declaration does not step in."""
        networks = Networks(
            [dated(ROUTES)],
            [
                holding(100, member=ALICE),
                holding(200, member=ALICE),
                holding(200, member=BOB),
                holding("1.2.0.0/16", member=BOB),
                holding("1.2.0.0/16", member=CAROL),
            ],
        )
        assert where(networks.locate(records_of(["2.0.0.1", "1.2.0.1", "1.3.0.1"]))) == [
            ("NON_MEMBER", None, 200),
            ("NON_MEMBER", None, 100),
            ("MEMBER", ALICE, 100),
        ]

    def test_one_member_in_two_capacities_is_no_conflict(self) -> None:
        """The declaration in force for longer names the capacity."""
        late, early = uuid4(), uuid4()
        networks = Networks(
            [dated(ROUTES)],
            [
                holding(100, member=ALICE, capacity=late, since=START + timedelta(hours=1)),
                holding(100, member=ALICE, capacity=early),
            ],
        )
        assert networks.locate(records_of(["1.0.0.1"])).recipients == (Recipient(early, ALICE),)

    def test_an_as_the_table_does_not_know_attributes_nothing(self) -> None:
        """A held AS without routes, above or below all others, is harmless."""
        declared = [holding(asn, member=BOB) for asn in (1, 150, 4_294_967_295)]
        networks = Networks([dated(ROUTES)], declared)
        assert where(networks.locate(records_of(["1.0.0.1", "3.0.0.1"]))) == [
            ("NON_MEMBER", None, 100),
            ("UNROUTED", None, 0),
        ]


class TestShared:
    def test_shared_space_is_told_by_the_holding_that_answered(self) -> None:
        """A declared pool behind carrier-grade NAT inside an AS is shared, the rest of the AS is not."""
        networks = Networks(
            [dated(ROUTES)], [holding(100, member=ALICE), holding("1.2.0.0/16", member=ALICE, shared=True)]
        )
        assert networks.locate(records_of(["1.2.0.1", "1.3.0.1"])).records["shared"].to_list() == [True, False]

    def test_a_whole_as_can_be_shared(self) -> None:
        """So can single declared prefixes take themselves out of it."""
        networks = Networks(
            [dated(ROUTES)], [holding(100, member=ALICE, shared=True), holding("1.2.0.0/16", member=ALICE)]
        )
        assert networks.locate(records_of(["1.2.0.1", "1.3.0.1"])).records["shared"].to_list() == [False, True]


class TestTime:
    def test_each_record_is_judged_as_of_its_own_time(self) -> None:
        """A prefix that changed hands at noon is the one's before and the other's from noon on."""
        noon = START + DAY
        networks = Networks(
            [dated(ROUTES)], [holding(100, member=ALICE, until=noon), holding(100, member=BOB, since=noon)]
        )
        instants = [noon - timedelta(microseconds=1), noon, noon - DAY, noon + DAY]
        found = networks.locate(records_of(["1.0.0.1"] * 4, instants))
        assert [member for _, member, _ in where(found)] == [ALICE, BOB, ALICE, BOB]

    def test_the_newest_table_in_force_answers(self) -> None:
        """A version answers from its date on; what it says later does not change earlier records."""
        first, second = dated({"1.0.0.0/8": 100}), dated({"1.0.0.0/8": 200}, START + 2 * DAY)
        networks = Networks([second, first], [holding(200, member=BOB)])
        found = networks.locate(records_of(["1.0.0.1"] * 3, [START, START + 2 * DAY, START + 3 * DAY]))
        assert where(found) == [("NON_MEMBER", None, 100), ("MEMBER", BOB, 200), ("MEMBER", BOB, 200)]
        assert found.table_ids == (first.id, second.id)
        assert found.table is second.table

    def test_only_versions_that_answered_are_named(self) -> None:
        """A later version that no record asked for is not among them."""
        first, second = dated(ROUTES), dated(ROUTES, START + 9 * DAY)
        assert Networks([first, second], []).locate(records_of(["1.0.0.1"])).table_ids == (first.id,)

    def test_records_before_the_first_table_are_counted(self) -> None:
        """Without a table only declarations and special use answer; the rest waits for a person."""
        early = START - DAY
        networks = Networks([dated(ROUTES)], [holding("1.2.0.0/16", member=ALICE, since=early)])
        sources = ["1.2.0.1", "1.3.0.1", "10.0.0.1", "1.3.0.1"]
        found = networks.locate(records_of(sources, [early, early, early, START]))
        assert where(found) == [
            ("MEMBER", ALICE, 0),
            ("UNROUTED", None, 0),
            ("SPECIAL_USE", None, 0),
            ("NON_MEMBER", None, 100),
        ]
        assert found.undecided == 1

    @pytest.mark.parametrize("changes", [0, 40])
    def test_more_changes_than_are_kept_in_memory_answer_the_same(self, changes: int) -> None:
        """The cache of compiled stretches is bounded and invisible."""
        others = [holding(200, member=BOB, since=START + timedelta(hours=hour)) for hour in range(changes)]
        networks = Networks([dated(ROUTES)], [holding(100, member=ALICE), *others])
        instants = [START + timedelta(hours=number % 50) for number in range(500)]
        for _ in range(2):
            found = networks.locate(records_of(["1.0.0.1"] * 500, instants))
            assert {member for _, member, _ in where(found)} == {ALICE}
            assert found.records["row"].to_list() == list(range(1, 501))


class TestRecipients:
    def test_only_those_that_occur_are_named_in_the_order_of_their_ids(self) -> None:
        """The same report gives the same recipients whatever order holdings were read in."""
        holdings = [holding(asn, member=member) for asn, member in ((200, CAROL), (100, BOB), (300, ALICE))]
        sources = ["2.0.0.1", "1.0.0.1", "3.0.0.1"]
        expected = (Recipient(BOB, BOB), Recipient(CAROL, CAROL))
        for order in (holdings, holdings[::-1]):
            found = Networks([dated(ROUTES)], order).locate(records_of(sources))
            assert found.recipients == expected
            assert found.records["recipient"].to_list() == [1, 0, -1]
