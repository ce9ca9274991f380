"""Where and when to kill: at random, and aimed at the moments at which a promise is half kept."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.scenario import Members
from tests.support.processes import ProcessHub, wait_until

AIM_SECONDS = 1.5
"""So long a moment is waited for; then the blow falls all the same."""
TELL_EVERY = 40
_PAUSE = 0.004

TARGETS = ("database", "worker", "api")
WEIGHTS = {
    "random": TARGETS,
    "pushing": ("api",),
    "received": ("worker", "database"),
    "sealed": ("worker", "database"),
    "key": ("api", "worker"),
    "tombstone": ("worker", "database"),
    "doing": ("worker", "database"),
}
"""Which programs may be in the middle of something at which moment."""


@dataclass
class Killer:
    """Kills one program after another and starts it again, in an order that its seed decides."""

    hub: ProcessHub
    members: Members
    seed: int
    done: list[str] = field(default_factory=list)
    """``moment/target`` of every kill."""
    missed: int = 0
    """Kills whose moment did not come in time; they fell at random."""
    _watching: psycopg.Connection[Any] | None = None

    def run(self, kills: int, tell: Callable[[str], None]) -> None:
        """Kill so many times; ``tell`` hears of it now and then."""
        chance = random.Random(self.seed)  # noqa: S311 - reproducible, guards nothing
        for number in range(1, kills + 1):
            assert not self.members.failures, self.members.failures
            moment = chance.choice(sorted(WEIGHTS))
            target = chance.choice(WEIGHTS[moment])
            self._await_alive(target)
            self._await(moment, chance)
            self._kill(target, chance)
            self.done.append(f"{moment}/{target}")
            time.sleep(chance.uniform(0, 0.3))
            self.hub.revive()
            if number % TELL_EVERY == 0:
                tell(f"{number} kills, {len(self.members.sent)} reports")
        self.close()

    def _kill(self, target: str, chance: random.Random) -> None:
        if target == "database":
            self.hub.kill_database(whole=chance.random() < 0.5)
        elif target == "api":
            self.hub.api.kill()
        else:
            self.hub.worker.kill()

    def _await_alive(self, target: str) -> None:
        """Wait until what is to be killed is at work; the others may still be on their way back."""
        alive = {"database": self._answers, "api": self.hub.api_ready, "worker": self.hub.worker_alive}[target]
        wait_until(lambda: not self.hub.revive() and alive(), f"{target} does not come back")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return bool(self.hub.rows("SELECT"))
        return False

    # --- moments --------------------------------------------------------------------------------------

    def _await(self, moment: str, chance: random.Random) -> None:
        time.sleep(chance.uniform(0, 0.6))
        if moment == "random":
            return
        looks: dict[str, Callable[[], bool]] = {
            "pushing": self.members.pushing.is_set,
            "received": self._finds("SELECT FROM reports WHERE state = 'received' LIMIT 1"),
            "sealed": self._finds("SELECT FROM reports WHERE state = 'sealed' LIMIT 1"),
            "doing": self._finds("SELECT FROM jobs.procrastinate_jobs WHERE status = 'doing' LIMIT 1"),
            "key": _appears(self.hub.keys, ".key"),
            "tombstone": _appears(self.hub.keys, ".destroyed"),
        }
        look, end = looks[moment], time.monotonic() + AIM_SECONDS
        while not look():
            if time.monotonic() > end:
                self.missed += 1
                return
            time.sleep(_PAUSE)
        if moment == "pushing":
            time.sleep(chance.uniform(0, 0.06))

    def _finds(self, query: str) -> Callable[[], bool]:
        def look() -> bool:
            with suppress(psycopg.OperationalError):
                if self._watching is None:
                    self._watching = self.hub.database.connect()
                return self._watching.execute(query.encode()).rowcount > 0
            self.close()
            return False

        return look

    def close(self) -> None:
        """Close the connection that watches for moments."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None


def _appears(store: Path, suffix: str) -> Callable[[], bool]:
    """Return a look for files of this kind that were not there at first."""

    def names() -> set[Path]:
        return set(store.glob(f"*/*{suffix}"))

    before = names()
    return lambda: bool(names() - before)
