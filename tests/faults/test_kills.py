"""API, worker and PostgreSQL killed at random points of push, release and erasure: nothing lost, nothing doubled.

``KESSETSU_TEST_SEED`` repeats a run's order of kills; its timing stays the machine's.
"""

import os
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.invariants import Watch, check_all, wait_quiet
from tests.faults.killing import Killer
from tests.faults.scenario import Members
from tests.support.processes import log_tail, process_hub

SEED = int(os.environ.get("KESSETSU_TEST_SEED", "20261120"))


def survive(kills: int, tell: Callable[[str], None]) -> None:
    """Let members work on a hub whose programs are killed so many times, and check what is left."""
    started = time.monotonic()
    with process_hub() as hub:
        members, watch = Members(hub, SEED), Watch(hub)
        killer = Killer(hub, members, SEED)
        hub.start()
        with watch.watching(), members.working():
            killer.run(kills, tell)
            members.stop_pushing()
            hub.wait_ready()
            wait_quiet(hub, members)
        accepted = [sent for sent in members.sent if sent.receipt]
        tell(
            f"{kills} kills, {killer.missed} off their moment, in {time.monotonic() - started:.0f} s:"
            f" {dict(Counter(kill.partition('/')[2] for kill in killer.done))};"
            f" {len(accepted)} reports accepted in {sum(sent.attempts for sent in accepted)} pushes,"
            f" {len(members.sent) - len(accepted)} too late; answers {dict(sorted(members.statuses.items()))};"
            f" {watch.looks} looks; ends by themselves: api {hub.api.exits}, worker {hub.worker.exits}"
        )
        assert not members.failures, members.failures
        assert not watch.wrong, watch.wrong[:5]
        assert watch.looks > kills
        assert 500 not in members.statuses, log_tail(hub.api)
        assert any(sent.data_class == "drill-short" for sent in accepted), "nothing was there to be erased"
        check_all(hub, members)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Give a way to write a line to whoever runs the test."""

    def write(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="", flush=True)  # noqa: T201 - a run's report is for who ran it

    return write


class TestKills:
    """Accepted means kept; a retry neither loses nor doubles; a report's parcels appear all at once or not at all."""

    def test_survives_kills(self, tell: Callable[[str], None]) -> None:
        """After twenty-four kills every accepted report was delivered once, or erased on time."""
        survive(24, tell)

    @pytest.mark.soak
    def test_survives_many_kills(self, tell: Callable[[str], None]) -> None:
        """After two hundred and forty kills, too."""
        survive(240, tell)
