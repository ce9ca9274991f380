import json
from io import BytesIO
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from hub.addresses import parse
from hub.attribution.networks import DatedTable, Networks
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.attribution.spoofing import MIN_SOURCES, assess
from hub.decompress import decompress
from hub.records import SpoofingAssessment
from tests.unit.attribution.building import START, data_file, records_of, table_of

ROUTED = {f"{first}.0.0.0/8": first for first in range(1, 200) if first not in {10, 127}}
"""Of 220 ordinary /8 about 196: as much as the internet routes."""
Numbers = npt.NDArray[np.uint64]


@pytest.fixture(scope="module")
def table() -> PrefixTable:
    """Return a table that routes about as much of the space as a real one."""
    return table_of(ROUTED)


def forged(count: int, seed: int = 1) -> Numbers:
    """Draw addresses from the whole space."""
    return np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint64)


def real(count: int, seed: int = 2) -> Numbers:
    """Draw distinct addresses of routed networks."""
    drawn = np.random.default_rng(seed).integers(128 << 24, 160 << 24, 2 * count, dtype=np.uint64)
    return np.random.default_rng(seed).permutation(np.unique(drawn))[:count]


def judge(table: PrefixTable, sources: Numbers, packets: object = None) -> SpoofingAssessment:
    """Locate IPv4 sources and judge them."""
    empty = records_of([])
    records = pl.DataFrame(
        {"src_hi": np.zeros(len(sources), np.uint64), "src_lo": sources | np.uint64(0xFFFF << 32)}
    ).with_columns(
        pl.lit(START).cast(empty.schema["first_seen"]).alias("first_seen"),
        pl.Series(
            "packets", packets if isinstance(packets, list | np.ndarray) else [packets] * len(sources), pl.UInt64
        ),
    )
    networks = Networks([DatedTable(uuid4(), START, table)], [])
    return assess(networks.locate(records).records, table)


class TestHeld:
    @pytest.mark.parametrize("count", [300, 3_000, 300_000])
    @pytest.mark.parametrize("packets", [None, 1, 1000])
    def test_random_sources_look_spoofed(self, table: PrefixTable, count: int, packets: int | None) -> None:
        """Whatever the size, with or without counts, and where a sampling exporter multiplied them."""
        found = judge(table, forged(count), packets)
        assert found.looks_spoofed
        assert found.single_packet_share == (None if packets is None else pytest.approx(1, abs=0.01))

    def test_half_forged_is_enough(self, table: PrefixTable) -> None:
        """Bots that stand in many records do not hide the forged half of the sources."""
        bots = real(10_000)
        assert judge(table, np.concatenate([forged(12_000), np.repeat(bots, 50)])).looks_spoofed

    def test_routed_forgeries_beside_special_use_ones_count_alone(self, table: PrefixTable) -> None:
        """A forger that avoids reserved space is held all the same."""
        ordinary = forged(5_000)
        ordinary = ordinary[(ordinary >> np.uint64(24)) < 224]
        assert judge(table, ordinary).looks_spoofed


class TestPassed:
    def test_real_distinct_sources_are_not_held(self, table: PrefixTable) -> None:
        """A botnet of a hundred thousand hosts, each seen once, is no forgery: all are routed."""
        found = judge(table, real(100_000), 1)
        assert not found.looks_spoofed
        assert (found.distinct_share, found.unrouted_share) == (1, 0)

    def test_a_few_forged_ones_are_not_enough(self, table: PrefixTable) -> None:
        """One in five random sources does not stop a report."""
        assert not judge(table, np.concatenate([forged(2_000), real(8_000)])).looks_spoofed

    def test_sources_that_come_back_are_not_random(self, table: PrefixTable) -> None:
        """Chance does not draw the same address again and again."""
        found = judge(table, np.repeat(forged(1_000), 3))
        assert not found.looks_spoofed
        assert found.distinct_share == 0

    def test_second_packets_speak_against_forgery(self, table: PrefixTable) -> None:
        """Sources that sent different numbers of packets are hosts."""
        counts = np.random.default_rng(3).integers(1, 50, 3_000)
        assert not judge(table, forged(3_000), counts).looks_spoofed

    def test_too_few_sources_cannot_be_judged(self, table: PrefixTable) -> None:
        """Below the stated number chance decides, so nobody does."""
        found = judge(table, forged(MIN_SOURCES - 1))
        assert not found.looks_spoofed
        assert str(MIN_SOURCES) in found.reason

    @pytest.mark.parametrize("origins", [{"1.0.0.0/8": 1}, {"0.0.0.0/1": 1, "128.0.0.0/1": 2}])
    def test_a_table_of_a_part_or_of_everything_judges_nothing(self, origins: dict[str, int]) -> None:
        """Against such a table unrouted sources mean nothing."""
        assert not judge(table_of(origins), forged(5_000)).looks_spoofed

    def test_more_unrouted_than_chance_is_an_old_table(self, table: PrefixTable) -> None:
        """Hosts in networks newer than the table are not random."""
        new = np.random.default_rng(4).integers(200 << 24, 223 << 24, 1_000, dtype=np.uint64)
        assert not judge(table, np.concatenate([new, real(1_000)])).looks_spoofed

    def test_no_records_are_not_held(self, table: PrefixTable) -> None:
        """Nothing is nothing."""
        assert not judge(table, forged(0)).looks_spoofed

    def test_without_a_table_nothing_is_judged(self) -> None:
        """What is unrouted is known from a table only."""
        located = Networks([], []).locate(records_of(["1.0.0.1"] * 500))
        assert not assess(located.records, None).looks_spoofed

    def test_ipv6_and_special_use_sources_do_not_count(self, table: PrefixTable) -> None:
        """Only ordinary IPv4 sources are judged."""
        sources = [f"2400::{number:x}" for number in range(500)] + [f"10.0.1.{number}" for number in range(250)]
        located = Networks([DatedTable(uuid4(), START, table)], []).locate(records_of(sources))
        assert assess(located.records, table).reason.startswith("0 distinct IPv4 sources")


class TestReason:
    def test_the_reason_has_the_figures_and_no_address(self, table: PrefixTable) -> None:
        """An officer reads why; nobody learns a source from it."""
        found = judge(table, forged(3_000), 1)
        assert f"{found.unrouted_share:.1%}" in found.reason
        assert f"{found.expected_unrouted_share:.1%}" in found.reason
        assert "." in found.reason
        assert not parse(pl.Series(found.reason.replace(",", "").split()))["hi"].is_not_null().any()


@pytest.fixture(scope="module")
def published() -> PrefixTable:
    """Return the real table of December 2025."""
    return PrefixTable.build(read_prefix_file(data_file("asn/prefix2asn_20251204.tsv.zst")))


def numbers(addresses: pl.Series) -> Numbers:
    """Return IPv4 addresses as numbers."""
    return parse(addresses)["lo"].drop_nulls().to_numpy() & np.uint64(0xFFFF_FFFF)


class TestRealSources:
    def test_a_real_attack_is_not_held(self, published: PrefixTable) -> None:
        """5,214 distinct sources of a real attack, nearly all routed."""
        packed = data_file("attack_sources/ddos/nladc_fingerprint_icmp_20180424.json.zst")
        sources = json.loads(decompress(packed, limit=10_000_000))["src_ips"]
        found = judge(published, numbers(pl.Series(sources)))
        assert found.distinct_share > 0.99
        assert not found.looks_spoofed

    @pytest.mark.parametrize("day", ["01", "07", "14"])
    def test_real_scans_are_not_held_even_against_an_old_table(self, published: PrefixTable, day: str) -> None:
        """A day of scanning and brute force at honeypots, against a table of its time and one eight years older."""
        packed = data_file(f"attack_sources/ctu_honeypots/conn_2022-03-{day}.tsv.zst")
        flows = pl.read_csv(BytesIO(decompress(packed, limit=1 << 30)), separator="\t", infer_schema=False)
        sources = numbers(flows.filter(~pl.col("src").str.starts_with("192.168."))["src"])
        old = PrefixTable.build(read_prefix_file(data_file("asn/bgp_ipasn_20140513.dat.zst")))
        assert not judge(published, sources).looks_spoofed
        assert not judge(old, sources).looks_spoofed

    def test_random_sources_are_held_against_the_real_table(self, published: PrefixTable) -> None:
        """Ten thousand addresses drawn from the whole space."""
        assert judge(published, forged(10_000)).looks_spoofed
