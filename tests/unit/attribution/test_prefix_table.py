import warnings

import numpy as np
import polars as pl
import pytest

from hub.addresses import parse, parse_prefix, render
from hub.attribution.prefix_file import read_prefix_file
from hub.attribution.prefix_table import PrefixTable
from hub.errors import Unavailable
from tests.unit.attribution.building import data_file, table_of

NESTED = {
    "10.0.0.0/8": 1,
    "10.1.0.0/16": 2,
    "10.1.2.0/24": 3,
    "10.1.2.128/32": 4,
    "2001:db8::/32": 5,
    "2001:db8:0:1::/64": 6,
    "2001:db8:0:1::8000:0/97": 7,
    "2001:db8:0:1::8000:1/128": 8,
    "::/8": 9,
}


def located(table: PrefixTable, *addresses: str) -> list[int]:
    """Return the AS of each address."""
    halves = parse(pl.Series(addresses, dtype=pl.String))
    return table.locate(halves["hi"].to_numpy(), halves["lo"].to_numpy()).tolist()


class TestLocate:
    @pytest.mark.parametrize(
        ("address", "asn"),
        [
            ("9.255.255.255", 0),
            ("10.0.0.0", 1),
            ("10.1.0.0", 2),
            ("10.1.2.127", 3),
            ("10.1.2.128", 4),
            ("10.1.2.129", 3),
            ("10.1.3.0", 2),
            ("10.2.0.0", 1),
            ("11.0.0.0", 0),
            ("255.255.255.255", 0),
            ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", 0),
            ("2001:db8::", 5),
            ("2001:db8:0:1::", 6),
            ("2001:db8:0:1::7fff:ffff", 6),
            ("2001:db8:0:1::8000:0", 7),
            ("2001:db8:0:1::8000:1", 8),
            ("2001:db8:0:1::8000:2", 7),
            ("2001:db8:0:1:0:1::", 6),
            ("2001:db8:0:2::", 5),
            ("2001:db9::", 0),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0),
            ("::1", 9),
        ],
    )
    def test_the_longest_prefix_wins_in_both_families(self, address: str, asn: int) -> None:
        """The most specific prefix answers, down to single addresses."""
        assert located(table_of(NESTED), address) == [asn]

    def test_an_ipv6_prefix_never_answers_for_ipv4(self) -> None:
        """IPv4-mapped addresses lie inside ::/8 by number, not by route."""
        assert located(table_of({"::/8": 9}), "8.8.8.8", "::ffff:8.8.8.8", "::8.8.8.8") == [0, 0, 9]

    def test_the_edges_of_both_spaces_are_routable(self) -> None:
        """Prefixes at the first and last address of a family answer there and nowhere else."""
        table = table_of({"0.0.0.0/8": 1, "255.0.0.0/8": 2, "::/128": 3, "ff00::/8": 4})
        last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        assert located(table, "0.0.0.1", "1.0.0.0", "255.255.255.255", "::", "::1", last) == [1, 0, 2, 3, 0, 4]

    def test_many_addresses_answer_as_one_does(self) -> None:
        """The sorted search of large columns gives what the plain one gives."""
        halves = [f"{first}.{second}.0.0/16" for first in range(1, 40) for second in range(0, 256, 2)]
        table = table_of({prefix: asn for asn, prefix in enumerate(halves, start=1)})
        rng = np.random.default_rng(0)
        v4 = rng.integers(0, 50 << 24, 20_000, dtype=np.uint64)
        hi, lo = np.zeros(len(v4), np.uint64), v4 | np.uint64(0xFFFF << 32)
        one_by_one = [int(table.locate(hi[at : at + 1], lo[at : at + 1])[0]) for at in range(0, 20_000, 40)]
        assert table.locate(hi, lo)[::40].tolist() == one_by_one

    def test_no_address_is_an_answer_too(self) -> None:
        """An empty column gives an empty column."""
        assert located(table_of(NESTED)) == []


class TestBytes:
    def test_a_table_survives_storage(self) -> None:
        """What is read back answers as what was written, countries too."""
        rows = read_prefix_file(b"prefix,asn,name,country\n60.32.0.0/12,4713,OCN,JP\n2001:db8::1/128,7,X,\n")
        table = PrefixTable.from_bytes(PrefixTable.build(rows).to_bytes())
        assert located(table, "60.47.255.255", "2001:db8::1", "2001:db8::2") == [4713, 7, 0]
        assert table.country_of(4713) == "JP"
        assert table.country_of(7) is None

    @pytest.mark.parametrize("data", [b"", b"nonsense", pl.DataFrame({"x": [1]}).write_ipc_stream(None).getvalue()])
    def test_what_is_no_table_is_refused(self, data: bytes) -> None:
        """Damage in storage is told as such, with what to do."""
        with pytest.raises(Unavailable) as caught:
            PrefixTable.from_bytes(data)
        assert caught.value.action


class TestShares:
    def test_special_use_space_is_left_out(self) -> None:
        """Half of the ordinary space routed is a half, whatever is routed of special-use space."""
        ordinary = {f"{first}.0.0.0/8": 1 for first in range(1, 112) if first not in {10, 100}}
        share = table_of(ordinary).routed_share_v4()
        with_special = table_of({**ordinary, "10.0.0.0/8": 2, "240.0.0.0/4": 2, "192.0.2.0/24": 2}).routed_share_v4()
        assert share == with_special
        assert 0.49 < share < 0.5

    def test_everything_routed_is_one(self) -> None:
        """The two halves of the space together are all of it."""
        assert table_of({"0.0.0.0/1": 1, "128.0.0.0/1": 2}).routed_share_v4() == 1


class TestOrigins:
    def test_each_system_comes_once_with_its_widest_block(self) -> None:
        """An officer sees who originates parts of a prefix, the widest first."""
        found = table_of(NESTED).origins(parse_prefix("10.0.0.0/8") or (0, 0, 0))
        assert found == [(1, "10.128.0.0/9"), (2, "10.1.128.0/17"), (3, "10.1.2.0/25"), (4, "10.1.2.128/32")]

    def test_a_part_of_a_route_is_the_part(self) -> None:
        """What lies around the asked prefix is not shown."""
        table = table_of(NESTED)
        assert table.origins(parse_prefix("10.9.0.0/16") or (0, 0, 0)) == [(1, "10.9.0.0/16")]
        assert table.origins(parse_prefix("2001:db8:0:2::/64") or (0, 0, 0)) == [(5, "2001:db8:0:2::/64")]
        assert table.origins(parse_prefix("11.0.0.0/8") or (0, 0, 0)) == []

    def test_a_system_without_routes_originates_nothing(self) -> None:
        """AS 0 is nobody and never originates."""
        table = table_of(NESTED)
        assert [table.originates(asn) for asn in (0, 1, 8, 10)] == [False, True, True, False]


@pytest.fixture(scope="module")
def published() -> PrefixTable:
    """Return the real table of December 2025."""
    return PrefixTable.build(read_prefix_file(data_file("asn/prefix2asn_20251204.tsv.zst")))


class TestRealTables:
    def test_known_operators_are_found(self, published: PrefixTable) -> None:
        """OCN, KDDI, SoftBank and IIJ answer for addresses everybody knows to be theirs."""
        assert located(published, "60.32.0.1", "106.128.0.1", "126.0.0.1", "210.130.1.1") == [4713, 2516, 17676, 2497]

    def test_the_stored_form_is_small(self, published: PrefixTable) -> None:
        """A version costs a few megabytes in the database."""
        assert len(published.to_bytes()) < 5_000_000

    def test_the_nested_table_answers_as_pyasn_does(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """100,000 random addresses in the 512,621 announced prefixes of 2014, against another implementation."""
        rows = read_prefix_file(data_file("asn/bgp_ipasn_20140513.dat.zst"))
        prefixes = render(rows["hi"], rows["lo"]) + "/" + (rows["length"] - 96).cast(pl.String)
        text = pl.DataFrame({"prefix": prefixes, "asn": rows["asn"]})
        path = tmp_path_factory.mktemp("pyasn") / "table.dat"
        text.write_csv(path, separator="\t", include_header=False)
        with warnings.catch_warnings(action="ignore"):
            pyasn = pytest.importorskip("pyasn", reason="pyasn needs a C compiler; make bench installs it")
        peer = pyasn.pyasn(str(path))
        v4 = np.random.default_rng(2014).integers(0, 1 << 32, 100_000, dtype=np.uint64)
        hi, lo = np.zeros(len(v4), np.uint64), v4 | np.uint64(0xFFFF << 32)
        addresses = render(pl.Series(hi), pl.Series(lo))
        expected = [peer.lookup(address)[0] or 0 for address in addresses]
        assert PrefixTable.build(rows).locate(hi, lo).tolist() == expected
