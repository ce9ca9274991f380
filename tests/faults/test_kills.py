"""API, worker and PostgreSQL killed at random points of push, release and erasure: nothing lost, nothing doubled.

``KESSETSU_TEST_SEED`` repeats a run's order of kills; its timing stays the machine's.
"""

import os
import time
from collections import Counter

import pytest

from tests.faults.invariants import Watch, check_all, settled, wait_quiet
from tests.faults.killing import Killer
from tests.faults.scenario import Members
from tests.support.processes import log_tail, process_hub

SEED = int(os.environ.get("KESSETSU_TEST_SEED", "20261120"))


def survive(kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Let members work on a hub whose programs are killed so many times, and check what is left."""
    started = time.monotonic()
    with process_hub() as hub:
        members, watch = Members(hub, SEED), Watch(hub)
        killer = Killer(hub, members, SEED)
        hub.start()
        with watch.watching(), members.working():
            killer.run(kills)
            members.stop_pushing()
            hub.wait_ready()
            wait_quiet(hub, members)
        took = settled(started)
        accepted = [sent for sent in members.sent if sent.receipt]
        with capsys.disabled():
            print(  # noqa: T201 - a run's report is for who ran it
                f"\n{kills} kills ({killer.missed} off their moment) in {took} s:"
                f" {dict(Counter(kill.partition('/')[2] for kill in killer.done))};"
                f" {len(accepted)} reports accepted, {sum(sent.attempts for sent in accepted)} pushes,"
                f" {len(members.sent) - len(accepted)} too late; answers {dict(sorted(members.statuses.items()))};"
                f" {watch.looks} looks; ends by themselves: api {hub.api.exits}, worker {hub.worker.exits}"
            )
        assert not members.failures, members.failures
        assert not watch.wrong, watch.wrong[:5]
        assert watch.looks > kills
        assert 500 not in members.statuses, log_tail(hub.api)
        assert any(sent.data_class == "drill-short" for sent in accepted), "nothing was there to be erased"
        check_all(hub, members)


class TestKills:
    """Accepted means kept; a retry neither loses nor doubles; a report's parcels appear all at once or not at all."""

    def test_survives_kills(self, capsys: pytest.CaptureFixture[str]) -> None:
        """After twenty-four kills every accepted report was delivered once, or erased on time."""
        survive(24, capsys)

    @pytest.mark.soak
    def test_survives_many_kills(self, capsys: pytest.CaptureFixture[str]) -> None:
        """After two hundred and forty kills, too."""
        survive(240, capsys)
