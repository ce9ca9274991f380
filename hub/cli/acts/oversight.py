"""How the hub is: what is kept until when, whether the log is whole, whether everything runs."""

from collections.abc import Callable, Sequence
from typing import Any

from hub.audit.verify import AuditReport, verify
from hub.cli.acts.databases import state_of
from hub.clock import Clock
from hub.errors import KessetsuError, Unavailable
from hub.retention.certificate import statement, tally
from hub.retention.step import preview
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.sealing.signing import Signer
from hub.sealing.signing import verify as verify_signature
from hub.settings import Settings
from hub.store.overview import Overview
from hub.store.unit import Store
from hub.wiring import Hub, open_store


def due(hub: Hub) -> list[dict[str, Any]]:
    """Return what is kept and when each part of it dies, soonest first."""
    rows = preview(hub.store, hub.keys, hub.clock.now())
    return [
        {
            "data_class": row.kept.bucket.data_class,
            "deadline": row.kept.bucket.deadline,
            "parcels": row.kept.parcels,
            "records": row.kept.records,
            "waiting_reports": row.kept.intake_blobs,
            "key_lives": row.key_lives,
            "due": row.due,
        }
        for row in rows
    ]


def certificates(store: Store, limit: int) -> list[dict[str, Any]]:
    """Return deletion certificates with their tallies, newest first."""
    with store.reading() as unit:
        found = unit.certificates.all(limit)
    return [
        {
            "id": one.id,
            "data_class": one.bucket.data_class,
            "deadline": one.bucket.deadline,
            "parcel": one.parcel_id,
            "key_destroyed_at": one.key_destroyed_at,
            "rows_dropped_at": one.rows_dropped_at,
            "parcels": one.parcels,
            "records": one.records,
            "waiting_reports": one.intake_blobs,
            "outcomes": one.outcomes,
            "statement": statement(one),
            "signature": one.signature,
            "tally": tally(one),
            "tally_signature": one.tally_signature,
        }
        for one in found
    ]


def log_size(store: Store) -> int:
    """Return how many entries the log has."""
    with store.reading() as unit:
        return unit.audit.size()


def verify_log(store: Store, settings: Settings, remembered: Sequence[str], tick: Callable[[int], None]) -> AuditReport:
    """Check the whole log against everything the hub ever signed, and against checkpoints kept elsewhere."""
    public_text = Signer.from_file(settings.keys.signing_key_file).public_text
    with store.reading() as unit:
        return verify(unit.audit, public_text, verify_signature, tick, remembered=remembered)


def status(settings: Settings, clock: Clock) -> dict[str, Any]:
    """Return how every part is; ``well`` says whether all of it is as it should be."""
    database = state_of(settings)
    parts: dict[str, Any] = {
        "database": _word(database.answers),
        "schema": "behind" if database.behind else _word(database.answers),
        "revision": database.revision,
    }
    keys = _keys(settings, clock)
    parts["keys"] = _word(keys is not None)
    parts["erasures_due"] = None if keys is None else len(keys.due(clock.now()))
    if database.answers and not database.behind:
        parts |= _work(settings, clock)
    parts["well"] = (
        parts["database"] == parts["schema"] == parts["keys"] == parts.get("worker") == "ok"
        and not parts["erasures_due"]
        and not parts.get("erasures_late")
    )
    return parts


def _keys(settings: Settings, clock: Clock) -> KeyService | None:
    try:
        keys = KeyService(settings.keys.store, MasterKey.from_file(settings.keys.master_key_file), clock)
        keys.ping()
    except KessetsuError:
        return None
    return keys


def _work(settings: Settings, clock: Clock) -> dict[str, Any]:
    store = open_store(settings, "operator", clock, pool_size=1)
    try:
        with store.reading() as unit:
            seen: Overview = unit.overview.now(clock.now())
    except Unavailable:
        return {}
    finally:
        store.close()
    silent = seen.worker_silent_seconds
    return {
        "worker": _word(silent is not None and silent < settings.worker.stalled_after_seconds),
        "worker_silent_seconds": silent,
        "jobs_waiting": seen.jobs_waiting,
        "jobs_running": seen.jobs_running,
        "reports": seen.reports,
        "parcels_unacknowledged": seen.parcels_unacknowledged,
        "recalls_unconfirmed": seen.recalls_unconfirmed,
        "holdings_proposed": seen.holdings_proposed,
        "erasures_late": seen.parcels_late,
        "log_entries_unnumbered": seen.entries_unnumbered,
        "checkpoint_size": seen.checkpoint_size,
        "checkpoint_at": seen.checkpoint_at,
    }


def _word(well: bool) -> str:  # noqa: FBT001 - one word for one truth
    return "ok" if well else "unavailable"
