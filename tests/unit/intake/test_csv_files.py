from datetime import UTC, date, datetime

import pytest

from hub.decompress import decompress
from hub.errors import BadRecords, TooLarge
from hub.intake.csv_records import IntakeLimits, check_csv
from tests.unit.attribution.building import data_file
from tests.unit.intake.building import HEADER, INFECTED, NOW, ROW, SHORT, check, envelope, lines, row

GOOD = "192.0.2.1,2026-03-01T11:00:00Z"
BOM = b"\xef\xbb\xbf"


def refusal(data: bytes, base: dict[str, object] = INFECTED) -> BadRecords:
    """Return the refusal of a file."""
    with pytest.raises(BadRecords) as caught:
        check(data, base)
    error = caught.value
    assert error.expected
    assert error.action
    return error


def numbers(data: bytes) -> tuple[list[int], list[tuple[int, str]]]:
    """Return the numbers of good rows, and number and reason of the others, of a report of infections."""
    checked = check(data, INFECTED)
    assert checked.total == checked.refused + checked.records.height
    return checked.records["row"].to_list(), [(error.row, error.reason) for error in checked.errors]


class TestSpellings:
    """One file in many spellings is one file."""

    @pytest.mark.parametrize(
        "data",
        [
            lines(ROW, ROW),
            lines(ROW, ROW).removesuffix(b"\n"),
            BOM + lines(ROW, ROW),
            lines(ROW, ROW).replace(b"\n", b"\r\n"),
            BOM + lines(ROW, ROW).replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
            lines(ROW, ROW) + b"\n\n\r\n",
            lines(ROW, "", ROW),
            lines(ROW, ROW, header=HEADER.upper()),
            lines(ROW, ROW, header=HEADER.replace(",", " , ")),
            lines(*['"' + ROW.replace(",", '","') + '"'] * 2, header='"' + HEADER.replace(",", '","') + '"'),
            BOM + lines(ROW, ROW, header='"src_ip"' + HEADER.removeprefix("src_ip")),
            lines(*[ROW.replace(",tcp,", ',"tcp",')] * 2).replace(b"\n", b"\r\n"),
        ],
        ids=[
            "plain",
            "no end",
            "bom",
            "crlf",
            "bom crlf",
            "blank end",
            "blank",
            "case",
            "trim",
            "quoted",
            "bom+",
            "mix",
        ],
    )
    def test_the_same(self, data: bytes) -> None:
        """BOM, line ends, quotes, blank lines and the header's case make no difference."""
        assert check(data).records.equals(check(lines(ROW, ROW)).records)

    def test_order_of_columns(self) -> None:
        """Columns are known by name, not by place."""
        names, cells = HEADER.split(","), ROW.split(",")
        turned = lines(",".join(reversed(cells)), header=",".join(reversed(names)))

        assert check(turned).records.equals(check(lines(ROW)).records)

    def test_own_columns(self) -> None:
        """Columns of the member's own are not read, whatever they hold and however often they come."""
        data = lines(f'{ROW},"a ""b"", c\nd",{"z" * 9_000},メモ', header=f"{HEADER},x_note,X_NOTE,x_メモ")

        assert check(data).records.equals(check(lines(ROW)).records)


class TestHeader:
    """The header says which columns there are, or the file is refused with what is wrong."""

    def faults(self, header: str, base: dict[str, object] = INFECTED) -> list[tuple[str, str, str | None]]:
        """Return the faults of a header."""
        return [(fault.where, fault.code, fault.got) for fault in refusal(lines(GOOD, header=header), base).faults]

    def test_missing(self) -> None:
        """Source and time are always needed."""
        assert self.faults("src_port,dst_ip") == [
            ("header, column src_ip", "missing", None),
            ("header, column first_seen", "missing", None),
        ]

    def test_attack_needs_protocol(self) -> None:
        """Without the protocol nobody can tell what a spoofed source could have sent."""
        error = refusal(lines(GOOD, header=SHORT), {**envelope_members(), "kind": "attack"})

        assert [fault.where for fault in error.faults] == ["header, column protocol"]

    def test_unknown(self) -> None:
        """An unknown column is refused with the list of known ones, its name shown to the sender only."""
        error = refusal(lines(GOOD + ",x", header=SHORT + ",Source IP"))

        assert [(fault.where, fault.got) for fault in error.faults] == [("header, column 3", "source ip")]
        assert error.expected is not None
        assert "tcp_flags" in error.expected

    def test_twice(self) -> None:
        """A column that comes twice is refused, in whatever case."""
        assert self.faults(SHORT + ",SRC_IP") == [("header, column src_ip", "duplicate-column", "2 times")]

    def test_all_at_once(self) -> None:
        """Everything wrong with a header is told at once."""
        assert [code for _, code, _ in self.faults("src_ip,SRC_IP,port")] == [
            "missing",
            "unknown-column",
            "duplicate-column",
        ]

    def test_empty_name(self) -> None:
        """A column without a name is an unknown one."""
        assert self.faults(SHORT + ",") == [("header, column 3", "unknown-column", "")]

    def test_no_header(self) -> None:
        """A file that begins with values is told to be without header."""
        error = refusal(lines(GOOD, header=GOOD))

        assert error.action == "The first line holds values: put the column names before them."

    @pytest.mark.parametrize(("separator", "called"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
    def test_other_separator(self, separator: str, called: str) -> None:
        """Another separator is recognised and named."""
        error = refusal(lines(GOOD, header=SHORT).replace(b",", separator.encode()))

        assert error.action is not None
        assert called in error.action

    def test_too_many_columns(self) -> None:
        """Columns are limited, ignored ones included."""
        refusal(lines(GOOD, header=SHORT + "".join(f",x_{place}" for place in range(63))))
        assert check(lines(GOOD + "," * 62, header=SHORT + "".join(f",x_{place}" for place in range(62))), INFECTED)

    @pytest.mark.parametrize(
        "data",
        [
            b'"src_ip,first_seen\n' + GOOD.encode(),
            b'src_ip,"first\n_seen"\n' + GOOD.encode(),
            b'src_ip,first"_seen\n' + GOOD.encode(),
            b"src_ip,first_seen\r" + GOOD.encode() + b"\r",
            b"\n" + lines(GOOD, header=SHORT),
            b"x_" + b"a" * 20_000,
        ],
        ids=["open quote", "quoted line end", "stray quote", "cr", "blank first", "endless"],
    )
    def test_unreadable(self, data: bytes) -> None:
        """A header that cannot be read is refused."""
        refusal(data)


def envelope_members() -> dict[str, object]:
    """Return an attack's envelope that needs nothing but the protocol column."""
    return {
        "legal_basis": "statute",
        "purpose": "attack-response",
        "data_class": "attack-traffic",
        "mandate": "M-1",
        "requested_action": "warn",
        "vectors": ["scan"],
        "target": "198.51.100.7",
        "start": "2026-03-01T10:00:00Z",
        "end": "2026-03-01T11:30:00Z",
    }


class TestEncodings:
    """What is not UTF-8 is told by the name of what it looks like."""

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    def test_utf16(self, encoding: str) -> None:
        """UTF-16, with BOM or without, is recognised."""
        assert "UTF-16" in refusal(lines(GOOD, header=SHORT).decode().encode(encoding)).message

    @pytest.mark.parametrize("text", ["メモ", "攻撃元の装置", "ｶﾅ", "表示,ソ"])
    def test_shift_jis(self, text: str) -> None:
        """Shift_JIS is recognised, with the line where it begins and the way out."""
        data = lines(GOOD + ",", f"{GOOD},{text}", header=SHORT + ",x_note").decode().encode("cp932")

        error = refusal(data)

        assert "Shift_JIS" in error.message
        assert "line 3" in error.message
        assert error.action is not None
        assert "CP932" in error.action

    def test_shift_jis_cut_within_a_character(self) -> None:
        """The sample looked at may end anywhere."""
        data = lines(*[GOOD + ",脆弱性a"] * 4_000, header=SHORT + ",x_note").decode().encode("cp932")

        assert "Shift_JIS" in refusal(data).message

    def test_neither(self) -> None:
        """Bytes that are no text anybody uses are only told not to be UTF-8."""
        error = refusal(lines(GOOD, GOOD, header=SHORT) + b"\xff\xff\xff\n")

        assert error.message == "Line 4 of the records is not UTF-8."

    def test_far_into_the_file(self) -> None:
        """A bad byte is found, and its line told, wherever it stands."""
        data = (lines(*[GOOD + ",é"] * 150_000, header=SHORT + ",x_note")) + GOOD.encode() + b",\xe9\xff\n"

        assert refusal(data).message == "Line 150002 of the records is not UTF-8."

    @pytest.mark.parametrize("step", [1, 2, 3, 5])
    def test_line_is_right_wherever_the_check_steps(self, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A character may lie across two steps of the check; the line told is that of the bad byte."""
        monkeypatch.setattr("hub.intake.encoding._STEP", step)
        for text in ("あé", "éé", "x"):
            data = lines(GOOD, header=SHORT) + f"{text}\n".encode() + b"\xe9\n" + b"\n" * 10

            assert refusal(data).message == "Line 4 of the records is not UTF-8."

    @pytest.mark.parametrize("cut", [1, 2])
    def test_ends_within_a_character(self, cut: int) -> None:
        """A file that ends within a character is not UTF-8."""
        assert "UTF-8" in refusal((lines(GOOD, header=SHORT) + b"192.0.2.1,\xe3\x81\x82")[:-cut]).message

    def test_nul(self) -> None:
        """NUL characters are refused."""
        assert "NUL" in refusal(lines(GOOD, header=SHORT) + b"192.0.2.1\0,\n").message


class TestRows:
    """Every row keeps its number, whatever stands around it."""

    def test_ragged(self) -> None:
        """Rows with too few or too many cells are refused one by one."""
        data = lines(GOOD, "192.0.2.2", GOOD, f"{GOOD},", f"{GOOD},,,x", GOOD, ",", header=SHORT)

        assert numbers(data) == (
            [1, 3, 6],
            [(2, "too-few-cells"), (4, "too-many-cells"), (5, "too-many-cells"), (7, "missing"), (7, "missing")],
        )
        assert check(data, INFECTED).errors[0].column == "row"

    def test_optional_columns_must_be_there(self) -> None:
        """A row that ends early is short, even where the rest might have been empty."""
        assert check(lines("192.0.2.1,,,,tcp,2026-03-01T11:00:00Z", ROW)).refused == 1

    def test_quoted_line_ends(self) -> None:
        """A line end within quotes begins no row."""
        noted = f'{GOOD},"one\ntwo\r\n\nthree, ""four"""'
        data = lines(noted, f"x{GOOD},", noted, f"{GOOD}", f"{noted},more", f"{GOOD},", header=SHORT + ",x_note")

        assert numbers(data) == (
            [1, 3, 6],
            [(2, "not-an-address"), (4, "too-few-cells"), (5, "too-many-cells")],
        )

    def test_blank_lines_are_no_rows(self) -> None:
        """Empty lines are not counted; lines with blanks in them are."""
        data = lines("", GOOD, "", "", "x,", " ", GOOD, header=SHORT).replace(b"\n", b"\r\n")

        assert numbers(data) == ([1, 4], [(2, "not-an-address"), (2, "missing"), (3, "too-few-cells")])

    @pytest.mark.parametrize(
        "data", [b"", BOM, b"\n", SHORT.encode(), lines(header=SHORT), lines("", "", header=SHORT)]
    )
    def test_none(self, data: bytes) -> None:
        """A file without rows is refused."""
        refusal(data)

    def test_none_is_said(self) -> None:
        """A header without rows is told as such."""
        assert "no records" in refusal(lines(header=SHORT)).message

    @pytest.mark.parametrize(
        ("rows", "line"),
        [
            (['a"b",c'], 2),
            (['"a"b,c'], 2),
            ([GOOD, '"a" ,c'], 3),
            ([GOOD, ' "a",c'], 3),
            ([GOOD, '"a', GOOD], 3),
            ([GOOD, GOOD, 'a,"'], 4),
            ([GOOD, '"x"\r,c'], 3),
            (['"ok\nok",c', 'a,b"'], 4),
        ],
    )
    def test_stray_quotes(self, rows: list[str], line: int) -> None:
        """A quote that opens or closes no cell makes the rest of the file unsure, so all of it is refused."""
        assert f"line {line} " in refusal(lines(*rows, header=SHORT)).message

    def test_quotes_across_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the scan happens to step makes no difference."""
        noted = f'{GOOD},"one\r\n\n""two"", ""'
        data = lines(*[f'{noted}"', GOOD, f'{GOOD},""'] * 20, header=SHORT + ",x_note").replace(b"\n", b"\r\n")
        whole = check(data, INFECTED)

        for step in (1, 2, 3, 7, 64):
            monkeypatch.setattr("hub.intake.rows._STEP", step)
            stepped = check(data, INFECTED)
            assert stepped.records.equals(whole.records)
            assert stepped.errors == whole.errors

    def test_too_many(self) -> None:
        """Rows are limited."""
        limits = IntakeLimits(max_rows=10)

        assert check_csv(lines(*[ROW] * 10), envelope(), now=NOW, limits=limits).total == 10
        for data in (lines(*[ROW] * 11), lines(*[ROW] * 11).removesuffix(b"\n"), lines(ROW) + b"\n" * 20_000_000):
            with pytest.raises(TooLarge, match="10 rows"):
                check_csv(data, envelope(), now=NOW, limits=limits)

    def test_mistaken_for_compressed(self) -> None:
        """A cell that looks like compressed data is text like any other."""
        assert check(lines(ROW, row(src_ip="x\x01"))).refused == 1


class TestRealFiles:
    """Files as tools write them."""

    def test_nfdump_flags(self) -> None:
        """Flags as nfdump prints them, protocols in capitals and numbers are read."""
        data = lines(row(tcp_flags="...AP.SF", protocol="TCP"), row(tcp_flags="........", protocol="17"))

        assert check(data).records["tcp_flags"].to_list() == [27, 0]
        assert check(data).records["protocol"].to_list() == [6, 17]

    def test_flood(self) -> None:
        """A recorded flood is read from the flow tool's own export; an ICMP type in a port's place is no port."""
        export = decompress(data_file("attack_sources/ddos/nladc_20141229_netflow.csv.zst"), limit=10_000_000)
        header = b"first_seen,x_duration,protocol,src_ip,src_port,dst_ip,dst_port,packets,bytes"

        checked = check(header + export[export.index(b"\n") :], time_zone="UTC")

        assert checked.total == 2834
        assert dict(checked.reasons) == {"dst_port:port-range": export.count(b",ICMP,")}
        assert set(checked.records["protocol"].unique()) <= {1, 6, 17}
        assert checked.records["first_seen"].dt.date().unique().to_list() == [date(2014, 12, 29)]

    def test_honeypot(self) -> None:
        """A recorded day of scanning is read whole, its seconds since 1970 to the microsecond."""
        log = decompress(data_file("attack_sources/ctu_honeypots/conn_2022-03-01.tsv.zst"), limit=100_000_000)
        header = b"first_seen,src_ip,src_port,dst_ip,dst_port,protocol,x_service,x_state,x_sent,x_received"
        data = header + log[log.index(b"\n") :].replace(b",", b"+").replace(b"\t", b",")

        checked = check(data, epoch_columns=["first_seen"])

        assert checked.total == log.count(b"\n") - 1
        assert checked.refused == 0
        assert checked.records["first_seen"][0] == datetime(2022, 2, 28, 19, 53, 10, 649_699, tzinfo=UTC)
