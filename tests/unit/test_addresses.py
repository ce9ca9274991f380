import ipaddress

import polars as pl
import pytest

from hub.addresses import V4_BASE, parse, parse_one, parse_prefix, render, render_one, render_prefix

GOOD = {
    "0.0.0.1": (0, V4_BASE + 1),
    "192.0.2.1": (0, V4_BASE + 0xC000_0201),
    "255.255.255.255": (0, V4_BASE + 0xFFFF_FFFF),
    "::": (0, 0),
    "::1": (0, 1),
    "2001:DB8::1": (0x2001_0DB8 << 32, 1),
    "2001:0db8:0000:0000:0000:0000:0000:0001": (0x2001_0DB8 << 32, 1),
    "1:2:3:4:5:6:7::": (0x0001_0002_0003_0004, 0x0005_0006_0007_0000),
    "::2:3:4:5:6:7:8": (0x0000_0002_0003_0004, 0x0005_0006_0007_0008),
    "64:ff9b::192.0.2.1": (0x0064_FF9B << 32, 0xC000_0201),
    "::ffff:192.0.2.1": (0, V4_BASE + 0xC000_0201),
    "::FFFF:c000:201": (0, V4_BASE + 0xC000_0201),
}

BAD = [
    "",
    " ",
    "192.0.2",
    "192.0.2.1.5",
    "192.0.2.256",
    "192.0.2.01",
    "00.0.0.0",
    "192.0.2.1 ",
    " 192.0.2.1",
    "192.0.2.1\n",
    "192.0.2.1/32",
    "192.0.2.-1",
    "192.0.2.+1",
    "192.0.2.0x1",
    "3221225985",
    "١٩٢.0.2.1",
    "2001:db8::1::2",
    "2001:db8:1",
    "2001:db8::g",
    "2001:db8::12345",
    "1:2:3:4:5:6:7:8:9",
    "fe80::1%eth0",
    "2001:db8::/32",
    "[2001:db8::1]",
    "2001:db8::1\0",
    "::ffff:192.0.2.256",
    "::ffff:192.0.02.1",
    ":",
    "a:b",
    "host.example",
    "2001:db8::" + "0" * 5_000,
]


class TestParse:
    """Texts become bits, a column at a time or one by one, by the same grammar."""

    @pytest.mark.parametrize(("text", "halves"), GOOD.items())
    def test_good(self, text: str, halves: tuple[int, int]) -> None:
        """Every spelling of an address gives the same bits, IPv4-mapped IPv6 those of IPv4."""
        column = parse(pl.Series([text]))

        assert [halves] == column.rows()
        assert halves == parse_one(text)

    @pytest.mark.parametrize("text", BAD)
    def test_bad(self, text: str) -> None:
        """What is not exactly an address is none."""
        assert parse(pl.Series([text])).rows() == [(None, None)]
        assert parse_one(text) is None

    def test_columns(self) -> None:
        """A column keeps its order and length, with nulls where there is no address."""
        column = parse(pl.Series(["::1", None, "x:y", "192.0.2.1", "", "::1", "192.0.2.1"]))

        assert column.schema == {"hi": pl.UInt64, "lo": pl.UInt64}
        four = V4_BASE + 0xC000_0201
        assert column["lo"].to_list() == [1, None, None, four, None, 1, four]
        assert column["hi"].to_list() == [0, None, None, 0, None, 0, 0]

    @pytest.mark.parametrize("texts", [[], [None], [None, None]])
    def test_nothing(self, texts: list[None]) -> None:
        """An empty column, or one of nulls, is answered in kind."""
        column = parse(pl.Series(texts, dtype=pl.String))

        assert column.schema == {"hi": pl.UInt64, "lo": pl.UInt64}
        assert column["hi"].null_count() == len(texts)

    def test_input_is_left_alone(self) -> None:
        """Parsing changes nothing in the column it was given."""
        texts = pl.Series(["::1", "192.0.2.1"])
        parse(texts)

        assert texts.to_list() == ["::1", "192.0.2.1"]


class TestRender:
    """Bits become the one text of RFC 5952."""

    @pytest.mark.parametrize(
        ("address", "text"),
        [
            ("0.0.0.1", "0.0.0.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("::", "::"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("::192.0.2.1", "::c000:201"),
            ("::1:0", "::1:0"),
            ("::ffff", "::ffff"),
            ("::fffe:1.2.3.4", "::fffe:102:304"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ],
    )
    def test_text(self, address: str, text: str) -> None:
        """Lower case, the longest run of zeros shortened, IPv4 dotted and nothing else dotted."""
        halves = parse_one(address)

        assert halves is not None
        assert render_one(*halves) == text
        assert render(*parse(pl.Series([address]))).to_list() == [text]

    def test_columns(self) -> None:
        """Both families, repeats and nulls keep their places."""
        texts = ["::1", None, "192.0.2.1", "2001:db8::5", "::1", "0.0.0.1"]
        halves = parse(pl.Series(texts))

        assert render(halves["hi"], halves["lo"]).to_list() == texts
        assert halves.equals(parse(pl.Series(texts)))

    def test_half_an_address_is_none(self) -> None:
        """Where one half is null there is no address."""
        hi, lo = pl.Series([None, 0], dtype=pl.UInt64), pl.Series([V4_BASE, None], dtype=pl.UInt64)

        assert render(hi, lo).to_list() == [None, None]

    def test_nothing(self) -> None:
        """Empty columns give an empty one."""
        empty = pl.Series([], dtype=pl.UInt64)

        assert render(empty, empty).dtype == pl.String
        assert render(empty, empty).is_empty()


class TestPrefix:
    """Prefixes are strict, and IPv4 ones have a length over 128 bits."""

    @pytest.mark.parametrize(
        ("text", "length", "canonical"),
        [
            ("192.0.2.0/24", 120, "192.0.2.0/24"),
            ("0.0.0.0/0", 96, "0.0.0.0/0"),
            ("192.0.2.1/32", 128, "192.0.2.1/32"),
            ("2001:DB8::/32", 32, "2001:db8::/32"),
            ("::/0", 0, "::/0"),
            ("2001:db8::1/128", 128, "2001:db8::1/128"),
            ("::ffff:192.0.2.0/120", 120, "192.0.2.0/24"),
            ("::ffff:0:0/96", 96, "0.0.0.0/0"),
        ],
    )
    def test_good(self, text: str, length: int, canonical: str) -> None:
        """A prefix has one value and one text, however it was spelt."""
        prefix = parse_prefix(text)

        assert prefix is not None
        assert prefix[2] == length
        assert render_prefix(*prefix) == canonical
        assert parse_prefix(canonical) == prefix

    @pytest.mark.parametrize(
        "text",
        [
            "192.0.2.1/24",
            "192.0.2.0",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/024",
            "192.0.2.0/+24",
            "192.0.2.0/24 ",
            "192.0.2.0/24\n",
            "192.0.2.0/-1",
            "192.0.2.0/255.255.255.0",
            "192.0.2.0/24/24",
            "2001:db8::/129",
            "2001:db8::1/64",
            "::ffff:192.0.2.0/95",
            "/24",
            "",
        ],
    )
    def test_bad(self, text: str) -> None:
        """Host bits, odd lengths and anything else are refused."""
        assert parse_prefix(text) is None

    @pytest.mark.parametrize("text", ["10.0.0.0/8", "198.51.100.128/25", "2400::/12", "2001:db8:8000::/33"])
    def test_as_the_standard_library(self, text: str) -> None:
        """A prefix covers what the standard library says it covers."""
        network = ipaddress.ip_network(text)
        first, last = parse_one(str(network[0])), parse_one(str(network[-1]))
        prefix = parse_prefix(text)

        assert prefix is not None
        assert first == prefix[:2]
        assert last is not None
        size = 1 << (128 - prefix[2])
        assert (last[0] << 64 | last[1]) - (prefix[0] << 64 | prefix[1]) == size - 1
