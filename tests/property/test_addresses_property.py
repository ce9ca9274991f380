import ipaddress

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from hub.addresses import V4_BASE, parse, parse_one, parse_prefix, render, render_one, render_prefix

MAPPED = ipaddress.ip_network("::ffff:0:0/96")

fours = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
sixes = (
    st.one_of(
        st.integers(0, 2**128 - 1),
        st.integers(0, 2**33),
        st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF]), min_size=8, max_size=8).map(
            lambda groups: int("".join(f"{group:04x}" for group in groups), 16)
        ),
    )
    .map(ipaddress.IPv6Address)
    .filter(lambda address: address not in MAPPED)
)
addresses = st.one_of(fours, sixes)
likely_texts = st.text(alphabet="0123456789abcdefABCDEF:./% x", max_size=50)


def halves_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[int, int]:
    """Return what the hub holds for an address, by the definition."""
    whole = int(address) + (V4_BASE if address.version == 4 else 0)
    return whole >> 64, whole & (2**64 - 1)


class TestText:
    """An address and its RFC 5952 text are one: parse(render(x)) == x, as the standard library has it."""

    @given(st.lists(st.one_of(st.none(), addresses), max_size=40))
    def test_columns(self, column: list[ipaddress.IPv4Address | ipaddress.IPv6Address | None]) -> None:
        """Whole columns go both ways, nulls included."""
        texts = pl.Series([None if address is None else str(address) for address in column], dtype=pl.String)
        halves = [(None, None) if address is None else halves_of(address) for address in column]

        parsed = parse(texts)

        assert parsed.rows() == halves
        assert render(parsed["hi"], parsed["lo"]).to_list() == texts.to_list()

    @given(addresses)
    def test_one_by_one(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
        """Single addresses are read and written alike."""
        assert parse_one(str(address)) == halves_of(address)
        assert render_one(*halves_of(address)) == str(address)

    @given(sixes)
    def test_spellings(self, address: ipaddress.IPv6Address) -> None:
        """However an IPv6 address is spelt, it is the same bits."""
        spelt = [address.exploded, address.exploded.upper(), str(address).upper()]

        assert set(parse(pl.Series(spelt)).rows()) == {halves_of(address)}

    @given(fours)
    def test_mapped(self, address: ipaddress.IPv4Address) -> None:
        """IPv4 and IPv4-mapped IPv6 are the same bits, and are written as IPv4."""
        mapped = [f"::ffff:{address}", str(ipaddress.IPv6Address((0xFFFF << 32) + int(address)))]

        assert set(parse(pl.Series(mapped)).rows()) == {halves_of(address)}
        assert render_one(*halves_of(address)) == str(address)

    @given(st.one_of(likely_texts, st.text(max_size=20)))
    def test_nothing_else_is_an_address(self, text: str) -> None:
        """What the standard library refuses is refused, and what it takes is taken, zones aside."""
        try:
            expected = halves_of(ipaddress.ip_address(text)) if "%" not in text else None
        except ValueError:
            expected = None

        assert parse_one(text) == expected
        assert parse(pl.Series([text])).rows() == [expected or (None, None)]


class TestPrefixes:
    """A prefix is its network and length, without host bits, as the standard library has it."""

    @given(addresses, st.integers(0, 140))
    def test_strict(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> None:
        """Only prefixes without host bits are taken, and are written as they were."""
        text = f"{address}/{length}"
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            assert parse_prefix(text) is None
        else:
            prefix = parse_prefix(text)
            assert prefix == (*halves_of(network[0]), length + (96 if network.version == 4 else 0))
            assert render_prefix(*prefix) == str(network)

    @given(addresses, st.integers(0, 128))
    def test_every_network(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> None:
        """Every network of every length goes both ways."""
        network = ipaddress.ip_network(f"{address}/{min(length, address.max_prefixlen)}", strict=False)
        prefix = parse_prefix(str(network))

        assert prefix is not None
        assert render_prefix(*prefix) == str(network)
