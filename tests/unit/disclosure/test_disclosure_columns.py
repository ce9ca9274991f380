"""Only granted columns leave."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import polars as pl
import pytest

from hub.disclosure.columns import COLUMNS, columns_for, narrow_frame, strip
from hub.vocabulary import Field

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def halves(text: str | None) -> tuple[int | None, int | None]:
    """Split an address as the evidence columns do."""
    if text is None:
        return None, None
    address = ip_address(text)
    number = int(address) if isinstance(address, IPv6Address) else 0xFFFF << 32 | int(IPv4Address(text))
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def frame(*destinations: str | None) -> pl.DataFrame:
    """Return one attributed record per destination."""
    split = [halves(text) for text in destinations]
    n = len(destinations)
    return pl.DataFrame(
        {
            "row": pl.Series(range(100, 100 + n), dtype=pl.UInt32),
            "src_hi": pl.Series([0] * n, dtype=pl.UInt64),
            "src_lo": pl.Series(range(n), dtype=pl.UInt64),
            "src_port": pl.Series([1] * n, dtype=pl.UInt16),
            "dst_hi": pl.Series([hi for hi, _ in split], dtype=pl.UInt64),
            "dst_lo": pl.Series([lo for _, lo in split], dtype=pl.UInt64),
            "dst_port": pl.Series([80] * n, dtype=pl.UInt16),
            "protocol": pl.Series([6] * n, dtype=pl.UInt8),
            "first_seen": pl.Series([WHEN] * n, dtype=pl.Datetime("us", "UTC")),
            "last_seen": pl.Series([WHEN] * n, dtype=pl.Datetime("us", "UTC")),
            "packets": pl.Series([1] * n, dtype=pl.UInt64),
            "bytes": pl.Series([60] * n, dtype=pl.UInt64),
            "tcp_flags": pl.Series([2] * n, dtype=pl.UInt8),
            "outcome": pl.Series([0] * n, dtype=pl.UInt8),
            "recipient": pl.Series([3] * n, dtype=pl.Int32),
            "asn": pl.Series([64500] * n, dtype=pl.UInt32),
            "marks": pl.Series([0] * n, dtype=pl.UInt8),
        }
    )


def test_every_field_says_which_columns_it_has() -> None:
    """A field without an entry would be stripped in silence; one column belongs to one field only."""
    assert COLUMNS.keys() == set(Field)
    columns = [column for each in COLUMNS.values() for column in each]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.55", "192.0.2.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("0.0.0.0", "0.0.0.0/24"),  # noqa: S104 - an address, not a socket
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:0:ffff::1", "2001:db8::/48"),
        ("::1", "::/48"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff::/48"),
        ("::fffe:c000:0237", "::/48"),
        ("::1:ffff:c000:237", "::/48"),
        ("::c000:237", "::/48"),
        ("0:0:0:1:0:ffff:c000:237", "::/48"),
    ],
)
def test_the_destination_prefix_hides_the_host(address: str, network: str) -> None:
    """An IPv4 destination is shown as its /24, an IPv6 destination as its /48 (RFC 5952 spelling)."""
    shown = strip(frame(address), frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX}))
    assert shown.columns == ["row", "src_hi", "src_lo", "dst_prefix"]
    assert shown["dst_prefix"].to_list() == [network]


def test_families_and_missing_destinations_mix() -> None:
    """Each row gets its own prefix, or none."""
    shown = strip(
        frame("2001:db8::1", None, "198.51.100.7"), frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX})
    )
    assert shown["dst_prefix"].to_list() == ["2001:db8::/48", None, "198.51.100.0/24"]


def test_many_networks_are_named_like_few() -> None:
    """However many destinations an attack has, each row shows its own network."""
    attacked = [f"10.{number}.7.9" for number in range(200)] + [f"2001:db8:{number:x}::9" for number in range(200)]
    shown = strip(frame(*attacked, None), frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX}))
    expected = [str(ip_network(f"{text}/{24 if '.' in text else 48}", strict=False)) for text in attacked]
    assert shown["dst_prefix"].to_list() == [*expected, None]


def test_rows_are_numbered_anew() -> None:
    """The reporter's numbering would show how many rows went to others."""
    shown = strip(frame("192.0.2.1", "192.0.2.2").reverse(), frozenset({Field.SOURCE_ADDRESS}))
    assert shown["row"].to_list() == [1, 2]
    assert shown.schema["row"] == pl.UInt32
    assert shown["src_lo"].to_list() == [1, 0]


def test_attribution_never_leaves() -> None:
    """Outcome, recipient and AS are the hub's own, whatever is granted."""
    shown = strip(frame("192.0.2.1"), frozenset(Field))
    assert not {"outcome", "recipient", "asn"} & set(shown.columns)
    assert set(shown.columns) == {"row", *columns_for(frozenset(Field))}


def test_without_the_source_no_row_is_left() -> None:
    """What remains would still tell how much there was."""
    assert strip(frame("192.0.2.1"), frozenset(Field) - {Field.SOURCE_ADDRESS}).height == 0
    assert strip(frame("192.0.2.1"), frozenset()).height == 0


def test_a_sealed_page_is_narrowed_again_and_keeps_its_rows() -> None:
    """Reading the second page under stricter rules must not renumber what outcomes refer to."""
    granted = frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX, Field.VOLUMES})
    sealed = strip(frame(*["192.0.2.1"] * 4), granted)
    page = narrow_frame(sealed.slice(2, 2), granted - {Field.VOLUMES} | {Field.DESTINATION_ADDRESS})
    assert page.columns == ["row", "src_hi", "src_lo", "dst_prefix"]
    assert page["row"].to_list() == [3, 4]
    assert page["dst_prefix"].to_list() == ["192.0.2.0/24"] * 2


def test_a_prefix_that_was_not_sealed_cannot_be_made_later() -> None:
    """Where neither destination nor prefix was kept, the prefix is unknown, not invented."""
    sealed = strip(frame("192.0.2.1"), frozenset({Field.SOURCE_ADDRESS}))
    page = narrow_frame(sealed, frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX}))
    assert page["dst_prefix"].to_list() == [None]


def test_no_rows_are_no_error() -> None:
    """An empty frame keeps its columns."""
    shown = strip(frame(), frozenset({Field.SOURCE_ADDRESS, Field.DESTINATION_PREFIX}))
    assert (shown.height, shown.columns) == (0, ["row", "src_hi", "src_lo", "dst_prefix"])
