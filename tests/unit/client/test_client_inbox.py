import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kessetsu_client import (
    BadArgument,
    ConnectionFailed,
    FileExists,
    Gone,
    Holding,
    HubError,
    InboxPage,
    NotFound,
    Outcome,
    Unavailable,
    UnreadableAnswer,
)
from tests.unit.client.small_hub import DEADLINE, NOW, Ask, Cut, Hub, LoseAnswer, Parcel, Say, Truncate, ok, problem

RECALL = {"recall_id": "r-1", "parcel_id": "p-1", "reason": "not-ours", "rows": [1, 2], "opened_at": NOW}


def instant(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


class TestList:
    def test_reads_a_page(self, ask: Ask) -> None:
        """A page has its parcels, where to go on and where to ask again later."""
        page = ask("inbox_list")
        assert [parcel.parcel_id for parcel in page.parcels] == ["p-1", "p-2"]
        assert (page.next, page.cursor, page.unchanged) == ("2", "2", False)
        assert page.parcels[0].deadline == instant(DEADLINE)
        assert page.parcels[0].acknowledged_at is None

    def test_passes_every_filter_on(self, ask: Ask, hub: Hub) -> None:
        """What was asked for is asked of the hub; what was not is left out."""
        ask("inbox_list", state="released", kind="attack", since="1", limit=5, drill=False)
        ask("inbox_list")
        expected = {"state": "released", "kind": "attack", "since": "1", "limit": "5", "drill": "false"}
        assert [request.query for request in hub.seen] == [expected, {}]

    def test_an_unchanged_inbox_costs_an_empty_answer(self, ask: Ask, hub: Hub) -> None:
        """With the ETag of an earlier page, nothing new is told by 304."""
        first = ask("inbox_list")
        second = ask("inbox_list", since="2", etag=first.etag)
        assert second == InboxPage(cursor="2", etag=first.etag, unchanged=True)
        hub.parcels["p-4"] = Parcel("p-4")
        assert not ask("inbox_list", etag=first.etag).unchanged

    def test_goes_through_all_pages(self, ask: Ask, hub: Hub) -> None:
        """Iterating asks for page after page and skips or doubles nothing."""
        hub.parcels |= {"p-4": Parcel("p-4"), "p-5": Parcel("p-5")}
        assert [parcel.parcel_id for parcel in ask("inbox_iter")] == ["p-1", "p-2", "p-3", "p-4", "p-5"]
        assert [parcel.parcel_id for parcel in ask("inbox_iter", since="3")] == ["p-4", "p-5"]

    def test_shows_why_each_field_was_released(self, ask: Ask) -> None:
        """A parcel explains itself, in both languages."""
        detail = ask("inbox_show", "p-1")
        granted, withheld = detail.explanation
        assert (granted.field, granted.granted, granted.policy) == ("source_address", True, "p1")
        assert (withheld.granted, withheld.reason_ja) == (False, "不要")
        assert detail.header["vectors"] == ["syn-flood"]


class TestGet:
    @pytest.mark.parametrize(
        ("file_format", "accept"),
        [("csv", "text/csv"), ("json", "application/json"), ("arrow", "application/vnd.apache.arrow.stream")],
    )
    def test_saves_the_records_for_their_owner_alone(
        self, ask: Ask, hub: Hub, tmp_path: Path, file_format: str, accept: str
    ) -> None:
        """Records arrive byte for byte, in the form asked for, in a file of mode 0600."""
        saved = ask("inbox_get", "p-1", tmp_path / "records", file_format)
        assert saved.path.read_bytes() == hub.parcels["p-1"].records
        assert saved.size == len(hub.parcels["p-1"].records)
        assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
        assert hub.seen[0].headers["accept"] == accept

    def test_starts_over_after_a_broken_answer(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """What a broken attempt had written is dropped before the next one."""
        hub.parcels["p-1"].records = b"row,src_ip\n" + b"1,192.0.2.1\n" * 50_000
        hub.faults += [Truncate(), Truncate()]
        saved = ask("inbox_get", "p-1", tmp_path / "records")
        assert saved.path.read_bytes() == hub.parcels["p-1"].records
        assert len(hub.seen) == 3

    def test_a_failure_leaves_nothing(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """Half a file under its name would be taken for the whole."""
        hub.faults += [Truncate()] * 100
        target = tmp_path / "here"
        target.mkdir()
        with pytest.raises(ConnectionFailed):
            ask("inbox_get", "p-1", target / "records", within=0.1)
        assert list(target.iterdir()) == []

    def test_a_failure_keeps_what_was_there(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """An older copy is replaced only by a whole new one."""
        path = tmp_path / "records"
        path.write_bytes(b"older")
        hub.parcels["p-1"].state = "recalled"
        with pytest.raises(Gone):
            ask("inbox_get", "p-1", path, replace_existing=True)
        assert path.read_bytes() == b"older"

    def test_overwrites_only_when_told(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """A file that is there is somebody's, and nothing is fetched for it."""
        path = tmp_path / "records"
        path.write_bytes(b"older")
        with pytest.raises(FileExists):
            ask("inbox_get", "p-1", path)
        assert not hub.seen
        ask("inbox_get", "p-1", path, replace_existing=True)
        assert path.read_bytes() == hub.parcels["p-1"].records

    def test_never_replaces_a_device_or_a_link(self, ask: Ask, tmp_path: Path) -> None:
        """Renaming over /dev/stdout would remove it."""
        link = tmp_path / "link"
        link.symlink_to("/dev/null")
        with pytest.raises(FileExists):
            ask("inbox_get", "p-1", link, replace_existing=True)
        assert link.is_symlink()

    def test_tells_progress_of_the_bytes(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """Progress knows the announced length."""
        told: list[tuple[int, int | None]] = []
        ask("inbox_get", "p-1", tmp_path / "records", progress=lambda done, total: told.append((done, total)))
        length = len(hub.parcels["p-1"].records)
        assert told[0] == (0, length)
        assert told[-1] == (length, length)

    def test_tells_erased_from_never_there(self, ask: Ask, hub: Hub, tmp_path: Path) -> None:
        """410 and 404 are different errors."""
        hub.parcels["p-1"].state = "erased"
        with pytest.raises(Gone):
            ask("inbox_get", "p-1", tmp_path / "a")
        with pytest.raises(NotFound):
            ask("inbox_get", "p-9", tmp_path / "b")

    @pytest.mark.parametrize("parcel", ["", "..", "a/b", "a?x=1", "p%2f", "-" * 65])
    def test_an_id_cannot_lead_elsewhere(self, ask: Ask, hub: Hub, tmp_path: Path, parcel: str) -> None:
        """What is no id never reaches a path."""
        with pytest.raises(BadArgument):
            ask("inbox_get", parcel, tmp_path / "records")
        assert not hub.seen


class TestActing:
    def test_acknowledging_twice_is_once(self, ask: Ask, hub: Hub) -> None:
        """The answer may be lost; asking again changes nothing."""
        hub.faults.append(LoseAnswer())
        assert ask("inbox_ack", "p-1").acknowledged_at == instant(NOW)
        assert hub.parcels["p-1"].acknowledged_at == NOW
        assert len(hub.seen) == 2

    def test_reports_outcomes_by_row_or_for_all(self, ask: Ask, hub: Hub) -> None:
        """Rows go out as numbers, or as the word "all"."""
        stated = [Outcome("warned", (1,)), Outcome("identified", "all")]
        assert ask("outcome_report", "p-1", stated).recorded == 3
        expected = {"outcomes": [{"code": "warned", "rows": [1]}, {"code": "identified", "rows": "all"}]}
        assert json.loads(hub.seen[0].body) == expected
        assert ask("outcomes", "p-1").outcomes == tuple(stated)

    def test_a_lost_answer_repeats_with_the_same_key(self, ask: Ask, hub: Hub) -> None:
        """Outcomes are recorded once however often they are sent."""
        hub.faults.append(LoseAnswer())
        ask("outcome_report", "p-1", [Outcome("warned", "all")])
        assert len(hub.seen) == 2
        assert len(set(hub.keys())) == 1

    def test_a_failed_call_keeps_its_key_and_an_answered_one_does_not(self, ask: Ask, hub: Hub) -> None:
        """Repeated after a failure it is the same statement; said again after an answer it is another one."""
        hub.faults += [Cut()] * 100
        with pytest.raises(ConnectionFailed):
            ask("outcome_report", "p-1", [Outcome("warned", "all")], within=0.0)
        hub.faults.clear()
        ask("outcome_report", "p-1", [Outcome("warned", "all")])
        ask("outcome_report", "p-1", [Outcome("warned", "all")])
        first, second, third = hub.keys()
        assert first == second != third

    def test_lists_open_recalls_or_all(self, ask: Ask, hub: Hub) -> None:
        """A recall names rows or the whole parcel, and is open until it is confirmed."""
        done = {"recall_id": "r-2", "rows": None, "confirmed_at": NOW}
        hub.recalls += [RECALL | {"confirmed_at": None}, RECALL | done]
        [recall] = ask("recalls")
        assert (recall.recall_id, recall.rows, recall.confirmed_at) == ("r-1", (1, 2), None)
        assert [item.rows for item in ask("recalls", None)] == [(1, 2), None]

    def test_confirms_a_recall(self, ask: Ask, hub: Hub) -> None:
        """The confirmation reaches the hub even where an answer is lost."""
        hub.recalls.append(RECALL | {"confirmed_at": None})
        hub.faults.append(LoseAnswer())
        assert ask("confirm_recall", "r-1") is None
        assert ask("recalls") == ()


class TestOwn:
    def test_follows_reports(self, ask: Ask, hub: Hub, attack: Path) -> None:
        """A suppressed count is None, not nought."""
        for number in range(3):
            ask("push", attack, {"kind": "attack", "mandate": str(number)})
        page = ask("report_list", limit=2)
        assert (len(page.reports), page.next) == (2, "2")
        assert (page.reports[0].delivered.records, page.reports[0].delivered.recipients) == (12, None)
        listed = ask("report_iter")
        assert len(listed) == 3
        assert ask("report_get", listed[2].report_id) == listed[2]
        assert hub.seen[3].query == {"limit": "2"}

    def test_withdraws_a_report(self, ask: Ask, hub: Hub) -> None:
        """The reason goes along, the number of recalls comes back."""
        assert ask("withdraw", "x-1", "consent-withdrawn").recalls == 3
        assert json.loads(hub.seen[0].body) == {"reason": "consent-withdrawn"}

    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [("withdraw", {"report_id": "x"}), ("declare_holding", {"asn": 64496, "valid_from": datetime.now(UTC)})],
    )
    def test_what_has_no_key_is_not_sent_twice(
        self, ask: Ask, hub: Hub, operation: str, arguments: dict[str, object]
    ) -> None:
        """Where the answer was lost and the hub cannot recognise a repetition, the caller decides."""
        hub.faults.append(LoseAnswer())
        with pytest.raises(ConnectionFailed) as caught:
            ask(operation, **arguments)
        assert caught.value.sent
        assert len(hub.seen) == 1

    def test_declares_a_holding_in_utc(self, ask: Ask, hub: Hub) -> None:
        """Dates go out as instants, whatever zone they were given in."""
        since = datetime.fromisoformat("2024-04-01T00:00:00+09:00")
        proposed = ask("declare_holding", prefix="192.0.2.0/24", valid_from=since)
        assert isinstance(proposed, Holding)
        assert json.loads(hub.seen[0].body) == {
            "prefix": "192.0.2.0/24",
            "valid_from": "2024-03-31T15:00:00Z",
            "shared_space": False,
        }
        assert ask("holdings") == (proposed,)

    @pytest.mark.parametrize("network", [{}, {"prefix": "192.0.2.0/24", "asn": 64496}])
    def test_a_holding_is_one_network(self, ask: Ask, network: dict[str, object]) -> None:
        """Prefix or AS number, never both or neither; and never at a time of no zone."""
        with pytest.raises(BadArgument):
            ask("declare_holding", **network, valid_from=datetime.now(UTC))
        with pytest.raises(BadArgument):
            ask("declare_holding", asn=1, valid_from=datetime(2024, 4, 1))  # noqa: DTZ001 - naive on purpose

    def test_tells_who_one_is(self, ask: Ask) -> None:
        """The hub says whom it takes the token for."""
        me = ask("me")
        assert (me.standing, me.scopes, me.token_expires_at) == ("active", ("push", "inbox"), instant(DEADLINE))
        found = ask("certificates")
        assert (found.public_key, found.certificates[0].statement) == ("k", {"deadline": DEADLINE})


class TestAnswers:
    def test_a_newer_hub_can_be_read(self, ask: Ask, hub: Hub) -> None:
        """Members this client does not know are passed over."""
        hub.faults.append(
            ok({"certificates": [], "holdings": [{"state": "x", "valid_from": NOW, "novelty": {"a": 1}}]})
        )
        [holding] = ask("holdings")
        assert holding.state == "x"

    @pytest.mark.parametrize(
        "answer",
        [
            ok([]),
            ok({}),
            ok({"standing": 1, "member": "m", "capacity": "c", "scopes": []}),
            ok({"standing": "active", "member": "m", "capacity": "c", "scopes": "push"}),
            ok({"standing": "active", "member": "m", "capacity": "c", "scopes": [], "token_expires_at": "soon"}),
            ok({"standing": "active", "member": "m", "capacity": "c", "scopes": [], "token_expires_at": "2026-01-01"}),
            Say(200, b"<html>", media_type="text/html"),
            Say(302, headers={"location": "https://elsewhere.example/"}),
        ],
    )
    def test_what_no_hub_says_is_not_believed(self, ask: Ask, hub: Hub, answer: Say) -> None:
        """A proxy's page or a mangled document is an error of its own that names no value."""
        hub.faults.append(answer)
        with pytest.raises(UnreadableAnswer):
            ask("me")
        assert len(hub.seen) == 1

    def test_an_endless_answer_is_cut_off(self, ask: Ask, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is held in memory is bounded."""
        monkeypatch.setattr("kessetsu_client.client.MAX_ANSWER", 1000)
        hub.faults.append(ok({"holdings": ["x" * 2000]}))
        with pytest.raises(UnreadableAnswer):
            ask("holdings")

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 415, 422, 500, 503])
    def test_a_refusal_without_a_problem_document_is_told_by_its_status(self, ask: Ask, hub: Hub, status: int) -> None:
        """A proxy in between does not write problem documents."""
        hub.faults.append(Say(status, b"<html>", media_type="text/html"))
        with pytest.raises(HubError) as caught:
            ask("me", within=0.0)
        assert caught.value.status == status
        assert str(status) in str(caught.value)

    def test_retry_after_may_be_a_date(self, ask: Ask, hub: Hub) -> None:
        """RFC 9110 allows both; a date in the past means now, nonsense means nothing."""
        for value, expected in (("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)):
            hub.faults.append(Say(503, {}, {"retry-after": value}))
            hub.faults.append(problem(403, "not-permitted"))
            with pytest.raises(HubError) as caught:
                ask("me", within=-1.0)
            assert isinstance(caught.value, Unavailable)
            assert caught.value.retry_after == expected
            hub.faults.clear()
