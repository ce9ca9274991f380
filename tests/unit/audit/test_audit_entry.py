import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from hub.audit.entry import Act, AuditEntry, leaf_hash
from hub.sealing.canonical import canonical_json

NOW = datetime(2025, 12, 4, 9, 30, 0, 250, tzinfo=UTC)
REPORT, CREDENTIAL = UUID(int=1), UUID(int=2)


def _entry(**subjects: UUID | str) -> AuditEntry:
    return AuditEntry.of(Act.HELD, at=NOW, actor=CREDENTIAL, **subjects)


class TestBody:
    def test_says_everything_once(self) -> None:
        """An entry's bytes are its id, time, act, actor and subjects."""
        entry = _entry(report=REPORT, reason="spoofed-sources")

        assert json.loads(entry.body) == {
            "id": str(entry.id),
            "at": "2025-12-04T09:30:00.000250Z",
            "act": "held",
            "actor": str(CREDENTIAL),
            "subjects": {"report": str(REPORT), "reason": "spoofed-sources"},
        }

    def test_is_canonical_json(self) -> None:
        """The bytes are those of RFC 8785, whatever the order subjects were named in."""
        entry = _entry(report=REPORT, capacity=CREDENTIAL, reason="no-prefix-table")

        assert entry.body == canonical_json(json.loads(entry.body))

    def test_time_is_spelled_in_utc(self) -> None:
        """An entry says the same whatever zone its time came in."""
        entry = _entry(report=REPORT)

        assert replace(entry, at=NOW.astimezone(timezone(timedelta(hours=9)))).body == entry.body

    def test_leaf_is_hashed_as_leaf(self) -> None:
        """A leaf's hash begins with the leaf prefix of RFC 6962, so that it can be no inner node's."""
        assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

    def test_entries_differ(self) -> None:
        """Two entries of the same act are two leaves, and nobody can guess one: their ids are random."""
        assert _entry(report=REPORT).body != _entry(report=REPORT).body


class TestRefusal:
    @pytest.mark.parametrize(
        "value",
        [
            "192.0.2.1",
            "2001:db8::1",
            "c0000201",
            "192-0-2-1",
            "ip-192-0-2-1",
            "2001-db8",
            "a" * 65,
            "example.org",
            "two words",
            "Taro",
            "",
            "-",
            "結節",
            "x\n",
            "a1b2" * 16,
        ],
    )
    def test_only_ids_and_codes_get_in(self, value: str) -> None:
        """Addresses in any spelling, digests, names and sentences are refused, and not repeated in the refusal."""
        with pytest.raises(ValueError, match="neither an id nor a code") as refusal:
            _entry(report=REPORT, reason=value)
        assert value == "" or value not in str(refusal.value).replace("a log entry is neither an id nor a code", "")

    def test_no_way_around(self) -> None:
        """An entry made without the helper is checked just the same."""
        entry = _entry(report=REPORT)

        with pytest.raises(ValueError, match="neither an id nor a code"):
            replace(entry, subjects=(("report", "192.0.2.1"),))
        with pytest.raises(ValueError, match="lower-case letters"):
            replace(entry, subjects=(("192.0.2.1", "x-y"),))
        with pytest.raises(ValueError, match="sorted"):
            replace(entry, subjects=(("b", "x-y"), ("a", "x-y")))
        with pytest.raises(ValueError, match="has a zone"):
            replace(entry, at=NOW.replace(tzinfo=None))

    def test_digests_of_public_rules_only(self) -> None:
        """A digest may stand for a set of rules; as any other subject somebody could hash addresses against it."""
        digest = "0123456789abcdef" * 4

        assert dict(_entry(policy=digest).subjects) == {"policy": digest}
        with pytest.raises(ValueError, match="neither an id nor a code"):
            _entry(report=digest)
