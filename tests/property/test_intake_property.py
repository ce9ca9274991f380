import csv
import io
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import BadRecords, KessetsuError
from hub.intake.csv_records import IntakeLimits, check_csv
from hub.intake.envelope import canonical_envelope, envelope_from_canonical, read_envelope
from hub.intake.members import canonical_target
from hub.intake.times import instant_of
from hub.intake.vectors import VECTORS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = datetime(2026, 2, 1, tzinfo=UTC)
LIMITS = IntakeLimits(max_errors=10_000)
INFECTED = {
    "kind": "infected",
    "legal_basis": "statute",
    "purpose": "subscriber-notice",
    "data_class": "infected-host",
    "mandate": "M-1",
    "malware_family": "Mirai",
    "detection": "sinkhole",
}
ENVELOPE = read_envelope(orjson.dumps(INFECTED))
COLUMNS = ["src_ip", "src_port", "first_seen", "packets", "x_note"]

cells = st.one_of(
    st.sampled_from(["192.0.2.1", "2001:db8::1", "2026-02-28T00:00:00Z", "443", "", "'=1", "1772362800", "tcp"]),
    st.text(max_size=12),
)
notes = st.text(alphabet="ab\",\n\r 'é", max_size=8)
good_rows = st.tuples(
    st.sampled_from(["192.0.2.1", "198.51.100.2", "2001:db8::5"]),
    st.integers(0, 65_535).map(str),
    st.integers(0, 86_400 * 20).map(lambda seconds: (START + timedelta(seconds=seconds)).isoformat()),
    st.integers(0, 2**63 - 1).map(str),
    notes,
)
bad_rows = st.one_of(
    st.sampled_from(
        [
            ["192.0.2.300", "1", START.isoformat(), "1", ""],
            ["192.0.2.1", "65536", START.isoformat(), "1", ""],
            ["192.0.2.1", "1", "2026-02-01T00:00:00", "1", ""],
            ["192.0.2.1", "1", START.isoformat(), "-1", "a\nb"],
            ["", "1", START.isoformat(), "1", ""],
        ]
    ),
    good_rows.flatmap(lambda row: st.sampled_from([row[:1], row[:-1], (*row, ""), (*row, "x", "y")])),
)


def written(rows: list[list[str]], *, quoting: int, ends: str) -> bytes:
    """Write rows as the standard library does, blank first cells quoted so that no row looks empty."""
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator=ends).writerows(rows)
    return out.getvalue().encode()


class TestGarbage:
    """Whatever is sent, the answer is records or a refusal that explains itself, never another failure."""

    @given(st.binary(max_size=400))
    def test_bytes(self, data: bytes) -> None:
        """Any bytes at all."""
        with pytest.raises(KessetsuError):
            check_csv(data, ENVELOPE, now=NOW, limits=LIMITS)

    @given(st.binary(max_size=400))
    def test_bytes_below_a_header(self, data: bytes) -> None:
        """Any bytes below a good header."""
        self.judge(b"src_ip,first_seen,x_note\n" + data)

    @given(st.lists(st.lists(cells, max_size=5), max_size=10), st.sampled_from(["\n", "\r\n", "\r"]))
    def test_loose_text(self, rows: list[list[str]], ends: str) -> None:
        """Cells put side by side without quoting."""
        self.judge(ends.join([",".join(COLUMNS), *(",".join(row) for row in rows)]).encode())

    @given(st.text(alphabet="a1\",\n\r'", max_size=60))
    def test_quotes(self, text: str) -> None:
        """Quotes, separators and line ends in any order."""
        self.judge(b"src_ip,first_seen\n" + text.encode())

    def judge(self, data: bytes) -> None:
        """Check a file and that the figures add up."""
        try:
            checked = check_csv(data, ENVELOPE, now=NOW, limits=LIMITS)
        except KessetsuError as error:
            assert error.expected  # noqa: PT017 - either outcome is right
            assert error.action  # noqa: PT017 - as above
        else:
            assert checked.records.height == checked.total - checked.refused > 0


class TestRows:
    """taken + refused == total, and every row, good or bad, keeps the number it has in the file."""

    @given(
        st.lists(st.one_of(st.tuples(st.just(1), good_rows), st.tuples(st.just(0), bad_rows)), max_size=30),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        st.sampled_from(["\n", "\r\n"]),
        st.sets(st.integers(0, 30)),
    )
    def test_numbers(self, rows: list[tuple[int, tuple[str, ...]]], quoting: int, ends: str, blanks: set[int]) -> None:
        """Refused rows are told by their own numbers, whatever mix they stand in; blank lines do not count."""
        data = written([COLUMNS], quoting=quoting, ends=ends)
        for place, (_, row) in enumerate(rows):
            data += ends.encode() * (place in blanks) + written([list(row)], quoting=quoting, ends=ends)
        good = [place for place, (fine, _) in enumerate(rows, start=1) if fine]
        bad = {place for place, (fine, _) in enumerate(rows, start=1) if not fine}
        if not good:
            with pytest.raises(BadRecords):
                check_csv(data, ENVELOPE, now=NOW, limits=LIMITS)
            return

        checked = check_csv(data, ENVELOPE, now=NOW, limits=LIMITS)

        assert checked.records["row"].to_list() == good
        assert {error.row for error in checked.errors} == bad
        assert (checked.total, checked.refused) == (len(rows), len(bad))
        assert sum(checked.reasons.values()) == len(checked.errors) >= len(bad)

    @given(st.lists(good_rows, min_size=1, max_size=20))
    def test_values(self, rows: list[tuple[str, ...]]) -> None:
        """What is read is what was written."""
        data = written([COLUMNS, *map(list, rows)], quoting=csv.QUOTE_MINIMAL, ends="\n")

        read = check_csv(data, ENVELOPE, now=NOW, limits=LIMITS).records

        assert read["src_port"].cast(str).to_list() == [row[1] for row in rows]
        assert [time.isoformat() for time in read["first_seen"]] == [row[2] for row in rows]
        assert read["packets"].cast(str).to_list() == [row[3] for row in rows]

    @given(st.lists(st.lists(notes, min_size=2, max_size=4), min_size=1, max_size=10))
    def test_rows_are_counted_as_the_standard_library_does(self, rows: list[list[str]]) -> None:
        """A correctly quoted file has as many rows here as for any other reader."""
        data = written([["src_ip", "first_seen", "x_note"], *rows], quoting=csv.QUOTE_ALL, ends="\r\n")
        data += b"192.0.2.1,2026-02-01T00:00:00Z,\n"

        checked = check_csv(data, ENVELOPE, now=NOW, limits=LIMITS)

        assert checked.total == len(rows) + 1
        assert checked.records["row"].to_list() == [checked.total]


class TestTimes:
    """An RFC 3339 text names the instant the standard library says it names, cut to microseconds."""

    @given(
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is drawn apart
        st.integers(-1_439, 1_439),
        st.integers(0, 9),
        st.sampled_from("Tt "),
    )
    def test_any(self, wall: datetime, minutes: int, digits: int, between: str) -> None:
        """Any date, offset and number of digits."""
        fraction = f".{wall.microsecond:06}999"[: digits + 1] if digits else ""
        sign = "-" if minutes < 0 else "+"
        offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        text = f"{wall:%Y-%m-%d}".rjust(10, "0") + f"{between}{wall:%H:%M:%S}{fraction}{offset}"
        micros = int(fraction[1:7].ljust(6, "0")) if digits else 0

        expected = wall.replace(microsecond=micros, tzinfo=UTC) - timedelta(minutes=minutes)

        assert instant_of(text) == expected


class TestEnvelopes:
    """The canonical form of an envelope is one, and reads back to the same envelope."""

    @given(
        st.fixed_dictionaries(
            {
                "vectors": st.lists(st.sampled_from(sorted(VECTORS)), max_size=5),
                "severity": st.sampled_from(["ongoing-attack", "normal"]),
                "mandate": st.from_regex(r"[A-Za-z][A-Za-z _/-]{0,127}", fullmatch=True),
                "target": st.ip_addresses().map(str).filter(canonical_target),
                "start": st.datetimes(datetime(2000, 1, 1), NOW.replace(tzinfo=None)).map(  # noqa: DTZ001 - as text
                    lambda start: start.isoformat() + "Z"
                ),
                "epoch_columns": st.lists(st.sampled_from(["first_seen", "last_seen"])),
                "time_zone": st.sampled_from(["Asia/Tokyo", "Europe/Paris", None]),
                "on_error": st.sampled_from(["reject-rows", "reject-report", None]),
            }
        )
    )
    def test_round_trip(self, changes: dict[str, object]) -> None:
        """Reading back gives the same, and writing that again the same bytes."""
        envelope = read_envelope(orjson.dumps({**INFECTED, **changes}))

        canonical = canonical_envelope(envelope)

        assert envelope_from_canonical(canonical) == envelope
        assert canonical_envelope(envelope_from_canonical(canonical)) == canonical

    @given(st.binary(max_size=200))
    def test_garbage(self, raw: bytes) -> None:
        """Any bytes are refused without another failure."""
        with pytest.raises(KessetsuError):
            read_envelope(raw)

    json_values = st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
        max_leaves=5,
    )

    @given(st.dictionaries(st.sampled_from([*INFECTED, "target", "start", "vectors", "time_zone", "x"]), json_values))
    def test_any_values(self, changes: dict[str, object]) -> None:
        """Members of any type are read or refused, each fault with a pointer and what was expected."""
        try:
            read_envelope(orjson.dumps({**INFECTED, **changes}))
        except KessetsuError as error:
            assert error.faults  # noqa: PT017 - either outcome is right
            assert all(fault.expected and fault.where[:1] in {"", "/"} for fault in error.faults)  # noqa: PT017 - as above
