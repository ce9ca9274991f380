from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from hub.audit.checkpoint import Checkpoint
from hub.audit.entry import leaf_hash
from hub.audit.ports import StoredEntry
from hub.audit.tree import root
from hub.audit.verify import AuditReport, verify
from hub.errors import Conflict
from hub.sealing import signing

if TYPE_CHECKING:
    from tests.unit.audit.conftest import MemoryLog


def _verified(log: "MemoryLog", *remembered: str) -> AuditReport:
    return verify(log, log.signer.public_text, signing.verify, remembered=remembered)


def _place(log: "MemoryLog", leaf: int) -> int:
    return next(place for place, entry in enumerate(log.entries) if entry.leaf == leaf)


class TestIntegrate:
    def test_numbers_in_order_of_insertion(self, log: "MemoryLog") -> None:
        """Entries get the next numbers, without gap, in the order they were inserted."""
        ids = log.add(3)
        log.integrate()
        ids += log.add(2)

        assert log.integrate() == 2
        assert [entry.id for entry in log.numbered()] == ids
        assert [entry.leaf for entry in log.numbered()] == [0, 1, 2, 3, 4]

    def test_signs_the_root_of_all_entries(self, log: "MemoryLog") -> None:
        """Each checkpoint is over every entry so far."""
        log.add(5)
        log.integrate(batch=3)
        log.integrate(batch=3)

        leaves = [leaf_hash(entry.body or b"") for entry in log.entries]
        assert [(point.size, point.root) for point in log.checkpoints()] == [(3, root(leaves[:3])), (5, root(leaves))]
        for point in log.checkpoints():
            said = Checkpoint.opened(point.note, log.signer.public_text, signing.verify)
            assert said == Checkpoint(point.size, point.root)

    def test_nothing_new_signs_nothing(self, log: "MemoryLog") -> None:
        """Without new entries there is no new checkpoint."""
        log.add()
        log.integrate()

        assert log.integrate() == 0
        assert len(log.points) == 1

    def test_takes_no_more_than_a_batch(self, log: "MemoryLog") -> None:
        """A long queue is worked off in batches."""
        log.add(7)

        assert [log.integrate(batch=3) for _ in range(4)] == [3, 3, 1, 0]

    @pytest.mark.parametrize("part", ["root", "frontier", "size"])
    def test_signs_nothing_on_top_of_a_broken_checkpoint(self, log: "MemoryLog", part: str) -> None:
        """A stored checkpoint that was changed stops the sequencer instead of being carried on under its signature."""
        log.add(3)
        log.integrate()
        [point] = log.points
        other: dict[str, Any] = {"root": bytes(32), "frontier": (bytes(32), *point.frontier[1:]), "size": 4}
        log.points = [replace(point, **{part: other[part]})]
        log.add()

        with pytest.raises(Conflict, match="does not have the root"):
            log.integrate()
        assert log.entries[-1].leaf is None


class TestVerify:
    @pytest.fixture
    def kept(self, log: "MemoryLog") -> "MemoryLog":
        """Keep a log of 9 entries and 3 checkpoints."""
        for count in (4, 3, 2):
            log.add(count)
            log.integrate()
        return log

    def test_a_true_log_passes(self, kept: "MemoryLog") -> None:
        """A log nobody touched has no fault, and all of it was looked at."""
        seen: list[int] = []
        report = verify(kept, kept.signer.public_text, signing.verify, seen.append)

        assert report
        assert (report.entries, report.checkpoints, report.faults) == (9, 3, ())
        assert seen == list(range(1, 10))

    def test_waiting_entries_are_no_fault(self, kept: "MemoryLog") -> None:
        """Entries committed after the last checkpoint are still to be numbered."""
        kept.add(2)

        assert _verified(kept).entries == 9
        assert _verified(kept)

    def test_an_empty_log_passes(self, log: "MemoryLog") -> None:
        """Nothing has happened yet, and nothing is wrong."""
        assert _verified(log) == AuditReport(0, 0, ())

    def test_a_changed_entry_is_named(self, kept: "MemoryLog") -> None:
        """Changed bytes are found at their entry, and at every checkpoint over them."""
        entry = kept.entries[5]
        kept.entries[5] = replace(entry, body=(entry.body or b"").replace(b'"read"', b'"erased"'))

        faults = _verified(kept).faults
        assert f"entry {entry.id} (leaf 5) was changed" in faults[0]
        assert [fault for fault in faults if "is not the one that was signed" in fault] == [
            "the log up to 7 is not the one that was signed then",
            "the log up to 9 is not the one that was signed then",
        ]

    def test_a_changed_entry_with_its_hash_is_found(self, kept: "MemoryLog") -> None:
        """Changing the stored hash along with the bytes does not get past the checkpoints."""
        body = (kept.entries[0].body or b"").replace(b'"read"', b'"erased"')
        kept.entries[0] = replace(kept.entries[0], body=body, leaf_hash=leaf_hash(body))

        assert [fault.split(" is ")[0] for fault in _verified(kept).faults] == [
            "the log up to 4",
            "the log up to 7",
            "the log up to 9",
        ]

    @pytest.mark.parametrize(
        ("tamper", "said"),
        [
            (lambda log: log.entries.pop(_place(log, 4)), "leaf 4 is missing"),
            (lambda log: log.entries.pop(_place(log, 8)), "the log ends at 8, but 9 entries were signed"),
            (lambda log: _exchange(log, 2, 3), "the log up to 4 is not the one"),
            (lambda log: _blank(log, 3), "leaf 3) was changed or removed"),
            (lambda log: _copy_over(log, 1, 2), "stands under an id that is not its own"),
        ],
        ids=["removed", "cut-short", "exchanged", "emptied", "doubled"],
    )
    def test_other_tampering_is_found(
        self, kept: "MemoryLog", tamper: "Callable[[MemoryLog], object]", said: str
    ) -> None:
        """Entries removed, exchanged, emptied or doubled are found."""
        tamper(kept)

        assert any(said in fault for fault in _verified(kept).faults)

    def test_a_forged_checkpoint_is_found(self, kept: "MemoryLog") -> None:
        """A checkpoint whose columns differ from what was signed, or that was signed by nobody, is found."""
        kept.points[0] = replace(kept.points[0], root=bytes(32))
        kept.points[1] = replace(kept.points[1], note=kept.points[1].note.replace("\n7\n", "\n6\n"))

        faults = _verified(kept).faults
        assert "the checkpoint of size 4 says something else than was signed" in faults
        assert "the log up to 4 is not the one that was signed then" in faults
        assert "the checkpoint of size 7 is not signed by this hub's key" in faults

    def test_a_log_written_anew_is_found_by_who_kept_a_checkpoint(self, kept: "MemoryLog") -> None:
        """Even signed by the hub's own key, another history does not match a checkpoint kept elsewhere."""
        remembered = kept.points[1].note
        assert _verified(kept, remembered)
        del kept.entries[2]
        kept.points.clear()
        kept.entries = [replace(entry, leaf=None) for entry in kept.entries]
        kept.integrate()

        assert _verified(kept)
        assert _verified(kept, remembered).faults == ("the log up to 7 is not the one that was signed then",)

    def test_a_remembered_note_must_be_the_hubs(self, kept: "MemoryLog") -> None:
        """A note that is not signed by the hub's key proves nothing against it, and is named."""
        note = kept.points[0].note.replace("\n4\n", "\n5\n")

        assert _verified(kept, note).faults == ("remembered checkpoint 1 is not signed by this hub's key",)

    def test_faults_have_a_limit(self, log: "MemoryLog") -> None:
        """A log that is wrong everywhere is not listed without end."""
        log.add(300)
        log.integrate()
        log.entries = [replace(entry, body=b"{}") for entry in log.entries]

        assert len(_verified(log).faults) == 100


def _exchange(log: "MemoryLog", one: int, two: int) -> None:
    first, second = _place(log, one), _place(log, two)
    log.entries[first], log.entries[second] = (
        replace(log.entries[first], leaf=two),
        replace(log.entries[second], leaf=one),
    )


def _blank(log: "MemoryLog", leaf: int) -> None:
    log.entries[_place(log, leaf)] = StoredEntry(leaf, None, None, None)


def _copy_over(log: "MemoryLog", source: int, target: int) -> None:
    original = log.entries[_place(log, source)]
    stranger: UUID = uuid4()
    log.entries[_place(log, target)] = replace(original, leaf=target, id=stranger)
