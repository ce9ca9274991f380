"""The profile of reports, large and small: shares of the stages, then the functions that take most."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from tests.benchmarks.data import REPOSITORY
from tests.benchmarks.figures import Figure
from tests.benchmarks.reports import Drawn, envelope, small
from tests.benchmarks.setting import Setting
from tests.benchmarks.telling import show, tell

ROUNDS: Final = 3
SMALL_ONES: Final = 20
_WARMING: Final = 2_000
_SKIPPED: Final = 1_000
"""Small reports are taken from here on: those before are pushed by another benchmark, and taken only once."""


def profile(setting: Setting) -> list[Figure]:
    """Print the shares of the stages; in one process, without HTTP, the programs being down."""
    rounds = min(ROUNDS, setting.amount.rounds)
    ones = list(small(setting.world, _SKIPPED + SMALL_ONES * (rounds + 1), setting.start))[_SKIPPED:]
    some = [ones[place : place + SMALL_ONES] for place in range(0, len(ones), SMALL_ONES)]
    large_ones = [[setting.fresh()] for _ in range(rounds + 1)]
    return [
        _profile(setting, setting.title, large_ones),
        _profile(setting, f"{SMALL_ONES} reports of {ones[0].rows} records", some),
    ]


def _profile(setting: Setting, title: str, loads: Sequence[Sequence[Drawn]]) -> Figure:
    *timed, looked_into = loads
    runs = [_run(setting, "stages", drawn) for drawn in timed]
    for missing in runs[0]["missing"]:
        tell(f"{missing} is not there any more; its time counts to its caller")
    stages = {name: _middle(runs, name) for name in runs[0]["spent"]}
    total, cores = map(sum, zip(*stages.values(), strict=True))
    show(f"\nWhere the time of {title} goes, medians of {len(runs)} runs in one process without HTTP:\n")
    show("    clock   share      cores  own time, less that of the other stages; cores: of this process alone")
    for name, (seconds, on_cores) in sorted(stages.items(), key=lambda item: -item[1][0]):
        show(f"  {seconds:7.3f} s  {seconds / total:6.1%}  {on_cores:7.3f} s  {name}")
    show(f"  {total:7.3f} s  {1:6.1%}  {cores:7.3f} s  all\n")
    show(_run(setting, "functions", looked_into)["functions"])
    totals = [sum(clock for clock, _ in run["spent"].values()) for run in runs]
    return Figure(f"{title}: receive and process in one process, no HTTP", totals, more={"stages": stages})


def _middle(runs: Sequence[dict[str, Any]], name: str) -> tuple[float, float]:
    spent = [run["spent"].get(name, (0.0, 0.0)) for run in runs]
    return statistics.median(clock for clock, _ in spent), statistics.median(cores for _, cores in spent)


def _run(setting: Setting, way: str, reports: Sequence[Drawn]) -> dict[str, Any]:
    token = setting.base / "token"
    token.touch(mode=0o600)
    token.write_text(setting.instance.members[0].token, encoding="ascii")
    files = [
        _written(setting.base / f"profiled-{number}.csv", drawn)
        for number, drawn in enumerate([setting.fresh(_WARMING), *reports])
    ]
    stated = orjson.dumps(envelope(setting.start)).decode()
    command = [sys.executable, "-m", "tests.benchmarks.stages", str(setting.instance.settings_file), stated]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(setting.threads.worker or 1)}
    done = subprocess.run(
        [*command, str(token), way, *files], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, check=True
    )
    told: dict[str, Any] = orjson.loads(done.stdout)
    return told


def _written(file: Path, drawn: Drawn) -> str:
    file.write_bytes(drawn.csv)
    return str(file)
