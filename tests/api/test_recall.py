"""Recalled and withdrawn deliveries, over HTTP."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from hub.vocabulary import RecallReason
from tests.api.mail import BOBS, answer, deliver, get, newest, read_all
from tests.support.instance import Instance, Party, attack, csv_of


class TestRecall:
    """A wrong delivery is a leak: access ends at once, erasure is asked and confirmed."""

    def test_recalled_rows_vanish(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Recalled rows are gone from every form for recipient and delegate; the others keep their numbers."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        parcel_id = UUID(path.rpartition("/")[2])
        whole = get(instance, cast["bob"], f"{path}/records").json()["records"]
        instance.operator.recalls.recall(parcel_id, RecallReason.NOT_OURS, rows=[2], officer="officer")
        url = str(instance.client.base_url).rstrip("/")
        for name in ("bob", "dora"):
            _, rows, table, arrow = read_all(url, cast[name], path)
            assert [row["row"] for row in rows] == arrow["row"].to_list() == [1, 3]
            assert whole[1]["src_ip"] not in table
        [listed] = instance.inbox(cast["bob"])
        assert listed["recalled_rows"] == [2]
        instance.operator.recalls.recall(parcel_id, RecallReason.NOT_OURS, rows=[1, 2, 3], officer="officer")
        _, rows, table, arrow = read_all(url, cast["bob"], path)

        assert (rows, len(table.splitlines()), arrow.height) == ([], 1, 0)

    def test_whole(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A recalled parcel is gone for all who had it, each is asked to erase, each confirms for itself."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        parcel_id = UUID(path.rpartition("/")[2])
        instance.operator.recalls.recall(parcel_id, RecallReason.HOLDING_CORRECTED, rows=None, officer="officer")
        for name in ("bob", "dora"):
            assert get(instance, cast[name], f"{path}/records").status_code == 410
            assert answer(instance, cast[name], path, [{"code": "warned", "rows": "all"}], "k").status_code == 410
        [bobs] = get(instance, cast["bob"], "/v1/recalls?state=open").json()["recalls"]
        [doras] = get(instance, cast["dora"], "/v1/recalls?state=open").json()["recalls"]
        assert unconfirmed(instance) == {bobs["recall_id"], doras["recall_id"]}
        confirmation = f"/v1/recalls/{bobs['recall_id']}/confirmation"
        first = instance.client.post(confirmation, headers=cast["bob"].headers).json()
        instance.clock.advance(timedelta(minutes=1))
        again = instance.client.post(confirmation, headers=cast["bob"].headers).json()

        assert (bobs["reason"], bobs["rows"], bobs["parcel_id"]) == ("holding-corrected", None, str(parcel_id))
        assert first == again
        assert first["confirmed_at"]
        assert unconfirmed(instance) == {doras["recall_id"]}
        assert get(instance, cast["bob"], "/v1/recalls?state=open").json()["recalls"] == []
        assert get(instance, cast["bob"], "/v1/recalls").json()["recalls"] == [first]
        with instance.database.connect() as connection:
            stored = connection.execute("SELECT count(*) FROM sealed_chunks WHERE object_id = %s", (parcel_id,))
            assert stored.fetchone() == (0,)

    def test_withdrawn_before_processing(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A report taken back before the worker had it is never delivered, and its blob is gone."""
        report = deliver(instance, cast["alice"], seal_only=True)
        assert withdraw(instance, cast["alice"], report).status_code == 202
        instance.work()

        assert instance.inbox(cast["bob"]) == []
        assert state_of(instance, cast["alice"], report) == "withdrawn"
        assert ciphertext(instance) == 0

    def test_withdrawn_while_sealed(
        self, instance: Instance, cast: dict[str, Party], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A report taken back between sealing and release is deleted, not recalled: nobody had it."""
        report = deliver(instance, cast["alice"], seal_only=True)
        with monkeypatch.context() as patch:
            patch.setattr(type(instance.worker.flow), "release", lambda *_: None)
            instance.work()
        assert state_of(instance, cast["alice"], report) == "sealed"
        assert withdraw(instance, cast["alice"], report).status_code == 202
        instance.worker.flow.release(UUID(report))

        assert instance.inbox(cast["bob"]) == []
        assert get(instance, cast["bob"], "/v1/recalls").json()["recalls"] == []
        assert ciphertext(instance) == 0

    def test_withdrawn_after_release_and_again(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A report taken back after release is recalled everywhere; doing so again changes nothing."""
        report = deliver(instance, cast["alice"], [*BOBS, "106.5.6.7"])
        answers = [withdraw(instance, cast["alice"], report) for _ in range(2)]
        cases = [get(instance, cast[name], "/v1/recalls").json()["recalls"] for name in ("bob", "dora", "carol")]

        assert [one.status_code for one in answers] == [202, 202]
        assert [[case["reason"] for case in of] for of in cases] == [["report-withdrawn"]] * 3
        assert state_of(instance, cast["alice"], report) == "withdrawn"
        assert ciphertext(instance) == 0

    def test_pushed_again(self, instance: Instance, cast: dict[str, Party]) -> None:
        """After a withdrawal the same content can be pushed anew."""
        envelope = attack(mandate="m-again")
        first = instance.push(cast["alice"], csv_of(BOBS), envelope).json()
        instance.work()
        withdraw(instance, cast["alice"], first["report_id"])
        second = instance.push(cast["alice"], csv_of(BOBS), envelope).json()
        instance.work()

        assert second["report_id"] != first["report_id"]
        assert [parcel["state"] for parcel in instance.inbox(cast["bob"])] == ["recalled", "released"]

    def test_a_withdrawal_does_not_tell_whose_network_it_was(self, instance: Instance, cast: dict[str, Party]) -> None:
        """What a report's figures withhold as too small, taking it back does not tell: one source could be tested."""
        member = deliver(instance, cast["alice"], ["60.1.2.3"])
        nobody = deliver(instance, cast["alice"], ["126.9.9.9"])
        shown = get(instance, cast["alice"], f"/v1/reports/{member}").json()["delivered"]
        told = [withdraw(instance, cast["alice"], report).json() for report in (member, nobody)]

        assert shown == {"records": None, "recipients": None}
        assert told[0] == told[1]


def withdraw(instance: Instance, party: Party, report: str) -> httpx.Response:
    """Take a report back."""
    url = f"/v1/reports/{report}/withdrawal"
    return instance.client.post(url, json={"reason": "report-withdrawn"}, headers=party.headers)


def state_of(instance: Instance, party: Party, report: str) -> str:
    """Return how far a report has come, as its reporter sees it."""
    state: str = get(instance, party, f"/v1/reports/{report}").json()["state"]
    return state


def ciphertext(instance: Instance) -> int:
    """Count sealed objects."""
    with instance.database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM sealed_objects").fetchone()
    assert row is not None
    return int(row[0])


def unconfirmed(instance: Instance) -> set[str]:
    """Return the officer's list of recalls nobody has confirmed."""
    with instance.operator.store.reading() as unit:
        return {str(recall.id) for recall in unit.recalls.unconfirmed()}
