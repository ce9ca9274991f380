"""The main job, from push to certificate, over the API and the real database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from hub.errors import KeyDestroyed
from hub.sealing.boxes import open_all
from hub.vocabulary import CapacityKind, RecallReason, Standing
from tests.support.instance import Instance, Party, attack, csv_of

# Documentation prefixes are special-use and attributed to nobody, so sources here stand in ordinary space.
BOB_SOURCES = ["60.1.2.3", "60.1.2.4", "60.1.9.9"]
CAROL_SOURCES = ["106.5.6.7", "2400:1234::7"]
NOBODYS = ["126.9.9.9"]


@pytest.fixture
def ordinary(instance: Instance) -> dict[str, Party]:
    """Give carriers in ordinary address space."""
    instance.prefixes({"60.1.0.0/16": 64500, "106.5.0.0/16": 64501, "2400:1234::/32": 64501, "126.9.0.0/16": 64999})
    alice = instance.party("Alice Net")
    bob = instance.party("Bob Cable", systems=[64500])
    carol = instance.party("Carol Telecom", systems=[64501])
    dora = instance.party("Dora Security", CapacityKind.DELEGATE, operator=bob)
    return {"alice": alice, "bob": bob, "carol": carol, "dora": dora}


def deliver(instance: Instance, reporter: Party, sources: list[str], **changes: Any) -> dict[str, Any]:
    """Push and process one attack; returns the receipt."""
    answer = instance.push(reporter, csv_of(sources), attack(**changes))
    assert answer.status_code == 202, answer.text
    assert instance.work() == 1
    receipt: dict[str, Any] = answer.json()
    return receipt


class TestDelivery:
    """Each carrier gets its own sources, and only those."""

    def test_each_carrier_gets_its_own(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """A source goes to the carrier that operated its network, and to nobody else."""
        receipt = deliver(instance, ordinary["alice"], BOB_SOURCES + CAROL_SOURCES + NOBODYS)

        assert receipt["rows_taken"] == 6
        [bobs] = instance.inbox(ordinary["bob"])
        [carols] = instance.inbox(ordinary["carol"])
        assert {row["src_ip"] for row in instance.records(ordinary["bob"], bobs["parcel_id"])} == set(BOB_SOURCES)
        assert {row["src_ip"] for row in instance.records(ordinary["carol"], carols["parcel_id"])} == set(CAROL_SOURCES)
        assert instance.inbox(ordinary["alice"]) == []

    def test_rows_are_numbered_within_the_parcel(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """The reporter's row numbers would tell how much others were sent."""
        deliver(instance, ordinary["alice"], CAROL_SOURCES[:1] + BOB_SOURCES)

        [parcel] = instance.inbox(ordinary["bob"])
        rows = instance.records(ordinary["bob"], parcel["parcel_id"])
        assert [row["row"] for row in rows] == [1, 2, 3]

    def test_a_delegate_reads_its_operators_inbox(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """A vendor acting for an operator sees that operator's parcels, no wider than the operator."""
        deliver(instance, ordinary["alice"], BOB_SOURCES + CAROL_SOURCES)

        [parcel] = instance.inbox(ordinary["dora"])
        operators = instance.records(ordinary["bob"], parcel["parcel_id"])
        delegates = instance.records(ordinary["dora"], parcel["parcel_id"])
        assert {row["src_ip"] for row in delegates} == set(BOB_SOURCES)
        assert set(delegates[0]) <= set(operators[0])

    def test_nothing_before_release(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """A push that was accepted but not yet processed is in nobody's inbox."""
        answer = instance.push(ordinary["alice"], csv_of(BOB_SOURCES))

        assert answer.status_code == 202
        assert instance.inbox(ordinary["bob"]) == []

    def test_suspended_between_push_and_release_gets_nothing(
        self, instance: Instance, ordinary: dict[str, Party]
    ) -> None:
        """Policy is asked with today's facts: who is suspended at release receives nothing."""
        instance.push(ordinary["alice"], csv_of(BOB_SOURCES))
        instance.standing(ordinary["bob"], Standing.SUSPENDED)
        instance.work()
        instance.standing(ordinary["bob"], Standing.ACTIVE)

        assert instance.inbox(ordinary["bob"]) == []


class TestRetry:
    """Every push is idempotent."""

    def test_same_key_same_receipt(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """A retry gets the same receipt and doubles nothing."""
        first = instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k1").json()
        second = instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k1").json()
        instance.work()

        assert second == {**first, "replayed": True}
        assert len(instance.inbox(ordinary["bob"])) == 1

    def test_same_content_other_key(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """The same content under a new key is the same push."""
        first = instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k1").json()
        second = instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k2").json()

        assert second["report_id"] == first["report_id"]
        assert second["replayed"]

    def test_same_key_other_content_is_refused(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """A key names one push."""
        instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k1")
        answer = instance.push(ordinary["alice"], csv_of(CAROL_SOURCES), key="k1")

        assert answer.status_code == 409
        assert answer.json()["code"] == "conflict"

    def test_same_content_of_another_member_is_another_push(
        self, instance: Instance, ordinary: dict[str, Party]
    ) -> None:
        """What one member pushed must not show to another, not even as a replay."""
        instance.push(ordinary["alice"], csv_of(BOB_SOURCES), key="k1")
        answer = instance.push(ordinary["carol"], csv_of(BOB_SOURCES), key="k1")

        assert answer.json()["replayed"] is False


class TestErasure:
    """Secrets die on time."""

    def test_at_the_deadline_nothing_opens(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """At the deadline the key is gone, the rows are gone, and the recipient is told so."""
        deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        with instance.worker.store.reading() as unit:
            item = unit.parcels.granted(_id(parcel), ordinary["bob"].capacity_id)
            assert item is not None
            sealed = unit.sealed.get(item.parcel.id, item.parcel.bucket.deadline)
        instance.clock.advance(item.parcel.bucket.deadline - instance.clock.now())
        instance.erase()

        answer = instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=ordinary["bob"].headers)
        assert answer.status_code == 410
        with pytest.raises(KeyDestroyed):
            list(open_all(instance.worker.keys, sealed))
        with instance.database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM sealed_chunks").fetchone() == (0,)
        certificates = instance.client.get("/v1/certificates", headers=ordinary["bob"].headers).json()["certificates"]
        assert len(certificates) == 1

    def test_the_deadline_itself_ends_access(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """Access ends at the deadline even if the sweep is late."""
        deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        instance.clock.advance(timedelta(days=365))

        answer = instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=ordinary["bob"].headers)
        assert answer.status_code in {401, 410}

    def test_a_report_over_two_days_makes_two_parcels(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """Each UTC day has its own deadline."""
        today = csv_of(BOB_SOURCES[:1], at="2026-11-20T09:05:00Z")
        yesterday = csv_of(BOB_SOURCES[1:2], at="2026-11-19T23:05:00Z").split("\n", 1)[1]
        instance.push(ordinary["alice"], today + yesterday, attack(start="2026-11-19T23:00:00Z"))
        instance.work()

        parcels = instance.inbox(ordinary["bob"])
        assert len({parcel["deadline"] for parcel in parcels}) == 2


class TestRecall:
    """A wrong delivery is a leak: access ends at once."""

    def test_withdrawal_recalls_what_was_delivered(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """The sender takes a report back: recipients lose access and are asked to erase."""
        receipt = deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        answer = instance.client.post(
            f"/v1/reports/{receipt['report_id']}/withdrawal",
            json={"reason": "report-withdrawn"},
            headers=ordinary["alice"].headers,
        )

        assert answer.status_code == 202
        read = instance.client.get(f"/v1/inbox/{parcel['parcel_id']}/records", headers=ordinary["bob"].headers)
        assert read.status_code == 410
        [case] = instance.client.get("/v1/recalls?state=open", headers=ordinary["bob"].headers).json()["recalls"]
        confirmed = instance.client.post(
            f"/v1/recalls/{case['recall_id']}/confirmation", headers=ordinary["bob"].headers
        )
        assert confirmed.json()["confirmed_at"] is not None

    def test_rows_can_be_recalled(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """Some rows of a parcel can be taken out; the others stay."""
        deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        instance.operator.recalls.recall(_id(parcel), RecallReason.NOT_OURS, rows=[2], officer="officer")

        rows = instance.records(ordinary["bob"], parcel["parcel_id"])
        assert [row["row"] for row in rows] == [1, 3]


class TestPassingOn:
    """What was downloaded can be pushed: an operator may have to report further."""

    def test_a_downloaded_parcel_is_a_report(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """Every row of a parcel's CSV is taken when the file is pushed as it is."""
        deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        file = instance.client.get(
            f"/v1/inbox/{parcel['parcel_id']}/records", headers={**ordinary["bob"].headers, "Accept": "text/csv"}
        )
        answer = instance.push(ordinary["bob"], file.content)

        assert answer.status_code == 202, answer.text
        assert (answer.json()["rows_taken"], answer.json()["rows_refused"]) == (len(BOB_SOURCES), 0)


class TestOutcomes:
    """Recipients answer by row, in codes."""

    def test_the_latest_word_counts(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """All rows warned, then one of them turns out not to be a customer."""
        deliver(instance, ordinary["alice"], BOB_SOURCES)
        [parcel] = instance.inbox(ordinary["bob"])
        url = f"/v1/inbox/{parcel['parcel_id']}/outcomes"
        for number, outcome in enumerate(
            [{"code": "warned", "rows": "all"}, {"code": "not-our-customer", "rows": [2]}]
        ):
            answer = instance.client.post(
                url, json={"outcomes": [outcome]}, headers={**ordinary["bob"].headers, "Idempotency-Key": f"o{number}"}
            )
            assert answer.status_code == 200, answer.text

        standing = instance.client.get(url, headers=ordinary["bob"].headers).json()
        assert standing == {
            "outcomes": [{"code": "warned", "rows": [1, 3]}, {"code": "not-our-customer", "rows": [2]}],
            "open": 0,
        }


class TestHold:
    """A report whose sources look spoofed is delivered by an officer's decision only."""

    def test_random_sources_are_held(self, instance: Instance, ordinary: dict[str, Party]) -> None:
        """Sources all over address space, one packet each: nobody is accused until a person decides."""
        quarter_missing = {f"{first}.0.0.0/8": 64600 + first for first in range(1, 224) if first % 4}
        instance.prefixes(quarter_missing, valid_from=datetime(2025, 1, 1, tzinfo=UTC))
        numbers = pl.Series(range(2_000)).hash(seed=7).to_list()
        sources = [".".join(str(number >> shift & 255) for shift in (0, 8, 16, 24)) for number in numbers]
        lines = [f"{ip},,198.51.100.7,443,tcp,2026-11-20T09:05:00Z,,1,40,S" for ip in sources]
        header = "src_ip,src_port,dst_ip,dst_port,protocol,first_seen,last_seen,packets,bytes,tcp_flags"
        answer = instance.push(ordinary["alice"], "\n".join([header, *lines, ""]))
        assert answer.status_code == 202, answer.text
        instance.work()

        report = instance.client.get(answer.headers["Location"], headers=ordinary["alice"].headers).json()
        assert report["state"] == "held"
        assert report["hold_reason"] == "spoofed-sources"
        assert instance.inbox(ordinary["bob"]) == []


def _id(parcel: dict[str, Any]) -> UUID:
    return UUID(parcel["parcel_id"])
