import ipaddress
from itertools import pairwise

import polars as pl
import pytest

from hub.addresses import parse
from hub.attribution.special_use import SPECIAL_BLOCKS, is_special, special_v4


def special(*addresses: str) -> list[bool]:
    """Tell of each address whether it is special use."""
    halves = parse(pl.Series(addresses, dtype=pl.String))
    return is_special(halves["hi"].to_numpy(), halves["lo"].to_numpy()).tolist()


class TestIsSpecial:
    @pytest.mark.parametrize(
        "address",
        [
            "0.255.255.255", "10.1.2.3", "100.64.0.0", "100.127.255.255", "127.0.0.1", "169.254.1.1", "172.31.255.255",
            "192.0.0.9", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1",
            "198.19.255.255", "198.51.100.1", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
            "255.255.255.255", "::", "::1", "64:ff9b::1", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1",
            "2001:2::1", "2001:20::1", "2001:30::1", "2001:4:112::1", "2001:db8::1", "2002::1", "2620:4f:8000::1",
            "3fff::1", "5f00::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1",
        ],
    )  # fmt: skip
    def test_what_the_registries_list_is_special(self, address: str) -> None:
        """Every block of the IANA registries, and multicast, is nobody's network."""
        assert special(address) == [True]

    @pytest.mark.parametrize(
        "address",
        [
            "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.32.0.0", "192.0.1.0",
            "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "100:0:0:2::",
            "2001:200::1", "2001:db9::1", "2003::1", "3ffe::1", "2400::1", "2620:4f:8001::1",
        ],
    )  # fmt: skip
    def test_ordinary_addresses_are_not(self, address: str) -> None:
        """The neighbours of special blocks belong to somebody."""
        assert special(address) == [False]

    def test_whatever_python_knows_as_reserved_is_special(self) -> None:
        """An independent list agrees for IPv4, one probe per /16."""
        probes = [ipaddress.IPv4Address(number << 16 | 1) for number in range(1 << 16)]
        answers = special(*(str(probe) for probe in probes))
        disagree = [
            str(probe)
            for probe, answer in zip(probes, answers, strict=True)
            if answer != (not probe.is_global or probe.is_multicast or probe.is_reserved)
        ]
        assert disagree == []


class TestList:
    def test_every_block_names_its_source(self) -> None:
        """Nothing is special because we say so."""
        assert all(block.source.startswith("RFC") for block in SPECIAL_BLOCKS)

    def test_ipv4_blocks_are_disjoint(self) -> None:
        """The share of routed space subtracts each block once."""
        blocks = sorted(special_v4())
        assert all(after <= first for (_, after), (first, _) in pairwise(blocks))
        assert blocks[-1][1] == 1 << 32
