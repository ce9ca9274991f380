from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.showing import plain, text_of
from hub.cli.text import columns, padded, printable, width, wrapped
from hub.cli.values import INSTANT, ROWS, SPAN, service_hours


class TestInstant:
    @pytest.mark.parametrize("typed", ["2026-04-01T00:00:00+09:00", "2026-03-31T15:00:00Z", "2026-03-31T15:00Z"])
    def test_names_one_instant(self, typed: str) -> None:
        """However its zone is written, it is the same moment."""
        assert INSTANT.convert(typed, None, None) == datetime(2026, 3, 31, 15, tzinfo=UTC)

    @pytest.mark.parametrize("typed", ["2026-04-01", "2026-04-01T00:00:00", "1775000000", "tomorrow", ""])
    def test_names_none(self, typed: str) -> None:
        """Without a zone, or in another form, it is refused."""
        with pytest.raises(click.BadParameter):
            INSTANT.convert(typed, None, None)

    def test_now(self) -> None:
        """``now`` is aware."""
        assert INSTANT.convert("now", None, None).tzinfo is not None


class TestSpan:
    @pytest.mark.parametrize(
        ("typed", "span"),
        [
            ("90d", timedelta(days=90)),
            ("24h", timedelta(days=1)),
            ("2w", timedelta(days=14)),
            ("5m", timedelta(0, 300)),
        ],
    )
    def test_units(self, typed: str, span: timedelta) -> None:
        """Seconds, minutes, hours, days, weeks."""
        assert SPAN.convert(typed, None, None) == span

    @pytest.mark.parametrize("typed", ["90", "d", "-1d", "0d", "1.5h", "1y", "1\N{FULLWIDTH DIGIT NINE}d"])
    def test_no_span(self, typed: str) -> None:
        """A number without unit, or less than nothing, is refused."""
        with pytest.raises(click.BadParameter):
            SPAN.convert(typed, None, None)


class TestRows:
    """Row numbers and ranges name each row once, ascending."""

    @given(st.sets(st.integers(1, 500), min_size=1, max_size=50))
    def test_numbers_in_any_order(self, rows: set[int]) -> None:
        """Numbers read back as they are, sorted."""
        assert ROWS.convert(",".join(map(str, rows)), None, None) == tuple(sorted(rows))

    def test_ranges_that_overlap(self) -> None:
        """A row named twice counts once."""
        assert ROWS.convert("4, 1-3,2-5", None, None) == (1, 2, 3, 4, 5)


class TestHours:
    def test_days_of_a_span(self) -> None:
        """A span of days gives each of them the same hours; later ones replace."""
        assert service_hours(["mon-wed=09:00-17:30", "tue=10:00-24:00"], "Asia/Tokyo") == {
            "zone": "Asia/Tokyo",
            "mon": ["09:00", "17:30"],
            "tue": ["10:00", "24:00"],
            "wed": ["09:00", "17:30"],
        }

    def test_nothing_is_around_the_clock(self) -> None:
        """No hours, no zone needed."""
        assert service_hours([], None) == {}

    @pytest.mark.parametrize("typed", ["fri-mon=09:00-17:00", "mon=9:00-17:00", "mon=09:00-09:00", "mon=09:00-25:00"])
    def test_other_forms(self, typed: str) -> None:
        """Days in order, times of day in order."""
        with pytest.raises(click.BadParameter):
            service_hours([typed], "Asia/Tokyo")


class TestText:
    """Columns count what a terminal shows: two for a full-width character, none for a combining one."""

    @given(st.text(alphabet="ab 、。日本語カナ", max_size=200), st.integers(10, 60))
    def test_wrapping_loses_nothing_and_fits(self, text: str, limit: int) -> None:
        """All characters but blanks at line ends come out in order; a line is over by closing marks at most."""
        lines = wrapped(text, limit)

        assert "".join("".join(lines).split()) == "".join(text.split())
        for line in lines:
            excess = line
            while width(excess) > limit and excess[-1] in "、。 ":
                excess = excess[:-1]
            assert width(excess) <= limit or " " not in excess.strip()
            assert not line[:1] or line[0] not in "、。" or line == lines[0]

    def test_columns_stay_aligned(self) -> None:
        """The second column begins at the same place."""
        first, second = columns([["名称", "x"], ["Example", "y"]]).splitlines()

        assert width(first[: first.index("x")]) == width(second[: second.index("y")]) == 9

    def test_padded(self) -> None:
        """What is wide already stays."""
        assert (padded("日", 4), padded("日本語", 4)) == ("日  ", "日本語")

    def test_nothing_steers_the_terminal(self) -> None:
        """Escapes and line feeds of others' names are shown as replaced."""
        assert printable("a\x1b[2Jb\nc\u202e") == "a\ufffd[2Jb\ufffdc\ufffd"


class Word(StrEnum):
    A = "a"


@dataclass(frozen=True)
class Thing:
    word: Word
    at: datetime
    parts: tuple[UUID, ...]


class TestShown:
    def test_json_of_everything(self) -> None:
        """Dataclasses, enumerations, ids, times and paths become what JSON knows."""
        thing = Thing(Word.A, datetime(2026, 4, 1, tzinfo=UTC), (UUID(int=1),))

        assert plain({"thing": thing, "path": Path("x"), "none": None, "set": {1}}) == {
            "thing": {"word": "a", "at": "2026-04-01T00:00:00+00:00", "parts": [str(UUID(int=1))]},
            "path": "x",
            "none": None,
            "set": [1],
        }
        with pytest.raises(TypeError):
            plain(object())

    def test_text_for_people(self) -> None:
        """Numbers are grouped, nothing is a dash, truth is a word."""
        shown = [text_of(value) for value in (None, True, 1234567, Word.A, [], ["a", 1], {"a": 1}, "", 0.25)]

        assert shown == ["-", "yes", "1,234,567", "a", "-", "a, 1", "a: 1", "-", "0.2"]
