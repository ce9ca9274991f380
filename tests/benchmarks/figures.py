"""What was measured, against what was wanted and what else can do it; as a table, as Markdown, as JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
HEADINGS: Final = ("figure", "target", "median", "min-max", "n", "baseline", "baseline median", "ratio", "met")


@dataclass(frozen=True)
class Baseline:
    """The same work done otherwise, measured in turn with ours."""

    name: str
    samples: Sequence[float]


@dataclass(frozen=True)
class Figure:
    """One thing measured several times."""

    name: str
    samples: Sequence[float]
    unit: str = "s"
    most: float | None = None
    """The target: at most so much, in ``unit``."""
    baseline: Baseline | None = None
    ratio_least: float | None = None
    """The target: our median over the baseline's, at least; for rates."""
    ratio_most: float | None = None
    """The target: our median over the baseline's, at most; for what should be small."""
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """What else belongs to it; goes to JSON only."""

    @property
    def median(self) -> float:
        """Return the middle of the samples."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """Return our median over the baseline's."""
        return None if self.baseline is None else self.median / statistics.median(self.baseline.samples)

    @property
    def met(self) -> bool | None:
        """Whether every target is met; ``None`` where there is none."""
        said = [
            None if self.most is None else self.median <= self.most,
            None if self.ratio_least is None or self.ratio is None else self.ratio >= self.ratio_least,
            None if self.ratio_most is None or self.ratio is None else self.ratio <= self.ratio_most,
        ]
        known = [answer for answer in said if answer is not None]
        return all(known) if known else None

    def row(self) -> tuple[str, ...]:
        """Return what the table says of it."""
        targets = [
            None if self.most is None else f"<= {_shown(self.most, self.unit)}",
            None if self.ratio_least is None else f"ratio >= {self.ratio_least:g}",
            None if self.ratio_most is None else f"ratio <= {self.ratio_most:g}",
        ]
        compared = statistics.median(self.baseline.samples) if self.baseline else None
        return (
            self.name,
            ", ".join(filter(None, targets)) or "-",
            _shown(self.median, self.unit),
            f"{_shown(min(self.samples), '')}-{_shown(max(self.samples), self.unit)}",
            str(len(self.samples)),
            self.baseline.name if self.baseline else "-",
            _shown(compared, self.unit) if compared is not None else "-",
            f"{self.ratio:.2f}" if self.ratio is not None else "-",
            {True: "yes", False: "NO", None: "-"}[self.met],
        )


def as_text(figures: Sequence[Figure], conditions: Sequence[str]) -> str:
    """Return the table for a terminal, what it was measured on above it and remarks below."""
    rows = [HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*conditions, "", *lines, "", *_notes(figures), ""])


def as_markdown(figures: Sequence[Figure], conditions: Sequence[str]) -> str:
    """Return the same as a Markdown table."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.row() for figure in figures)]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    stated = [f"- {line}" for line in [*conditions, *_notes(figures)]]
    return "\n".join([*stated, "", *table])


def write_markdown(path: Path, figures: Sequence[Figure], conditions: Sequence[str]) -> None:
    """Put the table into a document, between its two markers."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{path} has no place for the table: it needs a line {BEGIN} and, below it, {END}")
    path.write_text(f"{before}{BEGIN}\n{as_markdown(figures, conditions)}\n{END}{after}", encoding="utf-8")


def write_json(path: Path, figures: Sequence[Figure], conditions: dict[str, Any]) -> None:
    """Write every sample."""
    told = [{**asdict(figure), "median": figure.median, "ratio": figure.ratio, "met": figure.met} for figure in figures]
    path.write_bytes(orjson.dumps({"conditions": conditions, "figures": told}, option=orjson.OPT_INDENT_2))


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least ``share`` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)]


def _notes(figures: Sequence[Figure]) -> list[str]:
    return [f"{figure.name}: {figure.note}" for figure in figures if figure.note]


def _shown(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"  # beyond it, no fraction is read
    return f"{text} {unit}".rstrip()
