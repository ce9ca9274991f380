import hashlib
import json
import stat
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from hub.intake.envelope import read_envelope
from kessetsu_client import (
    BadArgument,
    BadInput,
    Conflict,
    ConnectionFailed,
    Envelope,
    FileChanged,
    JournalDamaged,
    NotAuthenticated,
    ReceiptNotSaved,
    SavedReceipt,
    Unavailable,
)
from kessetsu_client.envelope import canonical
from tests.unit.client import small_hub
from tests.unit.client.small_hub import Ask, Cut, LoseAnswer, Say, problem


def receipts(tmp_path: Path) -> Path:
    """Return where receipts are kept by default."""
    return tmp_path / "state" / "kessetsu" / "receipts"


class TestPush:
    def test_sends_envelope_then_records_and_keeps_the_receipt(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """A push is exactly two parts, envelope first, and its receipt is on the disk as the hub wrote it."""
        saved = ask("push", attack, envelope)
        [request] = hub.seen
        [first, second] = small_hub.multipart(request.headers["content-type"], request.body)
        assert first[:2] == ("envelope", "application/json")
        assert json.loads(first[2]) == {
            "kind": "attack",
            "legal_basis": "self-defence",
            "purpose": "attack-response",
            "data_class": "attack-traffic",
            "mandate": "M-1",
            "target": "198.51.100.7",
        }
        assert second == ("records", "text/csv", attack.read_bytes())
        kept = json.loads(saved.path.read_bytes())
        assert saved.receipt.rows_taken == 3
        assert saved.receipt.content_sha256 == hashlib.sha256(attack.read_bytes()).hexdigest()
        assert kept["report_id"] == saved.receipt.report_id == saved.path.stem

    def test_does_not_tell_the_name_of_the_file(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """A path on the member's machine is not for the hub."""
        named = attack.rename(attack.with_name("customer-taro.csv"))
        ask("push", named, envelope)
        assert b"taro" not in hub.seen[0].body
        assert "taro" not in str(hub.seen[0].headers)

    def test_leaves_files_only_their_owner_can_read(
        self, ask: Ask, tmp_path: Path, attack: Path, envelope: Envelope
    ) -> None:
        """Receipts and journal are 0600 in directories of 0700, and no half-written file stays behind."""
        ask("push", attack, envelope)
        top = receipts(tmp_path)
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (top, *top.rglob("*"))}
        assert len([path for path in modes if path.is_file()]) == 2
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
        assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
        assert not list(top.rglob("*.part"))

    def test_the_journal_holds_neither_content_nor_statement(
        self, ask: Ask, tmp_path: Path, attack: Path, envelope: Envelope
    ) -> None:
        """What waits in the journal is a key and a digest, no address."""
        ask("push", attack, envelope)
        [entry] = (receipts(tmp_path) / "journal").iterdir()
        assert set(json.loads(entry.read_text())) == {"key", "hub", "begun_at", "deadline"}
        assert "198.51.100" not in entry.read_text() + entry.name

    def test_tells_its_progress_up_to_the_whole_body(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope
    ) -> None:
        """Progress runs from nothing to all bytes of the request."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"src_ip,first_seen\n" + b"192.0.2.1,2026-01-31T00:00:00Z\n" * 30_000)
        told: list[tuple[int, int | None]] = []
        ask("push", big, envelope, progress=lambda done, total: told.append((done, total)))
        length = len(hub.seen[0].body)
        assert told[0] == (0, length)
        assert told[-1] == (length, length)
        assert len(told) > 4
        assert [done for done, _ in told] == sorted(done for done, _ in told)


class TestRepeating:
    def test_a_cut_connection_is_tried_again_with_the_same_key(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope
    ) -> None:
        """After a cut in the middle of the upload the same request is sent again, whole."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"src_ip,first_seen\n" + b"192.0.2.1,2026-01-31T00:00:00Z\n" * 300_000)
        hub.faults += [Cut(100), Cut(1_000_000)]
        saved = ask("push", big, envelope)
        assert saved.receipt.rows_taken == 300_000
        assert len(hub.keys()) == 3
        assert len(set(hub.keys())) == 1
        assert len(hub.reports) == 1

    def test_a_lost_answer_yields_the_first_receipt(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """Where the hub had committed and the answer was lost, the retry is told the same receipt, as a replay."""
        hub.faults.append(LoseAnswer())
        saved = ask("push", attack, envelope)
        [(_, receipt)] = hub.reports.values()
        assert saved.receipt.report_id == receipt["report_id"]
        assert saved.receipt.replayed
        assert len(hub.seen) == 2

    def test_repeating_the_command_finds_the_same_key_and_receipt(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """The same file with the same statement is the same push, in another process too."""
        first = ask("push", attack, envelope)
        before = first.path.read_bytes()
        second = ask("push", attack, envelope)
        assert second.receipt.report_id == first.receipt.report_id
        assert not first.receipt.replayed
        assert second.receipt.replayed
        assert second.path.read_bytes() == before
        assert len(hub.reports) == 1

    @pytest.mark.parametrize("change", ["file", "envelope"])
    def test_another_content_or_statement_gets_another_key(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope, change: str
    ) -> None:
        """A key is bound to what was sent: one that is used for other content would be refused."""
        ask("push", attack, envelope)
        if change == "file":
            attack.write_text(attack.read_text() + "192.0.2.9,2026-01-31T00:00:00Z\n")
        else:
            envelope = Envelope("attack", "self-defence", "attack-response", "attack-traffic", "M-2")
        ask("push", attack, envelope)
        assert len(set(hub.keys())) == 2

    def test_a_renamed_file_is_the_same_push(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """The content counts, not where it lies."""
        ask("push", attack, envelope)
        ask("push", attack.rename(attack.with_name("other.csv")), envelope)
        assert len(set(hub.keys())) == 1

    def test_again_makes_a_new_key(self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope) -> None:
        """What was withdrawn can be pushed once more on purpose, and that push has a key of its own to keep."""
        ask("push", attack, envelope)
        ask("push", attack, envelope, again=True)
        ask("push", attack, envelope)
        first, second, third = hub.keys()
        assert first != second == third

    def test_another_hub_gets_another_key(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope, tmp_path: Path
    ) -> None:
        """What one hub took another has not."""
        ask("push", attack, envelope)
        with small_hub.running() as other:
            hub.url = other.url
            ask("push", attack, envelope)
            assert not set(hub.keys()) & set(other.keys())
        assert len(list((receipts(tmp_path) / "journal").iterdir())) == 2

    def test_a_refused_token_keeps_the_key_for_the_next_one(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """A new token does not make a new report."""
        with pytest.raises(NotAuthenticated):
            ask("push", attack, envelope, token="expired")
        ask("push", attack, envelope)
        assert len(set(hub.keys())) == 1

    def test_a_damaged_journal_entry_stops_the_push(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, attack: Path, envelope: Envelope
    ) -> None:
        """Where the key is lost a new one could double the report, so a person decides."""
        ask("push", attack, envelope)
        [entry] = (receipts(tmp_path) / "journal").iterdir()
        entry.write_bytes(b"{")
        with pytest.raises(JournalDamaged, match=entry.name):
            ask("push", attack, envelope)
        assert len(hub.seen) == 1

    def test_keys_of_reports_past_their_deadline_are_forgotten(
        self, ask: Ask, tmp_path: Path, attack: Path, envelope: Envelope
    ) -> None:
        """The journal ends with the data; receipts and unfinished pushes stay."""
        ask("push", attack, envelope)
        journal = receipts(tmp_path) / "journal"
        [entry] = journal.iterdir()
        content = json.loads(entry.read_text())
        past = content | {"deadline": "2020-01-01T00:00:00Z"}
        (journal / "old.json").write_text(json.dumps(past))
        (journal / "unfinished.json").write_text(json.dumps(past | {"deadline": None}))
        ask("push", attack, envelope)
        assert {path.name for path in journal.iterdir()} == {entry.name, "unfinished.json"}


class TestRetrying:
    @pytest.mark.parametrize("status", [429, 502, 503, 504, 507])
    def test_what_passes_is_waited_for(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope, status: int
    ) -> None:
        """The hub's own "not now", and a proxy's, are tried again."""
        hub.faults += [problem(status, "unavailable"), problem(status, "unavailable")]
        assert isinstance(ask("push", attack, envelope), SavedReceipt)
        assert len(hub.seen) == 3

    def test_retry_after_is_honoured(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The wait is the one the hub asked for, not one's own."""
        waits: list[float] = []
        monkeypatch.setattr("time.sleep", waits.append)

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        monkeypatch.setattr("asyncio.sleep", sleep)
        hub.faults.append(Say(503, {}, {"retry-after": "3"}))
        ask("push", attack, envelope)
        assert waits == [3.0]

    def test_a_wait_beyond_patience_is_not_begun(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope
    ) -> None:
        """Where the hub asks for more time than there is, the caller hears so at once, with the time."""
        hub.faults.append(Say(503, {"title": "Busy."}, {"retry-after": "3600"}))
        with pytest.raises(Unavailable) as caught:
            ask("push", attack, envelope)
        assert caught.value.retry_after == 3600
        assert len(hub.seen) == 1

    def test_patience_ends(self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope) -> None:
        """Trying goes on for the time given and then ends with the last failure."""
        hub.faults += [Cut()] * 1000
        with pytest.raises(ConnectionFailed):
            ask("push", attack, envelope, within=0.3)
        assert 2 <= len(hub.seen) < 100

    @pytest.mark.parametrize("status", [400, 409, 500])
    def test_what_will_not_pass_is_not_tried_again(
        self, ask: Ask, hub: small_hub.Hub, attack: Path, envelope: Envelope, status: int
    ) -> None:
        """A refusal is final, and so is a fault of the hub that says nothing of later."""
        hub.faults.append(problem(status, "final"))
        with pytest.raises((BadInput, Unavailable, Conflict)):
            ask("push", attack, envelope)
        assert len(hub.seen) == 1

    def test_a_refusal_before_the_body_is_read_is_heard(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope
    ) -> None:
        """A hub that refuses after the headers and hangs up is understood, not taken for a cut line."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"x" * 8_000_000)
        hub.faults.append(Say(401, problem(401, "not-authenticated").content, unread=True))
        with pytest.raises(NotAuthenticated):
            ask("push", big, envelope, token="expired")


class TestFile:
    def test_a_file_that_changes_meanwhile_is_never_handed_over(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope
    ) -> None:
        """The last piece is held back until the whole file is seen to be what was first read."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"a" * 3_000_000)

        def meddle(done: int, _: int | None) -> None:
            if done > 500_000:
                with big.open("r+b") as file:
                    file.seek(2_900_000)
                    file.write(b"b")

        with pytest.raises(FileChanged):
            ask("push", big, envelope, progress=meddle)
        assert not hub.reports

    @pytest.mark.parametrize("change", ["grow", "shrink"])
    def test_a_file_of_another_size_is_never_handed_over(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope, change: str
    ) -> None:
        """Neither more nor less than was read goes out."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"a" * 3_000_000)

        def meddle(done: int, _: int | None) -> None:
            if done > 500_000:
                with big.open("r+b") as file:
                    file.truncate(2_000_000 if change == "shrink" else 4_000_000)

        with pytest.raises(FileChanged):
            ask("push", big, envelope, progress=meddle)
        assert not hub.reports

    def test_what_cannot_be_sent_twice_is_refused(self, ask: Ask, tmp_path: Path, envelope: Envelope) -> None:
        """A directory or a pipe has no content to come back to."""
        with pytest.raises(BadArgument):
            ask("push", tmp_path, envelope)
        with pytest.raises(BadArgument):
            ask("push", Path("/dev/null"), envelope)

    def test_an_empty_file_is_for_the_hub_to_judge(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, envelope: Envelope
    ) -> None:
        """The client does not second-guess content, not even none."""
        empty = tmp_path / "empty.csv"
        empty.touch()
        hub.faults.append(problem(400, "bad-records"))
        with pytest.raises(BadInput):
            ask("push", empty, envelope)
        assert small_hub.multipart(hub.seen[0].headers["content-type"], hub.seen[0].body)[1][2] == b""

    def test_a_receipt_that_cannot_be_written_is_not_lost(
        self, ask: Ask, hub: small_hub.Hub, tmp_path: Path, attack: Path, envelope: Envelope
    ) -> None:
        """The report was taken; the caller gets the receipt even where the disk does not."""

        def block(done: int, total: int | None) -> None:
            if done == total:
                receipts(tmp_path).rename(tmp_path / "elsewhere")
                receipts(tmp_path).write_bytes(b"in the way")

        with pytest.raises(ReceiptNotSaved) as caught:
            ask("push", attack, envelope, progress=block)
        [(_, receipt)] = hub.reports.values()
        assert caught.value.receipt.report_id == receipt["report_id"]


class TestEnvelope:
    def test_a_mapping_is_sent_as_it_is(self, ask: Ask, hub: small_hub.Hub, attack: Path) -> None:
        """A statement with members this client does not know yet goes through."""
        ask("push", attack, {"kind": "attack", "novelty": [1, None]})
        [first, _] = small_hub.multipart(hub.seen[0].headers["content-type"], hub.seen[0].body)
        assert json.loads(first[2]) == {"kind": "attack", "novelty": [1, None]}

    def test_the_order_of_members_does_not_matter(self, ask: Ask, hub: small_hub.Hub, attack: Path) -> None:
        """The same statement is the same push however it was put together."""
        ask("push", attack, {"kind": "attack", "mandate": "M"})
        ask("push", attack, {"mandate": "M", "kind": "attack"})
        assert len(set(hub.keys())) == 1

    def test_the_hub_reads_every_member_as_it_was_meant(self) -> None:
        """The names and spellings of an envelope are the hub's: its own reader finds each value again."""
        began = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=9)))
        stated = Envelope(
            kind="attack",
            legal_basis="consent-terms",
            purpose="attack-response",
            data_class="attack-traffic",
            mandate="M-1",
            consent="C-1",
            requested_action="block",
            severity="ongoing-attack",
            vectors=("syn-flood", "udp-flood"),
            target="198.51.100.7",
            start=began,
            end=began + timedelta(hours=1),
            malware_family="mirai",
            detection="sinkhole",
            vulnerability="CVE-2024-1",
            time_zone="Asia/Tokyo",
            epoch_columns=("first_seen",),
            on_error="reject-report",
        )
        heard = read_envelope(canonical(stated))
        same = {part.name for part in fields(Envelope)} - {"epoch_columns", "on_error"}
        assert {name: getattr(heard, name) for name in same} == {name: getattr(stated, name) for name in same}
        assert heard.epoch_columns == {"first_seen"}
        assert heard.reject_report
