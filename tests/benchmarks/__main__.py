"""Measure the hub beside its baselines: ``python -m tests.benchmarks [NAME ...] [--quick]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks import figures as told
from tests.benchmarks import machine
from tests.benchmarks.beside import beside
from tests.benchmarks.choosing import threads
from tests.benchmarks.data import NoData, World
from tests.benchmarks.erasing import erase
from tests.benchmarks.figures import Figure
from tests.benchmarks.instance import Instance, Threads
from tests.benchmarks.large import large
from tests.benchmarks.many import many
from tests.benchmarks.profiling import profile
from tests.benchmarks.setting import QUICK, WHOLE, Benchmark, Setting
from tests.benchmarks.small import small
from tests.benchmarks.telling import show, tell
from tests.support.database import traversable_directory

BENCHMARKS: Final[dict[str, tuple[Benchmark, str]]] = {
    "large": (large, "one large report, in turn with pyasn and DuckDB"),
    "many": (many, "memory over ten large reports"),
    "small": (small, "small reports at a steady pace"),
    "beside": (beside, "others' requests while a large report is worked on"),
    "erase": (erase, "erasing many parcels at their deadline"),
    "profile": (profile, "where the time of a large report goes"),
    "threads": (threads, "every choice of threads in API and worker"),
}
USUAL: Final = ("large", "many", "small", "beside", "erase")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named and print one table."""
    asked = _parser().parse_args(arguments)
    names = [*(asked.names or USUAL), *(["profile"] if asked.profile and "profile" not in asked.names else [])]
    try:
        world = World.read()
    except NoData as missing:
        show(f"Nothing was measured. {missing}")
        return 0
    with traversable_directory() as base:
        instance = Instance(base, world)
        try:
            conditions = machine.describe(instance.version())
            amount = QUICK if asked.quick else WHOLE
            setting = Setting(amount, base, world, instance, Threads(asked.api_threads, asked.worker_threads))
            figures = [figure for name in names for figure in _measured(name, setting)]
        finally:
            instance.remove()
    stated = [line for line in (machine.line(conditions), machine.warning(conditions)) if line]
    stated += ["a quick run: smaller amounts, too few to judge by"] if asked.quick else []
    show(told.as_text(figures, stated))
    if asked.json:
        told.write_json(asked.json, figures, conditions)
    if asked.markdown:
        told.write_markdown(asked.markdown, figures, stated)
    return 0


def _measured(name: str, setting: Setting) -> list[Figure]:
    benchmark, about = BENCHMARKS[name]
    tell(f"{name}: {about}")
    return benchmark(setting)


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(f"  {name:8} {text}" for name, (_, text) in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=f"Measure the hub beside its baselines.\n\n{about}\n\nWithout a name: {', '.join(USUAL)}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHMARKS, []], help="what to measure")
    parser.add_argument("--quick", action="store_true", help="smaller amounts: whether it works, not how fast")
    parser.add_argument("--profile", action="store_true", help="also where the time goes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table into this document")
    parser.add_argument("--api-threads", type=int, metavar="N", help="threads of column work in the API")
    parser.add_argument("--worker-threads", type=int, metavar="N", help="threads of column work in the worker")
    return parser


if __name__ == "__main__":
    sys.exit(main())
