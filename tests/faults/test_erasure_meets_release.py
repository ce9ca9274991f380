"""A release and the erasure of the same parcels at the same moment."""

import threading
from contextlib import closing
from datetime import datetime
from uuid import UUID

from tests.support.instance import Instance, attack, csv_of


class TestErasureMeetsRelease:
    """Secrets die on time: what was erased is not made visible afterwards by who read it before."""

    def test_erasure_waits_and_has_the_last_word(self, instance: Instance) -> None:
        """Parcels about to be released are erased after the release is through, not in the middle of it."""
        instance.prefixes({"60.1.0.0/16": 64500})
        alice = instance.party("Alice Net")
        instance.party("Bob Cable", prefixes=["60.1.0.0/16"])
        answer = instance.push(alice, csv_of(["60.1.2.3"]), attack(purpose="drill", data_class="drill"))
        report = UUID(answer.json()["report_id"])
        with instance.worker.store.reading() as unit:
            status = unit.reports.status(report)
        assert status is not None
        instance.worker.flow._decide_and_stage(status)

        with instance.worker.store.writing() as unit:
            staged = [item.parcel for item in unit.parcels.staged(report)]
            instance.clock.instant = datetime.fromisoformat(answer.json()["deadline"])
            instance.database.set_clock(instance.clock.now())
            erasing = threading.Thread(target=instance.erase, daemon=True)
            erasing.start()
            erasing.join(0.5)
            assert erasing.is_alive(), "the erasure did not wait"
            unit.parcels.release(staged, instance.clock.now())
        erasing.join(30)

        assert not erasing.is_alive()
        with closing(instance.database.connect()) as connection:
            found = connection.execute("SELECT state, seq, record_count FROM parcels").fetchall()
            assert found == [("erased", 1, None)]
            assert connection.execute("SELECT count(*) FROM sealed_objects").fetchone() == (0,)
