"""Attribution against brute force: every prefix tried on every address with the standard library."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, summarize_address_range
from uuid import UUID

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from hub.addresses import parse, parse_prefix, render_prefix
from hub.attribution.networks import DatedTable, Networks
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.attribution.special_use import SPECIAL_BLOCKS, is_special
from hub.members.holdings import Holding
from hub.vocabulary import SourceOutcome

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
START = datetime(2026, 1, 1, tzinfo=UTC)
TICKS = 6
"""Instants of the dated tests; so few that everything begins and ends at common ones."""

_CLUSTERS = [int(IPv6Address(text)) for text in ("2400::", "2400::1:0:0:0", "2a00:1::ffff:ffff:ffff:0", "ff00::")]


def _network(bits: int, number: int, length: int) -> Network:
    kept = number >> (bits - length) << (bits - length) if length else 0
    return IPv4Network((kept, length)) if bits == 32 else IPv6Network((kept, length))


_v4_numbers = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0x01020300, 0x0A000000, 0xFFFFFF00]).flatmap(lambda base: st.integers(base, base + 255)),
)
_v6_numbers = st.one_of(
    st.integers(0, 2**128 - 1),
    st.sampled_from(_CLUSTERS).flatmap(lambda base: st.integers(base, base + 2**20)),
    st.sampled_from(_CLUSTERS).flatmap(lambda base: st.integers(base, base + 7)),
)
_v4_networks = st.builds(_network, st.just(32), _v4_numbers, st.integers(1, 32))
_v6_networks = st.builds(_network, st.just(128), _v6_numbers, st.integers(1, 128))
networks = st.lists(st.one_of(_v4_networks, _v6_networks), min_size=1, max_size=30, unique=True).filter(
    lambda drawn: not any(_is_mapped(network) for network in drawn)
)


def _is_mapped(network: Network) -> bool:
    """Tell whether an IPv6 prefix lies in the IPv4-mapped block, where it is another spelling of an IPv4 one."""
    return isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None


def edges(drawn: Iterable[Network]) -> list[Address]:
    """Return the addresses where answers change: on, before and after every edge."""
    found = {
        (len(network.network_address.packed), number)
        for network in drawn
        for edge in (int(network.network_address), int(network.broadcast_address))
        for number in (edge - 1, edge, edge + 1)
        if 0 <= number < 2**network.max_prefixlen
    }
    everything = [IPv4Address(number) if size == 4 else IPv6Address(number) for size, number in sorted(found)]
    return [address for address in everything if not (isinstance(address, IPv6Address) and address.ipv4_mapped)]


def halves(addresses: Sequence[Address]) -> tuple[pl.Series, pl.Series]:
    """Return addresses as columns."""
    parsed = parse(pl.Series([str(address) for address in addresses], dtype=pl.String))
    return parsed["hi"], parsed["lo"]


def longest(address: Address, drawn: Iterable[Network]) -> Network | None:
    """Return the longest prefix that holds an address, by trying each."""
    holding = [network for network in drawn if network.version == address.version and address in network]
    return max(holding, key=lambda network: network.prefixlen, default=None)


class TestLongestMatch:
    """An address belongs to the origin of the longest prefix that holds it, in either family, to /32 and /128."""

    @given(networks, st.lists(st.one_of(_v4_numbers.map(IPv4Address), _v6_numbers.map(IPv6Address)), max_size=20))
    def test_as_brute_force(self, drawn: list[Network], others: list[Address]) -> None:
        """Each edge and any other address is located as by trying every prefix."""
        origins = {network: place for place, network in enumerate(drawn, start=1)}
        text = "".join(f"{network}\t{asn}\n" for network, asn in origins.items())
        table = PrefixTable.from_bytes(PrefixTable.build(read_prefix_file(text.encode())).to_bytes())
        unmapped = [address for address in others if address.version == 4 or not address.ipv4_mapped]
        addresses = [*edges(drawn), *unmapped]
        hi, lo = halves(addresses)
        expected = [0 if (found := longest(address, drawn)) is None else origins[found] for address in addresses]
        assert table.locate(hi.to_numpy(), lo.to_numpy()).tolist() == expected

    @given(networks, networks)
    def test_origins_within_a_prefix(self, drawn: list[Network], asked: list[Network]) -> None:
        """Exactly the systems that answer somewhere inside a prefix originate parts of it."""
        origins = {network: place for place, network in enumerate(drawn, start=1)}
        text = "".join(f"{network}\t{asn}\n" for network, asn in origins.items())
        table = PrefixTable.build(read_prefix_file(text.encode()))
        for network in asked:
            inside = [address for address in edges([*drawn, network]) if longest(address, [network])]
            answering = {origins[found] for address in inside if (found := longest(address, drawn))}
            found_origins = table.origins(parse_prefix(str(network)) or (0, 0, 0))
            assert {asn for asn, _ in found_origins} == answering
            for asn, block in found_origins:
                first = ip_address(block.split("/")[0])
                assert longest(first, [network])
                assert origins[longest(first, drawn) or network] == asn


class TestRanges:
    """A range is the fewest prefixes that cover it; of overlapping ranges the narrower holds the common addresses."""

    @given(st.lists(st.tuples(_v4_numbers, _v4_numbers), min_size=1, max_size=12))
    def test_disjoint_ranges_as_the_standard_library(self, drawn: list[tuple[int, int]]) -> None:
        """Ranges that do not overlap are cut as ``summarize_address_range`` cuts them."""
        pairs = sorted((min(pair), max(pair)) for pair in drawn)
        ranges = [
            pair for place, pair in enumerate(pairs) if place == 0 or pair[0] > max(last for _, last in pairs[:place])
        ]
        ranges = [pair for pair in ranges if pair != (0, 2**32 - 1)]
        if not ranges:
            return
        text = "".join(f"{IPv4Address(first)},{IPv4Address(last)},{first % 7 + 1}\n" for first, last in ranges)
        rows = read_prefix_file(text.encode()).select("hi", "lo", "length", "asn").iter_rows()
        expected = {
            (str(network), first % 7 + 1)
            for first, last in ranges
            for network in summarize_address_range(IPv4Address(first), IPv4Address(last))
        }
        assert {(render_prefix(hi, lo, length), asn) for hi, lo, length, asn in rows} == expected

    @given(
        st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 40)),
            min_size=1,
            max_size=8,
            unique_by=lambda pair: abs(pair[0] - pair[1]),
        )
    )
    def test_the_narrower_of_overlapping_ranges_wins(self, drawn: list[tuple[int, int]]) -> None:
        """Every address answers with the narrowest range that holds it."""
        base = int(IPv6Address("2400::ffff:ffff:ffff:fff0"))
        ranges = [(base + min(pair), base + max(pair)) for pair in drawn]
        text = "".join(
            f"{IPv6Address(first)},{IPv6Address(last)},{asn}\n" for asn, (first, last) in enumerate(ranges, start=1)
        )
        table = PrefixTable.build(read_prefix_file(text.encode()))
        numbers = range(base - 1, base + 42)
        hi, lo = halves([IPv6Address(number) for number in numbers])
        expected = [
            min(
                ((last - first, asn) for asn, (first, last) in enumerate(ranges, start=1) if first <= number <= last),
                default=(0, 0),
            )[1]
            for number in numbers
        ]
        assert table.locate(hi.to_numpy(), lo.to_numpy()).tolist() == expected


_dates = st.tuples(st.integers(0, TICKS), st.integers(0, TICKS)).map(sorted).filter(lambda pair: pair[0] < pair[1])
_places = st.sampled_from(
    [
        IPv4Network("1.0.0.0/8"), IPv4Network("1.2.0.0/16"), IPv4Network("1.2.3.4/32"), IPv4Network("10.0.0.0/8"),
        IPv6Network("2400::/16"), IPv6Network("2400::/64"), IPv6Network("2400::/100"), IPv6Network("2400::7/128"),
    ]
)  # fmt: skip
_addresses = [
    ip_address(text)
    for text in (
        "1.0.0.1",
        "1.2.0.1",
        "1.2.3.4",
        "10.0.0.1",
        "9.9.9.9",
        "2400::1",
        "2400::7",
        "2400:0:0:1::",
        "2400:1::",
    )
]


@st.composite
def holdings(draw: st.DrawFn) -> Holding:
    """Draw a dated holding of a prefix or an AS by one of three members."""
    member = UUID(int=draw(st.integers(1, 3)))
    begin, end = draw(_dates)
    place = draw(st.one_of(_places, st.integers(1, 3)))
    return Holding(
        id=UUID(int=draw(st.integers(0, 2**64))),
        member_id=member,
        capacity_id=member,
        prefix=None if isinstance(place, int) else parse_prefix(str(place)),
        asn=place if isinstance(place, int) else None,
        valid_from=START + timedelta(hours=begin),
        valid_to=None if end == TICKS else START + timedelta(hours=end),
        shared_space=draw(st.booleans()),
    )


def expected_answer(
    address: Address, instant: datetime, tables: Sequence[DatedTable], held: Sequence[Holding]
) -> tuple[SourceOutcome, UUID | None]:
    """Say by the rules, one record at a time, whose an address was."""
    hi, lo = halves([address])
    columns = hi.to_numpy(), lo.to_numpy()
    if is_special(*columns)[0]:
        return SourceOutcome.SPECIAL_USE, None
    in_force = [holding for holding in held if holding.in_force(instant)]
    by_prefix = {
        IPv4Network(text) if "." in text else IPv6Network(text): holding.prefix
        for holding in in_force
        if holding.prefix is not None and (text := render_prefix(*holding.prefix))
    }
    declared = longest(address, by_prefix)
    dated = [table for table in tables if table.valid_from <= instant]
    asn = int(max(dated, key=lambda table: table.valid_from).table.locate(*columns)[0]) if dated else 0
    if declared is not None:
        members = {holding.member_id for holding in in_force if holding.prefix == by_prefix[declared]}
    else:
        members = {holding.member_id for holding in in_force if asn and holding.asn == asn}
    if len(members) == 1:
        return SourceOutcome.MEMBER, members.pop()
    return (SourceOutcome.NON_MEMBER if members or asn else SourceOutcome.UNROUTED), None


class TestDatedHoldings:
    """As of each record's own time: the newest table then, declared prefixes before AS holdings, the longest first.

    Two members at once are nobody; special use is nobody's.
    """

    @given(
        st.lists(holdings(), max_size=12),
        st.lists(
            st.tuples(st.integers(0, TICKS - 1), st.dictionaries(_places, st.integers(1, 3), min_size=1)),
            max_size=3,
            unique_by=lambda dated: dated[0],
        ),
        st.lists(st.tuples(st.sampled_from(_addresses), st.integers(0, 2 * TICKS)), min_size=1, max_size=40),
    )
    def test_as_record_by_record(
        self,
        held: list[Holding],
        versions: list[tuple[int, dict[Network, int]]],
        seen: list[tuple[Address, int]],
    ) -> None:
        """A column of records of many times is located as each record by itself."""
        tables = [
            DatedTable(UUID(int=hour), START + timedelta(hours=hour), PrefixTable.build(_rows(origins)))
            for hour, origins in versions
        ]
        addresses = [address for address, _ in seen]
        instants = [START + timedelta(minutes=30 * tick) for _, tick in seen]
        hi, lo = halves(addresses)
        records = pl.DataFrame(
            [hi.alias("src_hi"), lo.alias("src_lo"), pl.Series("first_seen", instants, pl.Datetime("us", "UTC"))]
        )
        found = Networks(tables, held).locate(records)
        answers = [
            (SourceOutcome(outcome), None if recipient < 0 else found.recipients[recipient].member_id)
            for outcome, recipient in found.records.select("outcome", "recipient").iter_rows()
        ]
        expected = [
            expected_answer(address, instant, tables, held)
            for address, instant in zip(addresses, instants, strict=True)
        ]
        assert answers == expected
        first = min((table.valid_from for table in tables), default=datetime.max.replace(tzinfo=UTC))
        assert found.undecided == sum(
            instant < first and outcome is SourceOutcome.UNROUTED
            for instant, (outcome, _) in zip(instants, expected, strict=True)
        )


def _rows(origins: dict[Network, int]) -> pl.DataFrame:
    return read_prefix_file("".join(f"{network}\t{asn}\n" for network, asn in origins.items()).encode())


class TestSpecialUse:
    """An address is special use where one of the listed blocks holds it, and nowhere else."""

    @given(st.lists(st.one_of(_v4_numbers.map(IPv4Address), _v6_numbers.map(IPv6Address)), min_size=1, max_size=50))
    def test_as_brute_force(self, drawn: list[Address]) -> None:
        """Any address, each block's edges too, tried against every block."""
        blocks = [
            IPv6Network(block.prefix) if ":" in block.prefix else IPv4Network(block.prefix) for block in SPECIAL_BLOCKS
        ]
        addresses = [*edges(blocks), *(address for address in drawn if address.version == 4 or not address.ipv4_mapped)]
        hi, lo = halves(addresses)
        expected = [longest(address, blocks) is not None for address in addresses]
        assert np.array_equal(is_special(hi.to_numpy(), lo.to_numpy()), expected)
