"""Where the time of reports goes: each stage's own seconds, in one process that plays API and worker in turn.

Run as a program of its own, so that the columns' library gets as many threads as the hub's programs have.
"""

import cProfile
import importlib
import io
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson

from hub.clock import SystemClock
from hub.intake.step import Push
from hub.jobs.worker import number_log
from hub.settings import Settings
from hub.wiring import open_hub

RECEIVE: Final = "receive: rest, commit included"
PROCESS: Final = "process: rest, commits included"
NUMBER: Final = "log: number and sign"
POINTS: Final = (
    ("hub.intake.step", "decompress", "receive: decompress"),
    ("hub.intake.step", "check_csv", "receive: check the columns"),
    ("hub.intake.step", "_identity", "receive: digest of body and envelope"),
    ("hub.flow", "to_chunks", "receive: blob to Arrow"),
    ("hub.flow", "seal_one", "receive: seal the blob"),
    ("hub.store.reports", "ReportRepository.add", "receive: insert the report"),
    ("hub.store.sealed", "SealedRepository.put", "COPY ciphertext (blob, parcels)"),
    ("hub.store.sealed", "SealedRepository.get", "process: read the blob"),
    ("hub.flow", "from_chunks", "process: open the blob, from Arrow"),
    ("hub.store.directory", "Directory.networks", "process: directory, prefix table"),
    ("hub.flow", "attribute", "process: attribute"),
    ("hub.store.members", "MemberRepository.parties", "process: who is who"),
    ("hub.flow", "decide", "process: decide"),
    ("hub.flow", "seal", "process: order and cut into parcels"),
    ("hub.delivery.step", "facts_of", "process: suppressed counts"),
    ("hub.delivery.step", "to_arrow", "process: parcels to Arrow"),
    ("hub.sealing.boxes", "Box.seal", "process: encrypt parcels"),
    ("hub.disclosure.columns", "narrow_frame", "process: narrow to granted fields"),
    ("hub.store.unit", "Store.ensure_partitions", "process: partitions"),
    ("hub.store.parcels", "ParcelRepository.stage", "process: stage parcels and grants"),
    ("hub.store.facts", "FactRepository.add", "process: store counts"),
    ("hub.store.parcels", "ParcelRepository.staged", "release: read what is staged"),
    ("hub.disclosure.door", "Door.verdict_today", "release: ask policy again"),
    ("hub.store.parcels", "ParcelRepository.release", "release: number the streams"),
    ("hub.store.sealed", "SealedRepository.delete", "release: delete the blob"),
    ("hub.store.audit", "AuditRepository.append_all", "release: audit entries"),
)
"""Functions as their callers name them, and what to call their own time, less that of others in here."""
_SHOWN: Final = 25


class Timer:
    """Sums each stage's own seconds, on the clock and on the cores: what is spent in another stage is the other's."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spent: dict[str, list[float]] = {}
        self._inner: list[list[float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        clock, cores = time.perf_counter(), time.process_time()
        self._inner.append([0.0, 0.0])
        try:
            yield
        finally:
            took = [time.perf_counter() - clock, time.process_time() - cores]
            own = [all_ - inner for all_, inner in zip(took, self._inner.pop(), strict=True)]
            self.spent[name] = _sum(self.spent.get(name, [0.0, 0.0]), own)
            if self._inner:
                self._inner[-1] = _sum(self._inner[-1], took)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        @wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            with self.stage(name):
                return function(*args, **named)

        return timed

    def watch(self) -> list[str]:
        """Put itself around every point; returns those that are not there any more."""
        missing = []
        for module, path, name in POINTS:
            holder, _, last = path.rpartition(".")
            try:
                owner = importlib.import_module(module)
                owner = getattr(owner, holder) if holder else owner
                setattr(owner, last, self.wrap(name, getattr(owner, last)))
            except (ImportError, AttributeError):
                missing.append(f"{module}.{path}")
        return missing


def _sum(one: list[float], other: list[float]) -> list[float]:
    return [first + second for first, second in zip(one, other, strict=True)]


def main(settings_file: str, stated: str, token_file: str, way: str, *files: str) -> None:
    """Push and process reports one by one and write where the time went to standard output, as JSON.

    The first report only warms up, as programs are that have been at work before.
    """
    timer = Timer()
    missing = timer.watch() if way == "stages" else []
    settings = Settings.load(Path(settings_file), {})
    api, worker = (open_hub(settings, program, SystemClock()) for program in ("api", "worker"))
    caller = api.authenticate(Path(token_file).read_text(encoding="ascii"))
    profile = cProfile.Profile() if way == "functions" else None
    for number, file in enumerate(files):
        push = Push(caller, uuid4().hex, stated.encode(), Path(file).read_bytes())
        with timer.stage(RECEIVE), _profiled(profile if number else None):
            receipt = api.flow.receive(push)
        with timer.stage(PROCESS), _profiled(profile if number else None):
            worker.flow.process(receipt.report_id)
        with timer.stage(NUMBER), _profiled(profile if number else None):
            number_log(worker)
        if not number:
            timer.spent.clear()
    told = {"spent": timer.spent, "missing": missing, "functions": _functions(profile)}
    sys.stdout.write(orjson.dumps(told).decode())


@contextmanager
def _profiled(profile: cProfile.Profile | None) -> Iterator[None]:
    if profile is None:
        yield
        return
    with profile:
        yield


def _functions(profile: cProfile.Profile | None) -> str:
    if profile is None:
        return ""
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(_SHOWN)
    return text.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
