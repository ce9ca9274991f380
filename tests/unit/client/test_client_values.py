import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kessetsu_client.cli.layout import NEVER_FIRST, pad, printable, table, width, wrap
from kessetsu_client.cli.values import parse_rows, rows_text
from kessetsu_client.errors import BadInput, Fault, Problem

ROWS = st.sets(st.integers(1, 4_000_000_000), min_size=1, max_size=50)
TEXTS = st.text(st.sampled_from("abc 通信の秘密、。()ー・x"), max_size=200)


class TestRows:
    """Row numbers are shown as they can be typed, and typed as they are shown."""

    @given(ROWS)
    def test_round_trip(self, rows: set[int]) -> None:
        """What is written as ranges is read as the same rows."""
        assert parse_rows(rows_text(rows)) == tuple(sorted(rows))

    def test_ranges_join(self) -> None:
        """Neighbours become one range, overlaps count once."""
        assert rows_text((3, 1, 2, 5)) == "1-3,5"
        assert parse_rows("5,1-3,2-4") == (1, 2, 3, 4, 5)

    def test_too_many_are_refused_before_they_are_counted_out(self) -> None:
        """A range that would fill the memory is refused by its ends."""
        with pytest.raises(ValueError, match="1-4"):
            parse_rows("1-4000000000")


class TestLayout:
    """A line never takes more columns than there are, and no character is lost (JIS X 4051, in short)."""

    @given(TEXTS, st.integers(20, 80))
    def test_wrapping_keeps_to_the_columns(self, text: str, columns: int) -> None:
        """Only a word longer than a line may stick out."""
        lines = wrap(text, columns)
        longest = max((width(word) for word in re.findall(r"[a-z()、。ー・]+.?", text)), default=0)
        assert all(width(line) <= max(columns, longest + 2) for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())

    @given(TEXTS)
    def test_no_line_begins_with_what_may_not(self, text: str) -> None:
        """A mark that belongs to the character before it stays with it."""
        assert not any(line.startswith(tuple(NEVER_FIRST)) for line in wrap(text, 40)[1:] if not text.startswith(" "))

    def test_columns_line_up_with_wide_characters(self) -> None:
        """A Japanese heading takes two columns a character."""
        lines = table(("種別", "x"), [("attack", "1"), ("感染", "2")]).splitlines()
        assert [width(line) for line in lines] == [9, 9, 9]
        assert pad("網", 4) == "網  "

    @given(st.text())
    def test_nothing_that_steers_a_terminal_is_shown(self, text: str) -> None:
        """Escape, backspace, line feed and direction marks are replaced."""
        assert printable(text).isprintable()


class TestFaultRows:
    @pytest.mark.parametrize(
        ("where", "row"),
        [("row 5", 5), ("row 12, column src_ip", 12), ("/records/7/src_ip", 7), ("rows/3", 3), ("Row=4", 4)],
    )
    def test_a_fault_that_names_a_row_is_found(self, where: str, row: int) -> None:
        """A program can mend the rows the hub names."""
        fault = Fault(where, "bad")
        error = BadInput(Problem(400, "Bad.", errors=(Fault("/kind", "bad"), fault)))
        assert error.rows == ((row, fault),)
