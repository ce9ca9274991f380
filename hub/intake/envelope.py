"""What accompanies the records: read from JSON, checked, and written in one canonical form.

Without legal basis, purpose, class and mandate no data are taken. All that is wrong is told at once.
"""

from enum import StrEnum

import orjson

from hub.errors import BadEnvelope, Fault
from hub.intake.members import REFERENCE, TOKEN, Members, load_members
from hub.intake.rules import contradictions
from hub.intake.times import knows_zone
from hub.intake.vectors import VECTORS
from hub.records import Envelope
from hub.vocabulary import DataClass, LegalBasis, Purpose, ReportKind, RequestedAction, Severity

_PUBLIC = (
    "kind",
    "legal_basis",
    "purpose",
    "data_class",
    "mandate",
    "consent",
    "requested_action",
    "severity",
    "vectors",
    "malware_family",
    "detection",
    "vulnerability",
)


class _OnError(StrEnum):
    """What is to happen to a report with bad rows."""

    REJECT_ROWS = "reject-rows"
    REJECT_REPORT = "reject-report"


def read_envelope(raw: bytes) -> Envelope:
    """Read and check an envelope: a JSON object whose members are the fields of :class:`~hub.records.Envelope`.

    The one exception is ``on_error``, ``reject-rows`` (as when absent) or ``reject-report``. A member that is
    ``null`` counts as absent. Who reports an attack says what is asked; otherwise a warning is.

    Args:
        raw: JSON in UTF-8, at most 64 KiB.

    Raises:
        TooLarge: past 64 KiB.
        BadEnvelope: with one fault for each thing wrong.
    """
    members = Members(load_members(raw))
    envelope = _read(members)
    faults = [*members.faults, *contradictions(envelope, members.unusable)]
    if faults:
        raise _bad_envelope(faults)
    return envelope


def canonical_envelope(envelope: Envelope) -> bytes:
    """Return the one form of ``envelope``: compact JSON, members sorted, absent ones left out, times in UTC."""
    content: dict[str, object] = {
        **public_envelope(envelope),
        "target": envelope.target,
        "start": envelope.start,
        "end": envelope.end,
        "time_zone": envelope.time_zone,
        "epoch_columns": sorted(envelope.epoch_columns),
        "on_error": _OnError.REJECT_REPORT if envelope.reject_report else _OnError.REJECT_ROWS,
    }
    stated = {name: value for name, value in content.items() if value is not None}
    return orjson.dumps(stated, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def envelope_from_canonical(canonical: bytes) -> Envelope:
    """Read what :func:`canonical_envelope` wrote.

    What was once accepted is not judged again: rules may have become stricter while a report waited.

    Raises:
        BadEnvelope: where it was written by something else.
    """
    members = Members(load_members(canonical))
    envelope = _read(members)
    if members.faults:
        raise _bad_envelope(members.faults)
    return envelope


def public_envelope(envelope: Envelope) -> dict[str, object]:
    """Return the parts that are no secret, JSON-ready: neither the target nor the times of the attack."""
    return {name: _plain(getattr(envelope, name)) for name in _PUBLIC}


def _read(members: Members) -> Envelope:
    kind = members.word("kind", ReportKind)
    must_ask = kind is ReportKind.ATTACK and "kind" not in members.unusable
    envelope = Envelope(
        kind=kind,
        legal_basis=members.word("legal_basis", LegalBasis),
        purpose=members.word("purpose", Purpose),
        data_class=members.word("data_class", DataClass),
        mandate=members.token("mandate", REFERENCE, mandatory=True) or "",
        consent=members.token("consent", REFERENCE),
        requested_action=members.word("requested_action", RequestedAction, None if must_ask else RequestedAction.WARN),
        severity=members.word("severity", Severity, Severity.NORMAL),
        vectors=members.words("vectors", VECTORS),
        target=members.target("target"),
        start=members.instant("start"),
        end=members.instant("end"),
        malware_family=members.token("malware_family", TOKEN),
        detection=members.token("detection", TOKEN),
        vulnerability=members.token("vulnerability", TOKEN),
        time_zone=members.text("time_zone", knows_zone, "a zone of the IANA database, such as Asia/Tokyo"),
        epoch_columns=frozenset(members.words("epoch_columns", ("first_seen", "last_seen"))),
        reject_report=members.word("on_error", _OnError, _OnError.REJECT_ROWS) is _OnError.REJECT_REPORT,
    )
    members.finish()
    return envelope


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _bad_envelope(faults: list[Fault]) -> BadEnvelope:
    return BadEnvelope(
        f"The envelope has {len(faults)} fault{'s' if len(faults) > 1 else ''}.",
        expected="kind, legal_basis, purpose, data_class and mandate, and what the kind needs",
        action="Mend the members named here and send the push again.",
        faults=faults,
    )
