"""Large reports one after the other: how much memory the hub takes, and whether it takes ever more."""

from collections import defaultdict
from typing import Final

from tests.benchmarks.figures import Baseline, Figure
from tests.benchmarks.memory import watched
from tests.benchmarks.pushing import push
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import tell
from tests.benchmarks.warming import warm

MOST_MEMORY: Final = 1.5 * 1024
MOST_GROWTH: Final = 1.1
"""Last reports over first ones: beyond that, memory grows."""


def many(setting: Setting) -> list[Figure]:
    """Measure memory over large reports one after the other; looked at 20 times a second, hence not timed with it."""
    totals, seconds = [], []
    each: defaultdict[str, list[float]] = defaultdict(list)
    with setting.instance.running(setting.threads):
        warm(setting)
        for number in range(1, setting.amount.many + 1):
            drawn = setting.fresh()
            with watched(setting.instance.processes) as peaks:
                pushed = push(setting.instance, setting.instance.members[number], drawn, setting.start)
            totals.append(peaks.total)
            seconds.append(pushed.seconds)
            for name, peak in peaks.each.items():
                each[name].append(peak)
            shares = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.each.items())
            tell(
                f"Report {number}: peak {peaks.total:.0f} MiB ({shares}), {pushed.seconds:.2f} s; "
                f"{peaks.looks} looks, at most {peaks.gap * 1000:.0f} ms apart"
            )
    own = [sum(peaks) for peaks in zip(each["api"], each["worker"], strict=True)]
    title = f"{setting.amount.many} x {setting.title}"
    return [
        Figure(
            f"{title}: peak memory of all processes, the worst report",
            [max(totals)],
            "MiB",
            most=MOST_MEMORY,
            note=" -> ".join(f"{total:.0f}" for total in totals) + " MiB, report by report",
            more={"totals": totals},
        ),
        *(Figure(f"{title}: peak of {name}", peaks, "MiB", more={"peaks": peaks}) for name, peaks in each.items()),
        Figure(
            f"{title}: peaks of API and worker, last third beside first",
            _third(own, last=True),
            "MiB",
            None,
            Baseline("the first reports", _third(own, last=False)),
            ratio_most=MOST_GROWTH,
            note="without PostgreSQL, which fills its shared buffers once, up to their size, and then stays there",
        ),
        Figure(
            f"{title}: seconds, last third beside first",
            _third(seconds, last=True),
            "s",
            None,
            Baseline("the first reports", _third(seconds, last=False)),
            note="measured while memory was looked at, which takes time of its own",
            more={"seconds": seconds},
        ),
    ]


def _third(series: list[float], *, last: bool) -> list[float]:
    length = max(1, len(series) // 3)
    return series[-length:] if last else series[:length]
