"""Last scenes: the deadline comes, and what was delivered is gone everywhere, provably."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

from hub.demo import attack, cast
from hub.demo.stage import Delivered, Stage
from hub.demo.texts import say
from hub.records import Bucket
from hub.sealing.canonical import canonical_json
from hub.sealing.signing import verify
from hub.store.roles import DATABASE
from hub.vocabulary import DataClass
from kessetsu_client import Gone, HubError

_LOOK: Final = 0.2
_SWEPT_WITHIN: Final = timedelta(seconds=15)
_ROWS: Final = "SELECT (SELECT count(*) FROM sealed_objects), (SELECT count(*) FROM sealed_chunks)"
_LEFT: Final = """
SELECT (SELECT count(*) FROM report_facts WHERE report_id = %(report)s),
       (SELECT min(records) FROM report_facts WHERE report_id = %(report)s),
       (SELECT string_agg(code || ' ' || records, ', ' ORDER BY code) FROM outcome_totals WHERE report_id = %(report)s)
"""


def wait_for_deadline(stage: Stage) -> None:
    """Wait, on the machine's own clock."""
    stage.screen.step(
        say("Until the deadline"),
        say("The clock runs from the first event and nobody can stop it; this class of drill lives 30 s."),
    )
    # each parcel counts from its own first event, so some live a moment longer than the report's first
    deadline = max([_deadline(stage), *(one.parcel.deadline for one in stage.delivered)])
    objects, chunks = _stored(stage)
    stage.screen.line(say("Sealed now: {objects:,} objects in {chunks:,} chunks.", objects=objects, chunks=chunks))
    left = max((deadline - stage.clock.now()).total_seconds(), 0.0)
    with stage.screen.progress(say("{seconds:.0f} s to go", seconds=left), total=max(left, 0.01)) as tell:
        while (remaining := (deadline - stage.clock.now()).total_seconds()) > 0:
            tell(left - remaining)
            time.sleep(min(_LOOK, remaining))
        tell(left)


def show_what_is_gone(stage: Stage) -> None:
    """Look for what was delivered: at the door, in the key store, in the database; and check the proof."""
    screen = stage.screen
    screen.step(
        say("Forgotten"),
        say(
            "Keeping it longer may itself break secrecy: the key is destroyed first, so that copies in backups die too."
        ),
    )
    closed = [one for one in stage.delivered if _refused(stage, one)]
    stage.promise(
        say("{count} carriers ask again and are told it is gone (410).", count=len(closed)),
        kept=len(closed) == len(stage.delivered) > 0,
    )  # fmt: skip
    for file in [*(one.copy for one in stage.delivered), *stage.hub.base.glob("*.csv.gz")]:
        file.unlink(missing_ok=True)
    screen.line(say("They and the reporter erase their own copies, which the same deadline binds."))
    with screen.progress(say("The hub erases")):
        proof = _certificate(stage)
        objects, chunks = _stored_at_last(stage)
    _check_keys(stage)
    stage.promise(
        say("Sealed rows left in the database: {objects} objects, {chunks} chunks.", objects=objects, chunks=chunks),
        kept=objects == chunks == 0,
    )
    _show_certificate(stage, proof)
    _check_report(stage)
    _check_log(stage)


def _deadline(stage: Stage) -> datetime:
    if stage.deadline is None:
        raise ValueError("a deadline comes with a receipt")
    return stage.deadline


def _refused(stage: Stage, one: Delivered) -> bool:
    target = one.copy.with_suffix(".again")
    try:
        with stage.client(one.player) as client:
            client.inbox_get(one.parcel.parcel_id, target)
    except Gone:
        return not target.exists()
    except HubError:
        return False
    return False


def _check_keys(stage: Stage) -> None:
    """Look into the key store: of every bucket a tombstone is left, of none the key."""
    bucket = Bucket(DataClass.DRILL_SHORT, _deadline(stage))
    store = stage.hub.settings.keys.store
    keys, tombstones = _keys_left(stage), list(store.rglob("*.destroyed"))
    stage.promise(
        say(
            "Keys left: {keys}. {name} and {more} more are destroyed, and tombstones keep them so.",
            keys=len(keys),
            name=bucket.name,
            more=len(tombstones) - 1,
        ),
        kept=not keys and store / f"{bucket.name}.destroyed" in tombstones,
    )


def _stored_at_last(stage: Stage) -> tuple[int, int]:
    """Count sealed rows once the last parcel's deadline has come, that of carriers not shown included.

    Rows that died within one sweep may go together, and the last key a sweep later: hence the look at both.
    """
    last = _deadline(stage) + attack.WINDOW + _SWEPT_WITHIN
    while (any(stored := _stored(stage)) or _keys_left(stage)) and stage.clock.now() < last:
        time.sleep(_LOOK)
    return stored


def _keys_left(stage: Stage) -> list[Path]:
    return list(stage.hub.settings.keys.store.rglob("*.key"))


def _stored(stage: Stage) -> tuple[int, int]:
    objects, chunks = _asked_of_database(stage, _ROWS)
    return int(objects), int(chunks)


def _asked_of_database(stage: Stage, query: LiteralString) -> tuple[Any, ...]:
    """Return one row, past the hub: as the database's superuser."""
    password = stage.hub.settings.database.superuser_password_file
    if password is None:
        raise ValueError("a demo has its own database")
    target = stage.hub.server.superuser(password)
    target = target.to(role=target.role, password_file=password, name=DATABASE)
    with psycopg.connect(**target.parameters("kessetsu-demo")) as connection:
        row: tuple[Any, ...] | None = connection.execute(query, {"report": stage.report_id}).fetchone()
    if row is None:
        raise ValueError("counts are always there")
    return row


def _certificate(stage: Stage) -> tuple[Mapping[str, Any], str, bool] | None:
    """Return the certificate of the deadline as one carrier gets it, the hub's public key, and whether it is signed."""
    began = time.monotonic()
    with stage.hub.http(stage.delivered[0].player.token) as http:
        while time.monotonic() - began < _SWEPT_WITHIN.total_seconds():
            answer = http.get("/v1/certificates").json()
            for found in answer["certificates"]:
                body = found["statement"]
                if datetime.fromisoformat(body["deadline"]) == _deadline(stage):
                    return (
                        body,
                        answer["public_key"],
                        verify(answer["public_key"], canonical_json(body), found["signature"]),
                    )
            time.sleep(_LOOK)
    return None


def _show_certificate(stage: Stage, proof: tuple[Mapping[str, Any], str, bool] | None) -> None:
    if proof is None:
        stage.promise(say("A deletion certificate has come."), kept=False)
        return
    body, public_key, signed = proof
    stage.promise(
        say("A deletion certificate, its signature checked with the hub's key {key}…", key=public_key[:16]), kept=signed
    )
    for name, value in body.items():
        stage.screen.line(f"    {name}: {value}")


def _check_report(stage: Stage) -> None:
    with stage.client(stage.players[cast.REPORTER]) as reporter:
        flood = reporter.report_get(stage.flood_id)
    stage.promise(
        say("The held flood was decided by nobody and is gone too: {state}.", state=flood.state),
        kept=flood.state == "lapsed",
    )
    cells, smallest, outcomes = _asked_of_database(stage, _LEFT)
    stage.promise(
        say("What stays are {cells:,} counts, none below {smallest}, and outcomes: {outcomes}.",
            cells=cells, smallest=smallest, outcomes=outcomes),
        kept=smallest is None or smallest >= stage.hub.settings.statistics.minimum_cell,
    )  # fmt: skip


def _check_log(stage: Stage) -> None:
    stage.screen.command("kessetsu audit verify")
    told = stage.hub.command("audit", "verify")
    stage.promise(
        say("The log is whole: {entries:,} entries, {checkpoints:,} signed checkpoints, none changed.",
            entries=told["entries"], checkpoints=told["checkpoints"]),
        kept=not told["faults"],
    )  # fmt: skip
