"""What must hold, looked at from outside: by SQL, in the key store's directory, and by what members received."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from hub.audit.verify import verify
from hub.sealing.signing import verify as verify_signature
from tests.faults.scenario import NETWORKS, ROWS, Members, sources_of
from tests.support.processes import ProcessHub, log_tail, wait_until

_HALF_VISIBLE = """
    SELECT reports.id FROM reports JOIN parcels ON parcels.report_id = reports.id
    GROUP BY reports.id
    HAVING bool_or(parcels.state = 'released') AND
           (bool_or(parcels.state = 'sealed') OR reports.state <> 'released')
"""
_BUCKETS = "SELECT DISTINCT data_class, deadline FROM sealed_objects"
_DUE = """
    SELECT (SELECT count(*) FROM reports WHERE state IN ('received', 'sealed')),
           (SELECT count(*) FROM jobs.procrastinate_jobs),
           (SELECT count(*) FROM audit_pending),
           (SELECT count(*) FROM parcels WHERE deadline <= now() AND state <> 'erased'),
           (SELECT count(*) FROM sealed_objects WHERE deadline <= now()),
           (SELECT count(*) FROM sealed_chunks WHERE deadline <= now())
"""
_GRACE = timedelta(seconds=1)


@dataclass
class Watch:
    """Looks without pause for what must not be seen even for a moment."""

    hub: ProcessHub
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look meanwhile."""
        thread = threading.Thread(target=self._run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(30)

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            with suppress(psycopg.OperationalError), closing(self.hub.database.connect()) as connection:
                while not self._ended.wait(0.05):
                    self._look(connection)

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        half = connection.execute(_HALF_VISIBLE).fetchall()
        self.wrong += [f"report {row[0]} is half visible" for row in half]
        for data_class, deadline in connection.execute(_BUCKETS).fetchall():
            # Rows seen committed had their key before; it may go only from the deadline on.
            there = key_file(self.hub, data_class, deadline).exists()
            if not there and datetime.now(UTC) < deadline:
                self.wrong.append(f"the key of {data_class}/{deadline} is missing")
        self.looks += 1


def key_file(hub: ProcessHub, data_class: str, deadline: datetime, suffix: str = ".key") -> Path:
    """Return where the key store keeps a bucket's key, or its tombstone."""
    return hub.keys / data_class / f"{deadline.astimezone(UTC):%Y%m%dT%H%M%SZ}{suffix}"


def wait_quiet(hub: ProcessHub, members: Members, *, seconds: float = 90) -> None:
    """Wait until nothing is on its way and everything due is erased: no job, no report, no entry without number."""

    def quiet() -> bool:
        hub.revive()
        now = datetime.now(UTC)
        if any(sent.receipt and sent.data_class == "drill-short" and sent.deadline > now for sent in members.sent):
            return False
        with suppress(psycopg.OperationalError):
            return hub.rows(_DUE) == [(0,) * 6] and not hub.instance.worker.keys.due(now)
        return False

    try:
        wait_until(quiet, "not all has come to rest", seconds=seconds, pause=0.2)
    except AssertionError as late:
        left = hub.rows("SELECT status, attempts, worker_id, scheduled_at FROM jobs.procrastinate_jobs")
        states = hub.rows("SELECT state, count(*) FROM reports GROUP BY state")
        said = f"{late}: {hub.rows(_DUE)}, jobs {left}, reports {states}\n{log_tail(hub.worker)}"
        raise AssertionError(said) from None


def check_all(hub: ProcessHub, members: Members) -> None:
    """Check everything that must hold once all has come to rest."""
    check_reports(hub, members)
    check_deliveries(hub, members)
    check_streams(hub)
    check_visible_at_once(hub, members)
    check_keys_and_certificates(hub)
    check_log(hub)


def check_reports(hub: ProcessHub, members: Members) -> None:
    """No accepted report lost, none doubled, none that was refused kept."""
    found = hub.rows("SELECT id, state, blob_deadline <= now() FROM reports")
    stored = {str(report): (state, passed) for report, state, passed in found}
    accepted = {sent.receipt["report_id"]: sent for sent in members.sent if sent.receipt}
    assert len(accepted) == sum(1 for sent in members.sent if sent.receipt), "two pushes share a report"
    assert stored.keys() == accepted.keys(), "a report was lost, or taken without a receipt"
    for report, (state, passed) in stored.items():
        short = accepted[report].data_class == "drill-short"
        assert state == "released" or (state == "lapsed" and short and passed), (state, accepted[report])


def check_deliveries(hub: ProcessHub, members: Members) -> None:
    """Each recipient got its sources of each report in one parcel, once, and nothing else."""
    accepted = {sent.receipt["report_id"]: sent for sent in members.sent if sent.receipt}
    names = {party.capacity_id: name for name, party in members.recipients.items()}
    parcels = hub.rows("SELECT id, report_id, capacity_id, state, seq, record_count FROM parcels")
    count = Counter((str(report), names[capacity]) for _, report, capacity, *_ in parcels)
    for report, sent in accepted.items():
        # a short one may have met its deadline before anything was decided
        allowed = {1} if sent.data_class == "drill" else {0, 1}
        assert {count[report, name] for name in NETWORKS} <= allowed, sent
    for parcel, report, capacity, state, seq, records in parcels:
        seen, sent = members.seen[names[capacity]], accepted[str(report)]
        expected = sources_of(sent.number, names[capacity])
        if sent.data_class == "drill":
            assert (state, records) == ("released", ROWS)
            assert seen.sources[str(parcel)] == expected, "a parcel holds other sources than were sent"
        else:
            assert (state, records) == ("erased", None)
            assert seen.sources.get(str(parcel), expected) == expected
        assert (str(parcel) in seen.listed) <= (seq is not None), "a parcel was seen that has no place in the stream"
    listed = {parcel for seen in members.seen.values() for parcel in seen.listed}
    assert listed <= {str(row[0]) for row in parcels}, "a parcel was seen that is not there any more"


def check_streams(hub: ProcessHub) -> None:
    """Check that the numbers of each recipient's stream have no gap, and that time goes forward along them."""
    heads = dict(hub.rows("SELECT id, last_seq FROM streams"))
    query = "SELECT capacity_id, seq, date_added FROM parcels WHERE seq IS NOT NULL ORDER BY capacity_id, seq"
    rows = hub.rows(query)
    for capacity in {row[0] for row in rows}:
        own = [row[1:] for row in rows if row[0] == capacity]
        assert [seq for seq, _ in own] == list(range(1, heads[f"inbox/{capacity}"] + 1))
        times = [added for _, added in own]
        assert all(earlier < later for earlier, later in pairwise(times))


def check_visible_at_once(hub: ProcessHub, members: Members) -> None:
    """Once one recipient has seen its parcel of a report, no later look of another one misses its own."""
    names = {party.capacity_id: name for name, party in members.recipients.items()}
    seen_at = {parcel: poll.ended for seen in members.seen.values() for poll in seen.polls for parcel in poll.parcels}
    together: dict[str, dict[str, str]] = {}
    for parcel, report, capacity in hub.rows("SELECT id, report_id, capacity_id FROM parcels WHERE seq IS NOT NULL"):
        together.setdefault(str(report), {})[names[capacity]] = str(parcel)
    short = {sent.receipt["report_id"]: sent for sent in members.sent if sent.receipt and sent.data_class != "drill"}
    for report, parcels in together.items():
        first = min((seen_at[parcel] for parcel in parcels.values() if parcel in seen_at), default=None)
        for name, parcel in parcels.items():
            if parcel not in seen_at:
                assert report in short, "a parcel that lives for a day was never seen"
                continue
            polls = [poll for poll in members.seen[name].polls if first is not None and first < poll.began]
            assert not any(poll.ended < seen_at[parcel] for poll in polls), "a report did not appear at once"


def check_keys_and_certificates(hub: ProcessHub) -> None:
    """Check that what lives has its key; what is past its deadline has no key, no row, and one certificate."""
    present = datetime.now(UTC)
    for data_class, deadline in hub.rows(_BUCKETS):
        assert deadline > present - _GRACE, "rows outlive their deadline"
        assert key_file(hub, data_class, deadline).exists(), "a bucket that holds rows has no key"
    certified = Counter(hub.rows("SELECT data_class, deadline FROM certificates WHERE parcel_id IS NULL"))
    assert not [bucket for bucket, times in certified.items() if times != 1]
    for data_class, deadline in certified:
        assert not key_file(hub, data_class, deadline).exists()
        assert key_file(hub, data_class, deadline, ".destroyed").exists()
    destroyed = {(path.parent.name, path.stem) for path in hub.keys.glob("*/*.destroyed")}
    spelled = {(data_class, f"{deadline.astimezone(UTC):%Y%m%dT%H%M%SZ}") for data_class, deadline in certified}
    assert destroyed == spelled, f"erased without certificate: {sorted(destroyed - spelled)}"


def check_log(hub: ProcessHub) -> None:
    """Check that the log is whole and tells of every push, release and erasure exactly once."""
    with hub.instance.operator.store.reading() as unit:
        report = verify(unit.audit, hub.instance.worker.signer.public_text, verify_signature)
    assert report, report.faults
    acts: Counter[tuple[str, str]] = Counter()
    for act, body in hub.rows("SELECT act, convert_from(body, 'UTF8')::json FROM audit_entries"):
        acts[act, subject_of(act, body)] += 1
    wanted = Counter(
        [("pushed", str(row[0])) for row in hub.rows("SELECT id FROM reports")]
        + [("lapsed", str(row[0])) for row in hub.rows("SELECT id FROM reports WHERE state = 'lapsed'")]
        + [("released", str(row[0])) for row in hub.rows("SELECT id FROM parcels WHERE seq IS NOT NULL")]
        + [("erased", str(row[0])) for row in hub.rows("SELECT id FROM certificates")]
    )
    told = Counter({key: times for key, times in acts.items() if key[0] in {"pushed", "lapsed", "released", "erased"}})
    assert told == wanted, (told - wanted, wanted - told)


_SUBJECT = {"pushed": "report", "lapsed": "report", "released": "parcel", "erased": "certificate"}


def subject_of(act: str, body: dict[str, Any]) -> str:
    """Return what an entry of the log is about."""
    return str(body["subjects"].get(_SUBJECT.get(act, ""), ""))
