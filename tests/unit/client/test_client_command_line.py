import json
import re
import stat
from pathlib import Path

import pytest

from tests.unit.client.small_hub import DEADLINE, NOW, TOKEN, Cut, Hub, Run, Say, ok, problem

STATED = ("--kind", "attack", "--basis", "self-defence", "--purpose", "attack-response")
STATED += ("--class", "attack-traffic", "--mandate", "M-1")
RECALL = {"recall_id": "r-1", "parcel_id": "p-1", "reason": "not-ours", "rows": [1, 2], "opened_at": NOW}


class TestPush:
    def test_shows_the_receipt_and_where_it_is_kept(self, run: Run, hub: Hub, attack: Path, tmp_path: Path) -> None:
        """A person sees what was taken and which file proves it."""
        code, out, err = run("push", attack, *STATED, "--vector", "syn-flood", "--vector", "udp-flood")
        assert (code, err) == (0, "")
        [kept] = (tmp_path / "state" / "kessetsu" / "receipts").glob("*.json")
        assert str(kept) in out
        assert kept.stem in out
        assert b'"vectors":["syn-flood","udp-flood"]' in hub.seen[0].body

    def test_every_option_reaches_the_envelope(self, run: Run, hub: Hub, attack: Path) -> None:
        """What is stated on the command line is what the hub reads."""
        stated = {
            "kind": "infected", "basis": "consent-terms", "mandate": "M", "purpose": "drill", "class": "drill",
            "consent": "C", "target": "198.51.100.0/24", "action": "warn", "severity": "normal",
            "family": "mirai", "detection": "sinkhole", "vulnerability": "CVE-2024-1", "time-zone": "Asia/Tokyo",
            "epoch": "first_seen,last_seen", "on-error": "reject-report", "vector": "syn-flood",
            "start": "2026-01-31T09:00:00+09:00", "end": "2026-01-31T00:30:00Z",
        }  # fmt: skip
        code, _, err = run("push", attack, *(part for name, value in stated.items() for part in (f"--{name}", value)))
        assert (code, err) == (0, "")
        assert sent_envelope(hub) == {
            "kind": "infected", "legal_basis": "consent-terms", "mandate": "M", "purpose": "drill",
            "data_class": "drill", "consent": "C", "target": "198.51.100.0/24", "requested_action": "warn",
            "severity": "normal", "malware_family": "mirai", "detection": "sinkhole",
            "vulnerability": "CVE-2024-1", "time_zone": "Asia/Tokyo", "epoch_columns": ["first_seen", "last_seen"],
            "on_error": "reject-report", "vectors": ["syn-flood"],
            "start": "2026-01-31T00:00:00Z", "end": "2026-01-31T00:30:00Z",
        }  # fmt: skip

    def test_an_envelope_file_is_overruled_by_options(self, run: Run, hub: Hub, attack: Path, tmp_path: Path) -> None:
        """A file holds what is always the same, an option what differs this time."""
        file = tmp_path / "envelope.json"
        file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"mandate": "old", "consent": "C"}).encode())
        assert run("push", attack, "--envelope", file, *STATED)[0] == 0
        assert (sent_envelope(hub)["mandate"], sent_envelope(hub)["consent"]) == ("M-1", "C")

    def test_names_all_that_is_missing_at_once(self, run: Run, hub: Hub, attack: Path) -> None:
        """Nothing is sent before the statement is complete."""
        code, _, err = run("push", attack, "--kind", "attack")
        assert code == 2
        for option in ("--basis", "--purpose", "--class", "--mandate"):
            assert option in err
        assert not hub.seen

    def test_refused_rows_have_an_exit_code_of_their_own(self, run: Run, hub: Hub, attack: Path) -> None:
        """A script notices that some rows were not taken; a person sees which and why."""
        hub.refused_rows = 1
        code, out, _ = run("push", attack, *STATED)
        assert code == 7
        assert "src_ip:not-an-address" in out

    def test_a_replay_is_said_to_be_one(self, run: Run, hub: Hub, attack: Path) -> None:
        """Repeating a finished push tells that nothing was doubled."""
        run("push", attack, *STATED)
        code, out, _ = run("push", attack, *STATED)
        assert code == 0
        assert "nothing was taken twice" in out
        assert len(hub.reports) == 1

    def test_waiting_is_told_on_stderr(self, run: Run, hub: Hub, attack: Path) -> None:
        """A person who waits knows for what, and a script's output stays clean."""
        hub.faults.append(problem(503, "storage-full"))
        code, out, err = run("push", attack, *STATED, "--json")
        assert code == 0
        assert "Trying again" in err
        assert json.loads(out)["receipt"]["rows_taken"] == 3

    def test_a_receipt_that_cannot_be_kept_is_shown_all_the_same(self, run: Run, hub: Hub, attack: Path) -> None:
        """The report was taken: its receipt must not be lost, nor land wherever an answer points to."""
        run("push", attack, *STATED)
        [(_, receipt)] = hub.reports.values()
        hub.faults.append(ok(receipt | {"report_id": "../../elsewhere", "replayed": False}, 202))
        code, out, err = run("push", attack, *STATED)
        assert code == 1
        assert "../../elsewhere" in out
        assert "receipt could not be kept" in err


class TestInbox:
    def test_lists_parcels_and_where_to_go_on(self, run: Run, hub: Hub) -> None:
        """A drill is marked as one; the next cursor is printed."""
        hub.parcels["p-1"].drill = True
        code, out, _ = run("inbox", "list", "--limit", "2")
        assert code == 0
        assert re.search(r"^p-1 +attack \(DRILL\)", out, re.MULTILINE)
        assert "--since 2" in out
        assert "p-3" in run("inbox", "list", "--since", "2", "--no-drill")[1]
        assert hub.seen[1].query == {"since": "2", "drill": "false"}

    def test_saves_records_and_tells_by_when_to_erase_them(self, run: Run, hub: Hub, tmp_path: Path) -> None:
        """By default beside one, named by parcel and format, closed to others."""
        code, out, _ = run("inbox", "get", "p-1")
        saved = tmp_path / "p-1.csv"
        assert code == 0
        assert saved.read_bytes() == hub.parcels["p-1"].records
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        assert "erase them by 2099-0" in out
        assert run("inbox", "get", "p-1")[0] == 2
        assert run("inbox", "get", "p-1", "--overwrite", "--format", "arrow", "-o", "x.arrow")[0] == 0

    def test_explains_what_was_withheld_and_cannot_be_steered(self, run: Run) -> None:
        """Text from elsewhere is shown without what a terminal would obey."""
        _, out, _ = run("inbox", "get", "p-1", "--metadata-only")
        assert "withheld: reporter\n  Not\N{REPLACEMENT CHARACTER}[2J needed.\n" in out
        assert "\x1b" not in out

    def test_acknowledges_several(self, run: Run, hub: Hub) -> None:
        """One command acknowledges all that were processed."""
        assert run("inbox", "ack", "p-1", "p-2")[0] == 0
        assert [parcel.acknowledged_at for parcel in hub.parcels.values()] == [NOW, NOW, None]

    def test_reports_outcomes_in_pairs(self, run: Run, hub: Hub) -> None:
        """Each code goes with its rows; rows are sorted and said once."""
        code, out, _ = run(
            "outcome", "report", "p-1", "--code", "warned", "--rows", "5,1-3,2", "--code", "blocked", "--rows", "all"
        )
        assert code == 0
        assert "6 rows" in out
        expected = [{"code": "warned", "rows": [1, 2, 3, 5]}, {"code": "blocked", "rows": "all"}]
        assert json.loads(hub.seen[0].body) == {"outcomes": expected}
        assert "1-3,5" in run("outcome", "list", "p-1")[1]

    @pytest.mark.parametrize("rows", ["", "0", "0-3", "3-1", "a", "1,,2", "-1", "1-", "1-2-3", "1-4000000000"])
    def test_rows_that_are_none_are_refused(self, run: Run, hub: Hub, rows: str) -> None:
        """A mistyped range is not guessed at."""
        assert run("outcome", "report", "p-1", "--code", "warned", f"--rows={rows}")[0] == 2
        assert not hub.seen

    def test_codes_without_rows_are_refused(self, run: Run, hub: Hub) -> None:
        """Which code belongs to which rows is never guessed."""
        assert run("outcome", "report", "p-1", "--code", "warned", "--code", "blocked", "--rows", "1")[0] == 2
        assert not hub.seen

    def test_lists_and_confirms_recalls(self, run: Run, hub: Hub) -> None:
        """An open recall is listed until its erasure is confirmed."""
        hub.recalls.append(RECALL | {"confirmed_at": None})
        assert re.search(r"r-1 +p-1 +1-2 +not-ours", run("recall", "list")[1])
        assert run("recall", "confirm", "r-1")[0] == 0
        assert "No recall" in run("recall", "list")[1]
        assert "r-1" in run("recall", "list", "--all")[1]


class TestOwn:
    def test_follows_and_withdraws_reports(self, run: Run, attack: Path) -> None:
        """A suppressed count is shown as few, never as nought."""
        report_id = json.loads(run("push", attack, *STATED, "--json")[1])["receipt"]["report_id"]
        assert re.search(rf"{report_id} +attack +released .* 3 +12 +few", run("report", "list")[1])
        assert report_id in run("report", "show", report_id)[1]
        assert "3 deliveries" in run("report", "withdraw", report_id, "--reason", "report-corrected")[1]

    def test_declares_and_lists_holdings(self, run: Run, hub: Hub) -> None:
        """A date counts in UTC; a proposal is told as one."""
        assert "proposed" in run("holding", "declare", "--prefix", "192.0.2.0/24", "--from", "2024-04-01")[1]
        assert run("holding", "declare", "--asn", "64496", "--shared-space")[0] == 0
        assert run("holding", "declare")[0] == 2
        assert json.loads(hub.seen[0].body)["valid_from"] == "2024-04-01T00:00:00Z"
        assert json.loads(hub.seen[1].body)["shared_space"] is True
        assert "AS64496" in run("holding", "list")[1]

    def test_tells_who_one_is_and_what_was_erased(self, run: Run) -> None:
        """Member, capacity and expiry of the token are shown; certificates are listed."""
        out = run("me")[1]
        assert "会員A" in out
        assert "push, inbox" in out
        assert "c-1" in run("certificate", "list")[1]

    def test_shows_settings_but_never_the_token(self, run: Run, hub: Hub, tmp_path: Path) -> None:
        """What is in force, where it comes from, and what is wrong with it."""
        code, out, _ = run("config", "show")
        assert code == 0
        assert "KESSETSU_TOKEN_FILE" in out
        assert "Ready." in out
        assert TOKEN not in out
        (tmp_path / "token").chmod(0o644)
        assert "chmod 600" in json.loads(run("config", "show", "--json")[1])["problem"]
        assert not hub.seen

    @pytest.mark.parametrize("place", ["before", "after"])
    def test_json_is_one_document_wherever_it_is_asked_for(self, run: Run, place: str) -> None:
        """Scripts may ask before or after the command."""
        out = run("--json", "inbox", "list")[1] if place == "before" else run("inbox", "list", "--json")[1]
        page = json.loads(out)
        assert page["parcels"][0]["deadline"] == DEADLINE
        assert page["next"] == "2"


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            *((status, 3) for status in (400, 413, 415, 422, 409)),
            *((status, 4) for status in (401, 403)),
            *((status, 5) for status in (404, 410)),
            *((status, 6) for status in (500, 502, 503, 507, 429, 302)),
        ],
    )
    def test_each_refusal_has_its_exit_code(self, run: Run, hub: Hub, status: int, code: int) -> None:
        """Scripts tell what to do by the code alone; nobody sees a traceback."""
        hub.faults.append(Say(status, {"title": "No.", "status": status}, {"retry-after": "99"}))
        found, out, err = run("--patience", "0", "me")
        assert (found, out) == (code, "")
        assert err.startswith("Error: ")
        assert "Traceback" not in err

    def test_a_refusal_says_got_expected_and_what_to_do(self, run: Run, hub: Hub, attack: Path) -> None:
        """All that the hub explains is shown, row by row."""
        fault = {"where": "row 2, column src_ip", "code": "not-an-address", "expected": "an address", "got": "x\x1b[0m"}
        hub.faults.append(
            problem(
                400, "bad-records", detail="One row.", action="Mend it.", errors=[fault], expected="rows", got="row"
            )
        )
        code, _, err = run("push", attack, *STATED)
        assert code == 3
        for text in ("One row.", "expected: rows", "got: row", "row 2, column src_ip", "what to do: Mend it.", "r-1"):
            assert text in err
        assert "\x1b" not in err

    def test_a_refusal_is_a_document_for_scripts(self, run: Run, hub: Hub) -> None:
        """With --json the problem goes to stderr as one document, stdout stays empty."""
        hub.faults.append(problem(403, "not-permitted", detail="Suspended."))
        code, out, err = run("me", "--json")
        document = json.loads(err)
        assert (code, out) == (4, "")
        assert (document["error"], document["exit_code"], document["problem"]["detail"]) == (
            "NotPermitted", 4, "Suspended.",
        )  # fmt: skip

    def test_a_hub_that_cannot_be_reached(self, run: Run, hub: Hub) -> None:
        """No network is told as such."""
        hub.faults.append(Cut())
        assert run("--patience", "0", "me")[0] == 6

    @pytest.mark.parametrize("arguments", [("--token", "s3cret", "me"), ("me", "--token=s3cret")])
    def test_a_token_on_the_command_line_is_refused(self, run: Run, hub: Hub, arguments: tuple[str, ...]) -> None:
        """Others on the machine could read it; it is not repeated either."""
        code, out, err = run(*arguments)
        assert code == 2
        assert "KESSETSU_TOKEN_FILE" in err
        assert "s3cret" not in out + err
        assert not hub.seen

    def test_settings_that_are_wrong_are_a_matter_of_usage(self, run: Run, hub: Hub) -> None:
        """Code 2 says: nothing was asked of the hub."""
        assert run("--url", "http://hub.example.jp/", "me")[0] == 2
        assert run("--token-file", "/nonexistent", "me")[0] == 2
        assert run("nosuch")[0] == 2
        assert run("push", "/nonexistent.csv")[0] == 2
        assert not hub.seen

    def test_a_local_failure_is_told_without_a_traceback(self, run: Run) -> None:
        """A directory that is not there, or a full disk, is code 1."""
        code, _, err = run("inbox", "get", "p-1", "-o", "/nonexistent/p-1.csv")
        assert code == 1
        assert "/nonexistent" in err


def sent_envelope(hub: Hub) -> dict[str, object]:
    """Return the envelope of the latest push."""
    [match] = re.findall(rb"application/json\r\n\r\n(.*)\r\n--", hub.seen[-1].body)
    content: dict[str, object] = json.loads(match)
    return content
