"""How long others' requests wait while a large report is received, processed and released."""

import time
from typing import Final

from tests.benchmarks import cpu
from tests.benchmarks.figures import Baseline, Figure, percentile
from tests.benchmarks.others import PER_SECOND, asking
from tests.benchmarks.pushing import push
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell
from tests.benchmarks.warming import warm

MOST_WAIT: Final = 0.1
_IDLE: Final = 5
"""Seconds the same is asked of an idle hub in each round."""


def beside(setting: Setting) -> list[Figure]:
    """Ask at a steady pace from before the first byte until after release, and then for a while of an idle hub."""
    waited: dict[str, list[float]] = {"receiving": [], "processing": [], "idle": []}
    seconds, spent = [], []
    with setting.instance.running(setting.threads):
        asker = setting.instance.members[warm(setting)]
        for number in range(1, setting.amount.rounds + 1):
            with asking(setting.instance, asker) as waits:
                one = push(setting.instance, setting.instance.members[number], setting.fresh(), setting.start)
            waited["receiving"] += waits.between(one.first_byte, one.answered)
            waited["processing"] += waits.between(one.answered, one.visible)
            seconds.append(one.seconds)
            spent.append(one.cpu)
            with asking(setting.instance, asker) as waits:
                time.sleep(_IDLE)
            waited["idle"] += waits.between()
            shown = ", ".join(f"{name} {percentile(some, 0.99) * 1000:.0f}" for name, some in waited.items())
            tell(f"Round {number}: {one.seconds:.2f} s; p99 of others in ms so far: {shown}")
    return _figures(setting, waited, seconds, cpu.middle(spent))


def _figures(setting: Setting, waited: dict[str, list[float]], seconds: list[float], spent: cpu.Spent) -> list[Figure]:
    idle = Baseline("the same, hub idle", [percentile(waited["idle"], 0.99) * 1000])

    def figure(name: str, waits: list[float]) -> Figure:
        longest, median = max(waits) * 1000, percentile(waits, 0.5) * 1000
        return Figure(
            f"others' requests beside {setting.title}, {name}, p99",
            [percentile(waits, 0.99) * 1000],
            "ms",
            most=MOST_WAIT * 1000,
            baseline=idle,
            note=f"{len(waits)} requests, median {median:.1f} ms, longest {longest:.0f} ms",
            more={"waits": waits},
        )

    return [
        figure("while it is received and checked", waited["receiving"]),
        figure("while it is processed", waited["processing"]),
        Figure(
            f"{setting.title}: last byte -> every parcel fetchable, with others' requests",
            seconds,
            note=f"{PER_SECOND} requests a second beside it; {cpu.told(spent)}",
        ),
    ]
