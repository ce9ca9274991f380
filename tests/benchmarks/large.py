"""One large report from the last byte to every inbox, in turn with the baselines over the very same file."""

from collections import defaultdict
from contextlib import ExitStack

from tests.benchmarks import cpu
from tests.benchmarks.baselines import talking
from tests.benchmarks.figures import Baseline, Figure
from tests.benchmarks.pushing import Pushed, push
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell
from tests.benchmarks.warming import warm

MOST_SECONDS = 5.0
LEAST_OF_PYASN = 1.0
LEAST_OF_DUCKDB = 0.5

BASELINES = (
    ("with_pyasn", "plain", "pyasn, csv module"),
    ("with_pyasn", "batched", "pyasn, batched"),
    ("with_duckdb", "files", "DuckDB joins, files"),
    ("with_duckdb", "count", "DuckDB joins, counts"),
)


def large(setting: Setting) -> list[Figure]:
    """Measure speed: hub and baselines take turns, so that a slow minute of the machine meets all of them."""
    pushed: list[Pushed] = []
    others: defaultdict[str, list[float]] = defaultdict(list)
    file = setting.base / "report.csv"
    with ExitStack() as stack:
        stack.enter_context(setting.instance.running(setting.threads))
        programs = {
            name: stack.enter_context(talking.program(module, way, *setting.tables()))
            for module, way, name in BASELINES
        }
        warm(setting)
        for number in range(1, setting.amount.rounds + 1):
            drawn = setting.fresh()
            file.write_bytes(drawn.csv)
            pushed.append(push(setting.instance, setting.instance.members[number], drawn, setting.start))
            for name, run in programs.items():
                seconds, written = run(file)
                if written != drawn.delivered:
                    raise RuntimeError(f"the baseline {name} wrote {written:,} records, not {drawn.delivered:,}")
                others[name].append(drawn.rows / seconds)
            told = ", ".join(f"{name} {drawn.rows / rates[-1]:.2f} s" for name, rates in others.items())
            tell(f"Round {number}: hub {pushed[-1].seconds:.2f} s; {told}; {cpu.told(pushed[-1].cpu)}")
    return _speed(setting, pushed, others)


def _speed(setting: Setting, pushed: list[Pushed], others: dict[str, list[float]]) -> list[Figure]:
    rows, title = setting.amount.rows, setting.title
    rates = [rows / one.seconds for one in pushed]
    whole = rows == 1_000_000  # what the target is stated for
    figures = [
        Figure(
            f"{title}: last byte -> every parcel fetchable",
            [one.seconds for one in pushed],
            most=MOST_SECONDS if whole else None,
        ),
        Figure(f"{title}: last byte -> receipt (202)", [one.answered - one.last_byte for one in pushed]),
        Figure(f"{title}: first byte -> every parcel fetchable", [one.visible - one.first_byte for one in pushed]),
    ]
    figures.append(_processor_time(title, pushed))
    for name, theirs in others.items():
        least = LEAST_OF_DUCKDB if name.startswith("DuckDB") else LEAST_OF_PYASN
        figures.append(Figure(f"{title}: rate", rates, "records/s", None, Baseline(name, theirs), ratio_least=least))
    return figures


def _processor_time(title: str, pushed: list[Pushed]) -> Figure:
    totals = [sum(one.cpu.values()) for one in pushed]
    return Figure(
        f"{title}: processor time of all processes", totals, note=cpu.told(cpu.middle([one.cpu for one in pushed]))
    )
