from uuid import UUID, uuid4

import polars as pl

from hub.attribution.networks import DatedTable, Networks
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.attribution.step import attribute
from hub.records import Recipient
from hub.vocabulary import HoldReason, Mark, ReportKind, SourceOutcome
from tests.unit.attribution.building import DAY, START, dated, holding, records_of, report_of

ALICE, BOB = UUID(int=1), UUID(int=2)


class TestAttribute:
    def test_records_keep_their_columns_and_gain_the_four(self) -> None:
        """What went in comes out unchanged, with outcome, recipient, AS and marks."""
        records = records_of(["1.0.0.1", "2.0.0.1"], protocol=17, packets=3)
        networks = Networks([dated({"1.0.0.0/8": 100})], [holding(100, member=ALICE, shared=True)])
        report = report_of(records)
        found = attribute(report, networks)
        assert found.report is report
        assert found.records.select(records.columns).equals(records)
        assert found.records.drop(records.columns).to_dict(as_series=False) == {
            "outcome": [SourceOutcome.MEMBER, SourceOutcome.UNROUTED],
            "recipient": [0, -1],
            "asn": [100, 0],
            "marks": [Mark.SPOOFABLE | Mark.SHARED_ADDRESS, Mark.SPOOFABLE],
        }
        assert found.records.schema["marks"] == pl.UInt8
        assert found.recipients == (Recipient(ALICE, ALICE),)
        assert found.hold is None

    def test_countries_of_the_systems_that_occur_are_named(self) -> None:
        """Members' and others' alike; of ASes that do not occur nothing is said."""
        rows = read_prefix_file(b"1.0.0.0/8,100,A,JP\n2.0.0.0/8,200,B,DE\n3.0.0.0/8,300,C,US\n4.0.0.0/8,400,D,\n")
        networks = Networks([DatedTable(uuid4(), START, PrefixTable.build(rows))], [holding(100, member=ALICE)])
        found = attribute(report_of(records_of(["1.0.0.1", "2.0.0.1", "4.0.0.1", "10.0.0.1"])), networks)
        assert found.countries == {100: "JP", 200: "DE"}

    def test_the_reports_kind_and_vectors_decide_marks(self) -> None:
        """An open resolver found by asking is a reflector and no forgery."""
        records = records_of(["1.0.0.1"], protocol=17, src_port=53, dst_port=4242)
        networks = Networks([dated({"1.0.0.0/8": 100})], [])
        found = attribute(report_of(records, ReportKind.VULNERABLE, ()), networks)
        assert found.records["marks"].to_list() == [Mark.REFLECTOR]

    def test_the_same_report_gives_the_same_answer(self) -> None:
        """Nothing depends on the order holdings were read in or on earlier questions."""
        holdings = [holding(100, member=BOB), holding("1.1.0.0/16", member=ALICE)]
        tables = [dated({"1.0.0.0/8": 100})]
        report = report_of(records_of(["1.0.0.1", "1.1.0.1"] * 10))
        first, second = (attribute(report, Networks(tables, order)) for order in (holdings, holdings[::-1]))
        assert first.recipients == second.recipients == (Recipient(ALICE, ALICE), Recipient(BOB, BOB))
        assert first.records.equals(second.records)


class TestHold:
    def test_without_a_table_in_force_a_person_decides(self) -> None:
        """A report from before the first table is held, not delivered by guess."""
        networks = Networks([dated({"1.0.0.0/8": 100}, START + 5 * DAY)], [])
        assert attribute(report_of(records_of(["1.0.0.1"])), networks).hold is HoldReason.NO_PREFIX_TABLE

    def test_what_needs_no_table_needs_no_hold(self) -> None:
        """Declared and special-use sources are decided without a routing table."""
        networks = Networks([], [holding("1.0.0.0/8", member=ALICE)])
        found = attribute(report_of(records_of(["1.0.0.1", "10.0.0.1"])), networks)
        assert found.hold is None
        assert found.records["recipient"].to_list() == [0, -1]

    def test_forged_sources_are_held(self) -> None:
        """A report of random sources waits for an officer, with the figures."""
        networks = Networks([dated({f"{first}.0.0.0/8": first for first in range(1, 200)})], [holding(5, member=ALICE)])
        sources = [f"{first}.{second}.7.7" for first in range(1, 224) for second in range(4)]
        found = attribute(report_of(records_of(sources, packets=1)), networks)
        assert found.hold is HoldReason.SPOOFED_SOURCES
        assert found.spoofing.looks_spoofed
