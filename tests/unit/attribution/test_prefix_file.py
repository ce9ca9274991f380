import gzip

import polars as pl
import pytest
import zstandard

from hub.addresses import render_prefix
from hub.attribution.prefix_file import REPORTED_LINES, count, read_prefix_file
from hub.errors import BadInput, TooLarge
from tests.unit.attribution.building import data_file

V6_AND_V4 = [("1.0.0.0/24", 13335, None), ("2001:200::/32", 2500, None)]


def read(text: str) -> list[tuple[str, int, str | None]]:
    """Return what a file says, as people write it."""
    rows = read_prefix_file(text.encode())
    assert rows.schema == {
        "hi": pl.UInt64,
        "lo": pl.UInt64,
        "length": pl.UInt8,
        "asn": pl.UInt32,
        "country": pl.String,
    }
    return [(render_prefix(hi, lo, length), asn, country) for hi, lo, length, asn, country in rows.iter_rows()]


def faults(text: str) -> list[tuple[str, str]]:
    """Return line and code of each fault a file is refused for."""
    with pytest.raises(BadInput) as caught:
        read_prefix_file(text.encode())
    assert caught.value.action
    assert caught.value.expected
    return [(fault.where, fault.code) for fault in caught.value.faults]


class TestLayouts:
    @pytest.mark.parametrize(
        "text",
        [
            "1.0.0.0\t24\t13335\n2001:200::\t32\t2500\n",
            "1.0.0.0/24\t13335\n2001:200::/32\t2500\n",
            "; IP-ASN32-DAT file\n; Prefixes: 2\n1.0.0.0/24\t13335\n2001:200::/32\t2500\n",
            "1.0.0.0/24,13335\n2001:200::/32,2500\n",
            "prefix,asn\n1.0.0.0/24,13335\n2001:200::/32,2500\n",
            'network,asn,name,country\n1.0.0.0/24,AS13335,"Cloud, ""X""",\n2001:200::/32,2500,WIDE,\n',
            '1.0.0.0,1.0.0.255,13335,"Cloud, Inc."\n2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,2500,WIDE\n',
            "start,end,asn\n1.0.0.0,1.0.0.255,13335\n2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,2500\n",
        ],
        ids=["pfx2as", "tsv", "dat", "csv", "csv-header", "csv-named", "range", "range-header"],
    )
    def test_every_published_layout_says_the_same(self, text: str) -> None:
        """All layouts of one table give the same rows."""
        assert read(text) == V6_AND_V4

    @pytest.mark.parametrize("ending", ["\r\n", "\n\n", "  \n"])
    def test_line_ends_blank_lines_and_byte_order_marks_do_not_matter(self, ending: str) -> None:
        """How an editor ends or pads its lines changes nothing."""
        assert read("\ufeff" + f"1.0.0.0/24\t13335{ending}2001:200::/32\t2500") == V6_AND_V4

    @pytest.mark.parametrize("origins", ["13335_64512", "13335,64512", "13335_64512,64513"])
    def test_the_first_of_several_origins_is_taken(self, origins: str) -> None:
        """A prefix with several origins or an AS set belongs to the first AS named."""
        assert read(f"1.0.0.0\t24\t{origins}\n") == [("1.0.0.0/24", 13335, None)]

    def test_countries_are_kept_in_upper_case(self) -> None:
        """The country column is ISO, upper case; an empty one is null."""
        text = 'prefix,asn,name,country\n60.32.0.0/12,4713,"OCN, NTT",jp\n1.0.0.0/24,13335,,\n'
        assert read(text) == [("60.32.0.0/12", 4713, "JP"), ("1.0.0.0/24", 13335, None)]

    def test_a_mapped_prefix_is_the_ipv4_prefix(self) -> None:
        """The two spellings of one network are one network."""
        assert read("::ffff:1.0.0.0/120\t13335\n1.0.0.0/24\t13335\n") == [("1.0.0.0/24", 13335, None)]

    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
    def test_compressed_files_are_opened(self, pack: object) -> None:
        """Gzip and zstd are known by their first bytes."""
        assert callable(pack)
        assert read_prefix_file(pack(b"1.0.0.0/24\t13335\n")).height == 1

    def test_a_file_past_the_limit_is_refused(self) -> None:
        """A bomb is stopped at the stated number of bytes."""
        with pytest.raises(TooLarge):
            read_prefix_file(gzip.compress(b"1.0.0.0/24\t13335\n" * 1000), limit=1000)


class TestRanges:
    def test_a_range_is_cut_into_the_fewest_prefixes(self) -> None:
        """1.0.0.1 to 1.0.1.1 needs ten blocks, no more."""
        prefixes = [prefix for prefix, _, _ in read("1.0.0.1,1.0.1.1,7\n")]
        assert sorted(prefixes) == sorted([f"1.0.0.{1 << bit}/{32 - bit}" for bit in range(8)] + ["1.0.1.0/31"])

    def test_a_range_to_the_last_address_ends_there(self) -> None:
        """The end of a family's space is no special case."""
        assert read("255.0.0.0,255.255.255.255,7\n") == [("255.0.0.0/8", 7, None)]
        last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        assert read(f"ff00::,{last},7\n") == [("ff00::/8", 7, None)]

    def test_of_overlapping_ranges_the_narrower_wins(self) -> None:
        """As the longer of two prefixes wins, whichever line comes first."""
        lines = ["214.95.0.0,215.0.255.255,749\n", "215.0.0.0,215.1.3.255,721\n"]
        outer = [("214.128.0.0/9", 749, None), ("214.95.0.0/16", 749, None), ("214.96.0.0/11", 749, None)]
        expected = [*outer, ("215.0.0.0/16", 721, None), ("215.1.0.0/22", 721, None)]
        assert sorted(read("".join(lines))) == expected
        assert sorted(read("".join(reversed(lines)))) == expected

    def test_an_inner_range_leaves_both_ends_of_the_outer_one(self) -> None:
        """What is around the narrower range stays with the wider."""
        found = read("10.0.0.0,10.0.3.255,1\n10.0.1.0,10.0.1.255,2\n")
        assert sorted(found) == [("10.0.0.0/24", 1, None), ("10.0.1.0/24", 2, None), ("10.0.2.0/23", 1, None)]

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("1.0.0.9,1.0.0.1,7", "range"),
            ("1.0.0.0,::1,7", "range"),
            ("::,2001::,7", "range"),
            ("0.0.0.0,255.255.255.255,7", "default-route"),
            ("1.0.0.0,1.0.0.256,7", "address"),
            ("1.0.0,1.0.0.255,7", "address"),
            ("1.0.0.0,1.0.0.255,0", "asn"),
        ],
    )
    def test_broken_ranges_are_named(self, line: str, code: str) -> None:
        """Reversed, mixed, all-embracing and unreadable ranges each have their reason."""
        assert faults(f"9.0.0.0,9.0.0.255,7\n{line}\n") == [("line 2", code)]


class TestRefusal:
    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("1.0.0.0/24", "form"),
            ("1.0.0.0/24\t13335\tmore", "form"),
            ("1.0.0.0/024\t13335", "form"),
            ("1.0.0.0/24\tAS-X", "form"),
            ("1.0.0.0/24,13335", "form"),
            ("1.0.0.256/32\t13335", "address"),
            ("01.0.0.0/24\t13335", "address"),
            ("2001:::/32\t13335", "address"),
            ("1.0.0.0/33\t13335", "length"),
            ("2001:200::/129\t13335", "length"),
            ("1.0.0.0/24\t0", "asn"),
            ("1.0.0.0/24\t4294967296", "asn"),
            ("1.0.0.0/24\t99999999999999999999999", "asn"),
            ("0.0.0.0/0\t13335", "default-route"),
            ("::/0\t13335", "default-route"),
            ("::ffff:0.0.0.0/96\t13335", "default-route"),
            ("1.0.0.1/24\t13335", "host-bits"),
            ("1.0.0.1/0\t13335", "host-bits"),
            ("2001:200::1/127\t13335", "host-bits"),
            ("::ffff:1.0.0.0/90\t13335", "host-bits"),
            ("9.0.0.0/24\t8", "two-origins"),
        ],
    )
    def test_one_broken_line_refuses_the_file_and_is_named(self, line: str, code: str) -> None:
        """No line is passed over in silence: its number and what is wrong with it are told."""
        text = f"; comment\n9.0.0.0/24\t7\n\n8.0.0.0/24\t7\n{line}\n"
        assert faults(text) == [("line 5", code)]

    def test_the_largest_as_number_is_one(self) -> None:
        """AS numbers have 32 bits (RFC 6793)."""
        assert read("1.0.0.0/24\t4294967295\n") == [("1.0.0.0/24", 4294967295, None)]

    def test_repeated_lines_that_agree_are_one(self) -> None:
        """Saying the same twice is no contradiction."""
        assert read("1.0.0.0/24\t13335\n1.0.0.0/24\t13335\n") == [("1.0.0.0/24", 13335, None)]

    def test_the_first_broken_lines_are_named_and_all_are_counted(self) -> None:
        """A file with many broken lines names the first twenty, in order."""
        text = "9.0.0.0/24\t7\n" + "nonsense\n" * 1000
        with pytest.raises(BadInput, match="1000") as caught:
            read_prefix_file(text.encode())
        assert [fault.where for fault in caught.value.faults] == [f"line {n}" for n in range(2, REPORTED_LINES + 2)]

    def test_a_header_whose_columns_stand_elsewhere_is_not_guessed_at(self) -> None:
        """A column order nobody announced is refused, not misread."""
        with pytest.raises(BadInput):
            read("prefix,asn,country,name\n1.0.0.0/24,13335,US,Cloud\n")
        with pytest.raises(BadInput):
            read("asn,prefix\n13335,1.0.0.0/24\n")

    @pytest.mark.parametrize(
        "data", [b"", b"\n\n", b"; only a comment\n", b"nothing\nof\nthe kind\n", b"\xff\xfe1\x00", b"prefix,asn\n"]
    )
    def test_a_file_without_a_readable_line_is_refused(self, data: bytes) -> None:
        """Empty, comment-only, foreign and binary files replace no table."""
        with pytest.raises(BadInput) as caught:
            read_prefix_file(data)
        assert caught.value.action

    def test_damaged_compression_is_refused(self) -> None:
        """A truncated download is not half a table."""
        with pytest.raises(BadInput):
            read_prefix_file(gzip.compress(b"1.0.0.0/24\t13335\n" * 100)[:-10])


class TestRealFiles:
    def test_the_published_table_is_read_whole(self) -> None:
        """The table of December 2025 has the counts its publisher states."""
        rows = read_prefix_file(data_file("asn/prefix2asn_20251204.tsv.zst"))
        assert count(rows) == (535_442, 165_936, 89_879)

    def test_the_nested_table_is_read_whole(self) -> None:
        """The announced prefixes of 2014, in pyasn's text form."""
        rows = read_prefix_file(data_file("asn/bgp_ipasn_20140513.dat.zst"))
        assert rows.height == 512_621
