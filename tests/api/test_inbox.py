"""The inbox over HTTP: pages, versions, forms, answers, recalls, and what is shown today of what was granted."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import polars as pl
import pytest

from hub.frames import from_arrow
from hub.intake.csv_records import IntakeLimits, check_csv
from hub.intake.envelope import read_envelope
from hub.vocabulary import OutcomeCode, RecallReason
from tests.api.mail import ARROW, BOBS, answer, deliver, get, members_of, newest
from tests.support.instance import HEADER, Instance, Party, attack, csv_of


class TestList:
    """Lists are filtered, paged by position, and cheap to poll."""

    def test_filters(self, instance: Instance, cast: dict[str, Party]) -> None:
        """State, kind and drill narrow the list; together they narrow it further."""
        alice, bob = cast["alice"], cast["bob"]
        deliver(instance, alice)
        deliver(instance, alice, purpose="drill", data_class="drill")
        infected: dict[str, Any] = {
            "kind": "infected",
            "purpose": "subscriber-notice",
            "data_class": "infected-host",
            "malware_family": "Mirai",
            "detection": "sinkhole",
        }
        deliver(instance, alice, **infected)
        recalled = newest(instance, bob).rpartition("/")[2]
        instance.operator.recalls.recall(UUID(recalled), RecallReason.NOT_OURS, rows=None, officer="officer")

        def count(query: str) -> int:
            return len(get(instance, bob, f"/v1/inbox?{query}").json()["parcels"])

        counts = {
            "": 3,
            "kind=attack": 2,
            "kind=infected": 1,
            "kind=vulnerable-device": 0,
            "drill=true": 1,
            "drill=false": 2,
            "state=released": 2,
            "state=recalled": 1,
            "state=sealed": 0,
            "state=erased": 0,
            "kind=attack&drill=true&state=released": 1,
            "kind=infected&state=released": 0,
        }
        assert {query: count(query) for query in counts} == counts

    def test_pages_cover_all_once(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Any page size walks over every parcel once, in order; ``cursor`` then finds only what is new."""
        for _ in range(7):
            deliver(instance, cast["alice"])
        whole = [parcel["parcel_id"] for parcel in instance.inbox(cast["bob"])]
        for size in (1, 2, 3, 7, 500):
            walked, cursor = walk(instance.client, cast["bob"], size)
            assert walked == whole
        assert get(instance, cast["bob"], f"/v1/inbox?since={cursor}").json()["parcels"] == []
        deliver(instance, cast["alice"])
        [new] = get(instance, cast["bob"], f"/v1/inbox?since={cursor}").json()["parcels"]

        assert new["parcel_id"] not in whole

    def test_dates_rise(self, instance: Instance, cast: dict[str, Party]) -> None:
        """No two parcels of an inbox were added at the same microsecond, though the clock stood still."""
        for _ in range(4):
            deliver(instance, cast["alice"])
        added = [parcel["date_added"] for parcel in instance.inbox(cast["bob"])]

        assert len(set(added)) == 4

    def test_numbers_are_the_recipients_own(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A position says nothing of how much others received."""
        for _ in range(3):
            deliver(instance, cast["alice"], ["106.5.6.7"])
        deliver(instance, cast["alice"])

        assert get(instance, cast["bob"], "/v1/inbox").json()["cursor"] == "1"

    def test_concurrent_releases(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Readers that follow the cursor while parcels are released miss none and see none twice, in order."""
        for _ in range(24):
            deliver(instance, cast["alice"], seal_only=True)
        waiting = iter(instance._next_job, None)
        reports = list(waiting)
        with ThreadPoolExecutor(7) as threads:
            readers = [threads.submit(follow, instance, cast["bob"], 24, size) for size in (1, 3, 100)]
            for done in [threads.submit(instance.worker.flow.process, report) for report in reports]:
                done.result()
            seen = [reader.result() for reader in readers]
        whole = [parcel["parcel_id"] for parcel in instance.inbox(cast["bob"])]

        assert len(whole) == 24
        assert all(one == whole for one in seen)


def walk(client: httpx.Client, party: Party, size: int) -> tuple[list[str], str]:
    """Follow ``next`` to the last page; returns the parcels and the cursor."""
    found: list[str] = []
    since: str | None = None
    while True:
        query = f"/v1/inbox?limit={size}" + (f"&since={since}" if since else "")
        page = client.get(query, headers=party.headers).json()
        found += [parcel["parcel_id"] for parcel in page["parcels"]]
        assert len(page["parcels"]) <= size
        since = page["next"]
        if since is None:
            return found, page["cursor"]


def follow(instance: Instance, party: Party, expected: int, size: int) -> list[str]:
    """Poll with the cursor until all are there."""
    found: list[str] = []
    cursor = "0"
    with httpx.Client(base_url=instance.client.base_url, headers=party.headers, trust_env=False) as client:
        for _ in range(3_000):
            page = client.get(f"/v1/inbox?limit={size}&since={cursor}").json()
            found += [parcel["parcel_id"] for parcel in page["parcels"]]
            cursor = page["cursor"]
            if len(found) >= expected:
                break
    return found


class TestVersion:
    """The ETag changes exactly when the list does."""

    def test_304_until_something_changes(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Release, acknowledgement, recall of a row, recall of all and erasure each make a new version."""
        alice, bob = cast["alice"], cast["bob"]
        tags = [self._tag(instance, bob)]
        deliver(instance, alice)
        tags.append(self._tag(instance, bob))
        path = newest(instance, bob)
        parcel_id = UUID(path.rpartition("/")[2])
        instance.client.post(f"{path}/acknowledgement", headers=bob.headers)
        tags.append(self._tag(instance, bob))
        instance.operator.recalls.recall(parcel_id, RecallReason.NOT_OURS, rows=[1], officer="officer")
        tags.append(self._tag(instance, bob))
        instance.operator.recalls.recall(parcel_id, RecallReason.NOT_OURS, rows=None, officer="officer")
        tags.append(self._tag(instance, bob))
        with instance.operator.store.reading() as unit:
            parcel = unit.parcels.granted(parcel_id, bob.capacity_id)
        assert parcel is not None
        instance.clock.instant = parcel.parcel.bucket.deadline
        instance.erase()
        tags.append(self._tag(instance, bob))

        assert len(set(tags)) == len(tags)
        assert instance.inbox(bob) == []

    @staticmethod
    def _tag(instance: Instance, party: Party) -> str:
        """Return the version, after checking that it stands while nothing changes."""
        tag = get(instance, party, "/v1/inbox").headers["etag"]
        for sent in (tag, f'"other", {tag}', f"W/{tag}"):
            again = get(instance, party, "/v1/inbox", If_None_Match=sent)
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        return str(tag)

    def test_another_question_has_another_version(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A tag of one page or one caller is no answer to another."""
        deliver(instance, cast["alice"])
        askers = [(cast["bob"], ""), (cast["bob"], "?limit=1"), (cast["bob"], "?drill=true"), (cast["dora"], "")]
        tags = [get(instance, party, f"/v1/inbox{query}").headers["etag"] for party, query in askers]

        assert len(set(tags)) == 4
        assert get(instance, cast["dora"], "/v1/inbox", If_None_Match=tags[0]).status_code == 200


class TestForms:
    """JSON, CSV and Arrow say the same; the caller's Accept decides (RFC 9110, section 12.5.1)."""

    @pytest.fixture(scope="class")
    @classmethod
    def read(cls, shared: Instance) -> tuple[Instance, Party, str]:
        """Give a parcel with rows of every shape."""
        cast = members_of(shared)
        lines = [
            "60.1.2.3,40000,198.51.100.7,443,tcp,2026-11-20T09:05:00Z,2026-11-20T09:06:00Z,12,1440,SA",
            "60.1.2.4,,198.51.100.7,,udp,2026-11-20T09:05:00.123456Z,,,,",
            "2400:1234::7,53,2001:db8::7,53,17,2026-11-20T09:05:01+09:00,,0,0,0",
            "60.1.2.5,0,198.51.100.7,65535,esp,2026-11-20T09:05:02Z,,9223372036854775807,1,0xff",
            "60.1.2.3,40000,198.51.100.7,443,tcp,2026-11-20T09:05:00Z,2026-11-20T09:06:00Z,12,1440,SA",
        ]
        pushed = shared.push(cast["alice"], "\n".join([HEADER, *lines, ""]))
        assert pushed.json()["rows_taken"] == 5
        shared.work()
        return shared, cast["bob"], f"{newest(shared, cast['bob'])}/records"

    @pytest.mark.parametrize(
        ("accept", "served"),
        [
            (None, "application/json"),
            ("*/*", "application/json"),
            ("text/csv", "text/csv"),
            ("TEXT/CSV", "text/csv"),
            ("text/*", "text/csv"),
            (ARROW, ARROW),
            ("application/*", "application/json"),
            (f"application/*;q=0.5, {ARROW}", ARROW),
            ("application/json;q=0.1, text/csv;q=0.9", "text/csv"),
            ("text/html, text/csv;q=0.5", "text/csv"),
            ("*/*;q=0.1, text/csv;q=0", "application/json"),
            ("application/json;q=0, */*", "text/csv"),
            ('text/csv; header="present"; charset=utf-8', "text/csv"),
            ("text/html", None),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("nonsense", None),
            ("text/csv;q=much", None),
            (";;;,,,", None),
        ],
    )
    def test_accept(self, read: tuple[Instance, Party, str], accept: str | None, served: str | None) -> None:
        """Quality, wildcards, case and specificity decide; what is not served is 406."""
        instance, bob, path = read
        headers = bob.headers | ({} if accept is None else {"Accept": accept})
        request = httpx.Request("GET", instance.client.base_url.join(path), headers=headers)
        response = instance.client.send(request)

        assert response.headers["content-type"].partition(";")[0] == (served or "application/problem+json")
        assert response.status_code == (200 if served else 406)
        assert response.headers["cache-control"] == "no-store"

    def test_the_three_agree(self, read: tuple[Instance, Party, str]) -> None:
        """Row by row and column by column the three forms hold the same."""
        instance, bob, path = read
        rows = get(instance, bob, path).json()["records"]
        table = list(csv.DictReader(io.StringIO(get(instance, bob, path, Accept="text/csv").text)))
        arrow = from_arrow(get(instance, bob, path, Accept=ARROW).content)
        instants = [name for name, kind in arrow.schema.items() if isinstance(kind, pl.Datetime)]
        spelled = arrow.with_columns(pl.col(instants).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).to_dicts()

        assert len(rows) == 5
        assert spelled == rows
        assert [{name: _text(value) for name, value in row.items()} for row in rows] == table
        assert [row["src_port"] for row in rows].count(None) == 1
        assert {row["packets"] for row in rows} == {12, None, 0, 2**63 - 1}

    def test_round_trip(self, read: tuple[Instance, Party, str]) -> None:
        """The CSV the hub gives can be pushed again, but for the columns that are the hub's own."""
        instance, bob, path = read
        served = pl.read_csv(get(instance, bob, path, Accept="text/csv").content, infer_schema=False)
        body = served.rename({name: f"x_{name}" for name in ("row", "dst_prefix", "marks")})
        body = body.with_columns(pl.lit("198.51.100.7").alias("dst_ip")).filter(~pl.col("src_ip").str.contains(":"))
        checked = check_csv(
            body.write_csv().encode(),
            read_envelope(
                b'{"kind":"attack","legal_basis":"statute","purpose":"attack-response","data_class":'
                b'"attack-traffic","mandate":"m","requested_action":"warn","vectors":["syn-flood"],'
                b'"target":"198.51.100.7","start":"2026-11-20T09:00:00Z","end":"2026-11-20T09:20:00Z"}'
            ),
            now=instance.clock.now(),
            limits=IntakeLimits(),
        )

        assert (checked.total, checked.refused) == (4, 0)

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "'"])
    def test_cells_a_spreadsheet_would_run(self, read: tuple[Instance, Party, str], start: str) -> None:
        """Cells that begin like a formula, guarded or not, do no harm on the way in."""
        instance, _, _ = read
        alice = instance.party(f"Alice {uuid4()}")
        cells = [f"{start}cmd|' /C calc'!A0", f"'{start}1+1"]
        rows = [line + f',"{cell}"' for line, cell in zip(csv_of(BOBS[:2]).splitlines()[1:], cells, strict=True)]
        pushed = instance.push(alice, "\n".join([f"{HEADER},x_note", *rows, ""]), attack(mandate=f"m-{uuid4()}"))

        assert (pushed.status_code, pushed.json()["rows_refused"]) == (202, 0)

    @pytest.mark.parametrize("start", "=+-@")
    def test_guarded_values_are_read(self, read: tuple[Instance, Party, str], start: str) -> None:
        """The apostrophe that makes text of a cell is taken off again; the value is judged as it was."""
        instance, _, _ = read
        alice = instance.party(f"Alice {uuid4()}")
        line = csv_of(BOBS[:1]).splitlines()[1].replace(",SA", f",'{start}SA")
        refused = instance.push(alice, f"{HEADER}\n{line}\n")

        assert refused.json()["errors"][0]["code"] == "flags-format"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


class TestOutcomes:
    """Recipients answer by row, in codes; retries change nothing."""

    def test_bulk_and_latest_word(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Every code is taken, many at once; the latest word on a row counts, within a push and across."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        batches: list[dict[str, Any]] = [{"code": code, "rows": "all"} for code in OutcomeCode]
        bulk = answer(instance, cast["bob"], path, [*batches, {"code": "warned", "rows": [1, 3, 3]}], "bulk")
        assert bulk.json() == {"recorded": len(OutcomeCode) * 3 + 2}
        answer(instance, cast["bob"], path, [{"code": "blocked", "rows": [3]}], "later")
        standing = get(instance, cast["bob"], f"{path}/outcomes").json()

        assert standing["open"] == 0
        assert {code["code"]: code["rows"] for code in standing["outcomes"]} == {
            "warned": [1],
            "other": [2],
            "blocked": [3],
        }

    def test_retries(self, instance: Instance, cast: dict[str, Party]) -> None:
        """The same key with the same outcomes is answered the same and recorded once; with others it is a conflict."""
        deliver(instance, cast["alice"])
        deliver(instance, cast["alice"])
        first, second = (f"/v1/inbox/{parcel['parcel_id']}" for parcel in instance.inbox(cast["bob"]))
        warned: list[dict[str, Any]] = [{"code": "warned", "rows": [1]}]
        answers = [answer(instance, cast["bob"], first, warned, "key") for _ in range(3)]
        others = [
            answer(instance, cast["bob"], first, [{"code": "warned", "rows": [2]}], "key"),
            answer(instance, cast["bob"], second, warned, "key"),
        ]

        assert {(one.status_code, one.text) for one in answers} == {(200, '{"recorded":1}')}
        assert [one.status_code for one in others] == [409, 409]
        assert get(instance, cast["bob"], f"{second}/outcomes").json() == {"outcomes": [], "open": 3}
        with instance.database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)

    def test_at_the_same_moment(self, instance: Instance, cast: dict[str, Party]) -> None:
        """The same push of outcomes from many threads is recorded once, whatever each is told."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        instance.inbox(cast["bob"])
        with ThreadPoolExecutor(8) as threads:
            told = threads.map(
                lambda _: answer(instance, cast["bob"], path, [{"code": "warned", "rows": "all"}], "key").status_code,
                range(16),
            )
            assert set(told) <= {200, 409, 503}
        assert answer(instance, cast["bob"], path, [{"code": "warned", "rows": "all"}], "key").status_code == 200
        with instance.database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)

    def test_a_key_belongs_to_its_capacity(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A delegate's keys and its operator's do not collide."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        for name, code in (("bob", "warned"), ("dora", "blocked")):
            assert answer(instance, cast[name], path, [{"code": code, "rows": [1]}], "key").status_code == 200

        assert get(instance, cast["bob"], f"{path}/outcomes").json()["outcomes"] == [{"code": "blocked", "rows": [1]}]

    @pytest.mark.parametrize("rows", [[4], [1, 2, 3, 4], [2_147_483_647]])
    def test_rows_outside(self, instance: Instance, cast: dict[str, Party], rows: list[int]) -> None:
        """Rows the parcel does not have refuse the whole push; nothing of it is recorded."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        batches = [{"code": "warned", "rows": [1]}, {"code": "blocked", "rows": rows}]
        refused = answer(instance, cast["bob"], path, batches, "key")

        assert refused.status_code == 422
        assert refused.json()["errors"][0]["where"] == "/outcomes/1/rows"
        assert get(instance, cast["bob"], f"{path}/outcomes").json() == {"outcomes": [], "open": 3}

    def test_recalled_rows_are_not_open(self, instance: Instance, cast: dict[str, Party]) -> None:
        """What was recalled need not be answered; what was done about it before may still be told."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        parcel_id = UUID(path.rpartition("/")[2])
        instance.operator.recalls.recall(parcel_id, RecallReason.NOT_OURS, rows=[2], officer="officer")
        open_before = get(instance, cast["bob"], f"{path}/outcomes").json()["open"]
        late = answer(instance, cast["bob"], path, [{"code": "warned", "rows": [2]}], "late")
        rest = answer(instance, cast["bob"], path, [{"code": "warned", "rows": [1]}], "rest")

        assert (open_before, late.status_code, rest.status_code) == (2, 200, 200)
        assert get(instance, cast["bob"], f"{path}/outcomes").json()["open"] == 1

    def test_after_the_deadline(self, instance: Instance, cast: dict[str, Party]) -> None:
        """After the deadline a new answer is too late; a retry of an earlier one is still told what it was."""
        deliver(instance, cast["alice"], purpose="drill", data_class="drill")
        path = newest(instance, cast["bob"])
        warned: list[dict[str, Any]] = [{"code": "warned", "rows": "all"}]
        assert answer(instance, cast["bob"], path, warned, "in-time").status_code == 200
        instance.clock.advance(timedelta(days=2))

        assert answer(instance, cast["bob"], path, warned, "too-late").status_code == 410
        assert answer(instance, cast["bob"], path, warned, "in-time").status_code == 200
        assert get(instance, cast["bob"], f"{path}/outcomes").status_code == 410
        assert get(instance, cast["bob"], f"{path}/records").status_code == 410
        assert instance.client.post(f"{path}/acknowledgement", headers=cast["bob"].headers).status_code == 410

    def test_acknowledgement_is_told_once(self, instance: Instance, cast: dict[str, Party]) -> None:
        """The first word counts; repeating it changes neither the time nor the log."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        first = instance.client.post(f"{path}/acknowledgement", headers=cast["bob"].headers).json()
        instance.clock.advance(timedelta(minutes=5))
        again = [instance.client.post(f"{path}/acknowledgement", headers=cast[who].headers) for who in ("bob", "dora")]

        assert [one.json() for one in again] == [first, first]
        assert instance.inbox(cast["bob"])[-1]["acknowledged_at"] == first["acknowledged_at"]
        with instance.database.connect() as connection:
            count = connection.execute("SELECT count(*) FROM audit_entries WHERE act = 'acknowledged'").fetchone()
        assert count == (1,)
