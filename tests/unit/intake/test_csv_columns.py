from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from hub.addresses import parse_one
from hub.errors import BadRecords
from hub.intake.columns import RECORD_TYPES
from hub.intake.csv_records import IntakeLimits, _unguard, check_csv
from hub.intake.times import instant_of, knows_zone
from tests.unit.intake.building import (
    ATTACK,
    HEADER,
    INFECTED,
    NOW,
    ROW,
    SHORT,
    VULNERABLE,
    check,
    envelope,
    lines,
    read_column,
    row,
)

HOUR = datetime(2026, 3, 1, 11, tzinfo=UTC)


class TestShape:
    """Checked records have the columns and types every later step relies on."""

    def test_types(self) -> None:
        """All thirteen columns, in order, whatever the file has."""
        full, short = check(lines(ROW)), check(lines("192.0.2.1,2026-03-01T11:00:00Z", header=SHORT), INFECTED)

        assert dict(full.records.schema) == dict(short.records.schema) == RECORD_TYPES

    def test_values(self) -> None:
        """A full row is read whole."""
        [read] = check(lines(ROW)).records.iter_rows(named=True)

        source, target = parse_one("192.0.2.1"), parse_one("198.51.100.7")
        assert source is not None
        assert target is not None
        assert read == {
            "row": 1,
            "src_hi": 0,
            "src_lo": source[1],
            "src_port": 40000,
            "dst_hi": 0,
            "dst_lo": target[1],
            "dst_port": 443,
            "protocol": 6,
            "first_seen": HOUR,
            "last_seen": HOUR + timedelta(seconds=1),
            "packets": 3,
            "bytes": 180,
            "tcp_flags": 2,
        }

    def test_optional_cells(self) -> None:
        """Empty optional cells are null, and the end equals the start where none is given."""
        [read] = check(lines("192.0.2.1,,,,udp,2026-03-01T11:00:00Z,,,,")).records.iter_rows(named=True)

        assert read["last_seen"] == read["first_seen"] == HOUR
        assert [read[name] for name in ("src_port", "dst_hi", "dst_lo", "packets", "tcp_flags")] == [None] * 5

    def test_duplicates_are_evidence(self) -> None:
        """The same row twice is two records."""
        assert check(lines(ROW, ROW, ROW)).records.height == 3

    def test_nothing_refused(self) -> None:
        """A good file has no errors and no reasons."""
        checked = check(lines(ROW, ROW))

        assert (checked.total, checked.refused, checked.errors, dict(checked.reasons)) == (2, 0, (), {})


class TestRequired:
    """What is required must stand in every row."""

    @pytest.mark.parametrize("name", ["src_ip", "protocol", "first_seen"])
    def test_attack(self, name: str) -> None:
        """An attack needs source, protocol and time."""
        assert read_column(name, [""]) == ["missing"]

    @pytest.mark.parametrize("base", [INFECTED, VULNERABLE])
    def test_others_need_no_protocol(self, base: dict[str, object]) -> None:
        """An infected or vulnerable device has an address and a time."""
        assert check(lines("192.0.2.1,2026-03-01T11:00:00Z", header=SHORT), base).records.height == 1

    def test_quoted_nothing(self) -> None:
        """Two quotes with nothing between are an empty cell."""
        assert read_column("src_ip", ['""']) == ["missing"]
        assert read_column("packets", ['""']) == [None]


class TestAddresses:
    """Sources and destinations are addresses of one family."""

    @pytest.mark.parametrize(
        "text", ["192.0.2.01", "192.0.2", "192.0.2.0/24", "host", "fe80::1%1", " 192.0.2.1", "192.0.2.1 ", "0"]
    )
    def test_not_an_address(self, text: str) -> None:
        """What is not exactly an address is refused, as source and as destination."""
        assert read_column("src_ip", [text]) == ["not-an-address"]
        assert read_column("dst_ip", [text]) == ["not-an-address"]

    def test_mapped(self) -> None:
        """An IPv4-mapped IPv6 address is the IPv4 address, so it goes with an IPv4 destination."""
        checked = check(lines(row(src_ip="::ffff:192.0.2.1"), ROW))

        assert checked.records["src_lo"].n_unique() == 1
        assert checked.refused == 0

    def test_families(self) -> None:
        """Source and destination of one flow are of one family."""
        checked = check(
            lines(
                row(src_ip="2001:db8::1"),
                row(dst_ip="2001:db8::1"),
                row(src_ip="2001:db8::2", dst_ip="2001:db8::1"),
                row(src_ip="2001:db8::2", dst_ip=""),
                row(src_ip="64:ff9b::192.0.2.1", dst_ip="::ffff:192.0.2.1"),
            )
        )

        assert [(error.row, error.column, error.reason) for error in checked.errors] == [
            (1, "dst_ip", "mixed-families"),
            (2, "dst_ip", "mixed-families"),
            (5, "dst_ip", "mixed-families"),
        ]


class TestNumbers:
    """Numbers are decimal digits within their range."""

    @pytest.mark.parametrize("name", ["src_port", "dst_port"])
    def test_ports(self, name: str) -> None:
        """Ports go from 0 to 65535."""
        good = ["0", "1", "65535", "0443", ""]
        bad = ["65536", "-1", "+80", "80.0", "0x50", "http", "8 0", "9" * 30, "\uff18\uff10"]

        assert read_column(name, good) == [0, 1, 65535, 443, None]
        assert read_column(name, bad) == ["port-range"] * len(bad)

    @pytest.mark.parametrize("name", ["packets", "bytes"])
    def test_counts(self, name: str) -> None:
        """Counts go from 0 to 2^63 - 1."""
        good = ["0", "1", str(2**63 - 1), ""]
        bad = [str(2**63), str(2**64), "-1", "+1", "1.5", "1e3", "1.2 M", "1_000", '"1,000"']

        assert read_column(name, good) == [0, 1, 2**63 - 1, None]
        assert read_column(name, bad) == ["count-range"] * len(bad)

    def test_protocols(self) -> None:
        """Protocols are IANA numbers or the names of those that matter."""
        good = ["tcp", "TCP", "Udp", "icmp", "icmpv6", "gre", "esp", "sctp", "0", "6", "017", "255"]
        bad = ["256", "-1", "tcpp", "6.0", "t", "1000", "TCP "]

        assert read_column("protocol", good) == [6, 6, 17, 1, 58, 47, 50, 132, 0, 6, 17, 255]
        assert read_column("protocol", bad) == ["protocol-unknown"] * len(bad)

    def test_flags(self) -> None:
        """TCP flags are letters, padded with dots, or one number; bits are those of RFC 9293."""
        good = ["F", "S", "R", "P", "A", "U", "E", "C", "...AP.SF", "SA", "........", "0", "18", "255", "0x12", "0XfF"]
        bad = ["X", "fs", "256", "0x100", "0x", "S A", "-", "F" * 17, "0x1g"]

        assert read_column("tcp_flags", good) == [1, 2, 4, 8, 16, 32, 64, 128, 27, 18, 0, 0, 18, 255, 18, 255]
        assert read_column("tcp_flags", bad) == ["flags-format"] * len(bad)


class TestTimes:
    """A time names one instant or is refused."""

    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-03-01T11:00:00Z", HOUR),
            ("2026-03-01t11:00:00z", HOUR),
            ("2026-03-01 11:00:00Z", HOUR),
            ("2026-03-01T20:00:00+09:00", HOUR),
            ("2026-03-01T20:00:00.5+09:00", HOUR.replace(microsecond=500_000)),
            ("2026-02-28T23:30:00-11:30", HOUR),
            ("2026-03-01T11:00:00-00:00", HOUR),
            ("2026-03-01T11:00:00.1Z", HOUR.replace(microsecond=100_000)),
            ("2026-03-01T11:00:00.123456Z", HOUR.replace(microsecond=123_456)),
            ("2026-03-01T11:00:00.123456999Z", HOUR.replace(microsecond=123_456)),
            ("2026-03-01T11:00:00.000000001Z", HOUR),
            ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
            ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_good(self, text: str, instant: datetime) -> None:
        """RFC 3339 with zone, in all its spellings, cut to microseconds."""
        assert read_column("first_seen", [text]) == [instant]
        assert instant_of(text) == instant

    @pytest.mark.parametrize(
        "text",
        [
            "2026-02-30T11:00:00Z",
            "2026-13-01T11:00:00Z",
            "2025-02-29T11:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T11:60:00Z",
            "2026-03-01T11:00:60Z",
            "2026-03-01T11:00Z",
            "2026-03-01T11:00:00.Z",
            "2026-03-01T11:00:00.1234567890Z",
            "2026-03-01T11:00:00+0900",
            "2026-03-01T11:00:00+09",
            "2026-03-01T11:00:00+24:00",
            "2026-03-01T11:00:00+09:60",
            "2026-03-01T11:00:00 Z",
            "2026-03-01T11:00:00UTC",
            "2026-03-01_11:00:00Z",
            "26-03-01T11:00:00Z",
            "2026/03/01 11:00:00",
            "2026-03-01",
            "01 Mar 2026 11:00:00 GMT",
            "2026-03-01T11:00:00ZZ",
            " 2026-03-01T11:00:00Z",
            "\uff12\uff10\uff12\uff16-03-01T11:00:00Z",
            "yesterday",
        ],
    )
    def test_bad(self, text: str) -> None:
        """Anything else is no time."""
        assert read_column("first_seen", [text]) == ["time-format"]
        assert read_column("last_seen", [text]) == ["time-format"]
        assert instant_of(text) is None

    def test_naive(self) -> None:
        """A time without zone is read only where the envelope names the zone."""
        naive = ["2026-03-01T20:00:00", "2026-03-01 20:00:00.25"]

        assert read_column("first_seen", naive) == ["time-without-zone"] * 2
        assert read_column("first_seen", naive, zone="Asia/Tokyo") == [HOUR, HOUR.replace(microsecond=250_000)]

    def test_zone_does_not_override(self) -> None:
        """A time that states its zone keeps it, whatever the envelope says."""
        assert read_column("first_seen", ["2026-03-01T11:00:00Z"], zone="Asia/Tokyo") == [HOUR]
        assert read_column("first_seen", ["2026-02-30T11:00:00"], zone="Asia/Tokyo") == ["time-format"]

    def test_clock_changes(self) -> None:
        """An hour that a clock change repeats or skips names no one instant."""
        naive = ["2025-11-02T01:30:00", "2025-03-09T02:30:00", "2025-11-02T03:30:00"]

        assert read_column("first_seen", naive, zone="America/New_York") == [
            "time-ambiguous",
            "time-ambiguous",
            datetime(2025, 11, 2, 8, 30, tzinfo=UTC),
        ]

    def test_epoch(self) -> None:
        """Seconds since 1970 are read only where the column is declared to hold them."""
        seconds = ["1772362800", "1772362800.5", "1772362800.123456789", "1772362800.1"]

        assert read_column("first_seen", seconds) == ["epoch-undeclared"] * 4
        assert read_column("first_seen", seconds, epoch=True) == [
            HOUR,
            HOUR.replace(microsecond=500_000),
            HOUR.replace(microsecond=123_456),
            HOUR.replace(microsecond=100_000),
        ]

    @pytest.mark.parametrize("text", ["2026-03-01T11:00:00Z", "1772362800000", "1e9", "-1", "1772362800.", ".5", "0x5"])
    def test_not_epoch(self, text: str) -> None:
        """A column declared to hold seconds holds nothing else, milliseconds least of all."""
        assert read_column("first_seen", [text], epoch=True) == ["time-format"]

    def test_declared_columns_only(self) -> None:
        """The declaration of one column says nothing of the other."""
        mixed = row(last_seen="1772362800")
        checked = check(
            lines(row(first_seen="1772362800", last_seen="1772362800"), ROW, mixed), epoch_columns=["last_seen"]
        )

        assert checked.records["row"].to_list() == [3]
        assert [(error.row, error.column, error.reason) for error in checked.errors] == [
            (1, "first_seen", "epoch-undeclared"),
            (2, "last_seen", "time-format"),
        ]

    def test_future(self) -> None:
        """What has not happened yet is refused; a clock may be five minutes ahead."""
        late = NOW + timedelta(minutes=5)
        later = late + timedelta(microseconds=1)
        data = lines(*(row(first_seen=time.isoformat(), last_seen=time.isoformat()) for time in (late, later)))

        checked = check(data)

        assert checked.records["row"].to_list() == [1]
        assert [(error.column, error.reason) for error in checked.errors] == [
            ("first_seen", "time-future"),
            ("last_seen", "time-future"),
        ]

    def test_years_ahead(self) -> None:
        """A time beyond what a calendar holds is still only a time in the future."""
        assert read_column("last_seen", ["9999-12-31T23:59:59-23:59"]) == ["time-future"]
        assert instant_of("9999-12-31T23:59:59-23:59") is None

    def test_clock_never_set(self) -> None:
        """A time before 2000 is a clock that was never set."""
        assert read_column("first_seen", ["1999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]) == ["time-range"] * 2
        assert read_column("first_seen", ["0", "946684799.999999"], epoch=True) == ["time-range"] * 2

    def test_reversed(self) -> None:
        """Nothing ends before it begins."""
        checked = check(lines(row(last_seen="2026-03-01T10:59:59.999999Z"), row(last_seen="2026-03-01T11:00:00Z")))

        assert [(error.row, error.column, error.reason) for error in checked.errors] == [
            (1, "last_seen", "time-reversed")
        ]

    def test_zones(self) -> None:
        """Only names of the IANA database are zones."""
        assert knows_zone("Asia/Tokyo")
        assert knows_zone("UTC")
        assert not any(knows_zone(name) for name in ("", "JST9", "+09:00", "localtime", "Factory", "../UTC", "\0"))

    def test_now_may_have_any_zone(self) -> None:
        """The clock's own zone makes no difference."""
        tokyo = NOW.astimezone(timezone(timedelta(hours=9)))

        assert check_csv(lines(ROW), envelope(), now=tokyo, limits=IntakeLimits()).records.height == 1


class TestRefusals:
    """Every refused row is told by number, column and reason, and never by its value."""

    def test_every_fault_of_a_row(self) -> None:
        """All that is wrong with a row is told at once, in the order of columns; the row counts once."""
        checked = check(lines(row(src_ip="x", src_port="70000", protocol="", bytes="-1"), ROW))

        assert checked.refused == 1
        assert [(error.column, error.reason) for error in checked.errors] == [
            ("src_ip", "not-an-address"),
            ("src_port", "port-range"),
            ("protocol", "missing"),
            ("bytes", "count-range"),
        ]
        assert dict(checked.reasons) == {
            "bytes:count-range": 1,
            "protocol:missing": 1,
            "src_ip:not-an-address": 1,
            "src_port:port-range": 1,
        }

    def test_values_are_not_kept(self) -> None:
        """Neither errors nor refusals hold what stood in the cell."""
        secret = "192.0.2.55x"
        checked = check(lines(row(src_ip=secret), ROW))
        with pytest.raises(BadRecords) as caught:
            check(lines(row(src_ip=secret)))

        error = caught.value
        assert secret not in repr((checked.errors, checked.reasons))
        assert secret not in repr((error, error.message, error.expected, error.got, error.action, error.faults))

    def test_order_and_limit(self) -> None:
        """The first refusals are told, up to the limit; all are counted."""
        rows = [row(bytes="x") if place % 2 else row(src_ip="x", bytes="x") for place in range(1, 21)]
        limits = IntakeLimits(max_errors=7)

        checked = check_csv(lines(*rows, ROW), envelope(), now=NOW, limits=limits)

        assert [error.row for error in checked.errors] == [1, 2, 2, 3, 4, 4, 5]
        assert dict(checked.reasons) == {"bytes:count-range": 20, "src_ip:not-an-address": 10}
        assert (checked.total, checked.refused) == (21, 20)

    def test_cell_too_long(self) -> None:
        """A cell past the limit is told as too long, whatever else is wrong with it."""
        assert read_column("tcp_flags", ["S" * 257]) == ["too-long"]
        assert read_column("src_ip", ["1" * 300]) == ["too-long"]

    def test_all_refused(self) -> None:
        """A file without a good row is refused, with the first reasons."""
        with pytest.raises(BadRecords) as caught:
            check(lines(*[row(src_ip="x")] * 100))

        assert len(caught.value.faults) == 20
        assert caught.value.faults[0].where == "row 1, column src_ip"
        assert caught.value.faults[0].code == "not-an-address"
        assert caught.value.faults[0].got is None
        assert caught.value.action

    def test_all_or_nothing(self) -> None:
        """Where the envelope asks for it, one bad row refuses the report."""
        data = lines(ROW, row(dst_port="99999"), ROW)

        assert check(data, on_error="reject-rows").records["row"].to_list() == [1, 3]
        assert check(lines(ROW), on_error="reject-report").records.height == 1
        with pytest.raises(BadRecords, match="1 of 3 rows") as caught:
            check(data, on_error="reject-report")
        assert [(fault.where, fault.code) for fault in caught.value.faults] == [
            ("row 2, column dst_port", "port-range")
        ]

    def test_formula_guard(self) -> None:
        """An apostrophe that guards a cell against spreadsheets comes off, any other stays."""
        cells = ["'=1", "'+1", "'-1", "'@x", "'\tx", "'x", "''=1", "x'=1", "'", "=1", None]

        [bare] = _unguard(pl.DataFrame({"cell": cells}))

        assert bare.to_list() == ["=1", "+1", "-1", "@x", "\tx", "'x", "''=1", "x'=1", "'", "=1", None]

    def test_apostrophes_do_no_harm(self) -> None:
        """A guarded cell is judged by what it guards."""
        assert read_column("src_port", ["'=80", "'80"]) == ["port-range"] * 2
        assert check(lines(ROW + ",'=1", header=HEADER + ",x_note")).records.equals(check(lines(ROW)).records)

    def test_parts_meet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows keep their numbers when the file is read in many parts."""
        monkeypatch.setattr("hub.intake.csv_records._PART_LINES", 7)
        rows = [row(src_ip="x") if place % 5 == 0 else row(packets=str(place)) for place in range(1, 51)]

        checked = check(lines(*rows))

        assert checked.records["row"].to_list() == checked.records["packets"].to_list()
        assert [error.row for error in checked.errors] == list(range(5, 51, 5))

    def test_records_frame_is_clean(self) -> None:
        """Nothing of the text travels on with the records."""
        checked = check(lines(ROW, header=HEADER), ATTACK)

        assert pl.String not in checked.records.dtypes
