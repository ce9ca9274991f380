"""What a member states about a report."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kessetsu_client.decoding import to_json
from kessetsu_client.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Envelope:
    """Basis, purpose and mandate of a report, and what happened. The hub checks it; see its documentation."""

    kind: str
    legal_basis: str
    purpose: str
    data_class: str
    mandate: str
    """Reference of the mandate: for which member and matter the hub is to act."""
    consent: str | None = None
    """Reference of the consent, where the basis is one."""
    requested_action: str | None = None
    severity: str | None = None
    vectors: tuple[str, ...] = ()
    target: str | None = field(default=None, repr=False)
    """Address or prefix under attack."""
    start: datetime | None = None
    end: datetime | None = None
    malware_family: str | None = None
    detection: str | None = None
    vulnerability: str | None = None
    time_zone: str | None = None
    """IANA zone of times in the records that name none."""
    epoch_columns: tuple[str, ...] = ()
    """Time columns that hold seconds since 1970."""
    on_error: str | None = None
    """``reject-rows`` (the hub's default) or ``reject-report``: one bad row refuses all."""


def canonical(envelope: Envelope | Mapping[str, object]) -> bytes:
    """Write an envelope as JSON, the same bytes for the same statement; what was left out stays out.

    Raises:
        BadArgument: where an instant has no zone or a value is not JSON.
    """
    statement = _members(envelope)
    for value in statement.values():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise BadArgument(
                "An instant in the envelope has no zone.", action="Add one, as in 2026-01-31T09:00:00+09:00."
            )
    given = {name: to_json(value) for name, value in statement.items() if value is not None and value != ()}
    try:
        text = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"The envelope cannot be written as JSON: {error}") from None
    return text.encode()


def _members(envelope: Envelope | Mapping[str, object]) -> Mapping[str, object]:
    if isinstance(envelope, Envelope):
        return {part.name: getattr(envelope, part.name) for part in dataclasses.fields(envelope)}
    return envelope
