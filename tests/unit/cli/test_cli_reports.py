import random
from uuid import uuid4

import pytest

from hub.addresses import render_one
from tests.support.instance import Instance, Party, csv_of
from tests.unit.cli.running import Kessetsu, log_of

SOURCE = "5.6.7.8"


def held_report(instance: Instance) -> tuple[Party, Party, str]:
    """Have a report wait because there is no prefix table; returns reporter, holder and the report's id."""
    reporter = instance.party("Reporter Net")
    holder = instance.party("Holder Net", systems=[64500])
    answer = instance.push(reporter, csv_of([SOURCE]))
    assert answer.status_code == 202, answer.text
    instance.work()
    return reporter, holder, answer.json()["report_id"]


class TestHeld:
    def test_says_why_and_until_when(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """What waits is listed with its sender, the reason and the deadline; no address stands there."""
        _, _, report = held_report(instance)

        (row,) = kessetsu("report", "held", "--json").document
        shown = kessetsu("report", "held").out

        assert (row["id"], row["member"], row["hold_reason"]) == (report, "Reporter Net", "no-prefix-table")
        assert row["decide_by"] > row["received_at"]
        assert "import one, then deliver it" in shown
        assert SOURCE not in shown + kessetsu("report", "show", report).out

    def test_forged_sources_with_their_figures(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A flood from random addresses waits, and the figures that say so are shown in both languages."""
        instance.prefixes({"64.0.0.0/2": 64500, "128.0.0.0/2": 64501})
        reporter = instance.party("Reporter Net")
        chance = random.Random(1)  # noqa: S311 - addresses of a test
        sources = {render_one(0, 0xFFFF << 32 | chance.randrange(1 << 24, 224 << 24)) for _ in range(3_000)}
        assert instance.push(reporter, csv_of(sorted(sources))).status_code == 202
        instance.work()

        assert "look forged" in kessetsu("report", "held").out
        assert "詐称" in kessetsu("report", "held", "--lang", "ja").out

    def test_nothing_waits(self, kessetsu: Kessetsu) -> None:
        """An empty desk says so."""
        assert kessetsu("report", "held").out == "Nothing waits.\n"


class TestDecide:
    def test_delivered_by_an_officer(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """After the decision the worker delivers it to whom it concerns."""
        _, holder, report = held_report(instance)
        instance.prefixes({"5.6.7.0/24": 64500})

        assert kessetsu("report", "deliver", report, "--by", "H. Yamada", "--reason", "table imported").code == 0
        instance.work()

        (parcel,) = instance.inbox(holder)
        assert [row["src_ip"] for row in instance.records(holder, parcel["parcel_id"])] == [SOURCE]
        shown = kessetsu("report", "show", report, "--json").document
        assert (shown["state"], shown["decided_by"]) == ("released", "H. Yamada")
        assert "held-delivered" in [act for act, _ in log_of(instance)]

    def test_refused_by_an_officer(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A refused report is erased and goes to nobody, whatever is decided later."""
        _, holder, report = held_report(instance)
        decision = (report, "--by", "H. Yamada", "--reason", "sources forged")

        assert kessetsu("report", "refuse", *decision).code == 0
        instance.prefixes({"5.6.7.0/24": 64500})
        again = kessetsu("report", "deliver", *decision, "--json")
        instance.work()

        assert (again.code, again.error["error"], again.error["got"]) == (1, "not-found", "refused")
        assert instance.inbox(holder) == []
        assert kessetsu("report", "show", report, "--json").document["state"] == "refused"

    @pytest.mark.parametrize("missing", ["--by", "--reason"])
    def test_a_decision_has_name_and_reason(self, kessetsu: Kessetsu, missing: str) -> None:
        """Nobody decides anonymously or without saying why."""
        given = {"--by": "H. Yamada", "--reason": "x"}
        del given[missing]

        assert kessetsu("report", "deliver", uuid4(), *(word for pair in given.items() for word in pair)).code == 2

    def test_no_such_report(self, kessetsu: Kessetsu) -> None:
        """An unknown id is not found, with what to do."""
        ran = kessetsu("report", "show", uuid4())

        assert ran.code == 1
        assert "kessetsu report held" in ran.err


class TestRecall:
    def delivered(self, instance: Instance) -> tuple[Party, str]:
        """Deliver three records; returns the holder and the parcel's id."""
        instance.prefixes({"5.6.7.0/24": 64500})
        holder = instance.party("Holder Net", systems=[64500])
        reporter = instance.party("Reporter Net")
        instance.push(reporter, csv_of(["5.6.7.1", "5.6.7.2", "5.6.7.3"]))
        instance.work()
        return holder, str(instance.inbox(holder)[0]["parcel_id"])

    def test_whole(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Access ends at once, and the case is listed until the recipient confirms it."""
        holder, parcel = self.delivered(instance)

        assert kessetsu("parcel", "recall", parcel, "--reason", "not-ours", "--by", "H. Yamada").code == 0

        assert instance.client.get(f"/v1/inbox/{parcel}/records", headers=holder.headers).status_code == 410
        (case,) = kessetsu("recall", "list", "--json").document
        assert (case["parcel"], case["member"], case["reason"], case["rows"]) == (
            parcel, "Holder Net", "not-ours", None,
        )  # fmt: skip
        instance.client.post(f"/v1/recalls/{case['id']}/confirmation", headers=holder.headers)
        assert kessetsu("recall", "list").out == "Every recall is confirmed.\n"

    def test_by_rows(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Recalled rows are gone, the others stay; rows that are not there are refused."""
        holder, parcel = self.delivered(instance)
        recall = ("parcel", "recall", parcel, "--reason", "holding-corrected", "--by", "H. Yamada", "--rows")

        assert kessetsu(*recall, "1,3-4").code == 1
        assert kessetsu(*recall, "1,3").code == 0

        assert len(instance.records(holder, parcel)) == 1
        assert kessetsu("recall", "list", "--json").document[0]["rows"] == [1, 3]

    @pytest.mark.parametrize("rows", ["0", "3-1", "one", "1-99999999", ""])
    def test_rows_that_are_none(self, kessetsu: Kessetsu, rows: str) -> None:
        """Row numbers begin at 1 and ascend."""
        ran = kessetsu("parcel", "recall", uuid4(), "--rows", rows, "--reason", "not-ours", "--by", "x")

        assert ran.code == 2

    def test_no_such_parcel(self, kessetsu: Kessetsu) -> None:
        """An unknown id is not found."""
        assert kessetsu("parcel", "recall", uuid4(), "--reason", "not-ours", "--by", "x").code == 1
