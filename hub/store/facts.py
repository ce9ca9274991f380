"""Suppressed counts of what was reported: what every later screen and statistic reads."""

from uuid import UUID

from sqlalchemy import Connection, insert

from hub.records import FactRow, SealedReport
from hub.store.sealed import driver_of
from hub.store.tables import report_targets

_COPY = (
    "COPY report_facts (report_id, hour, asn, country, vector, recipient_id, outcome, records)"
    " FROM STDIN (FORMAT BINARY)"
)


class FactRepository:
    """Writes ``report_facts``; suppression has happened before."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def add(self, sealed: SealedReport) -> None:
        """Store a report's cells, and the keyed tag of its target."""
        with driver_of(self._connection).cursor().copy(_COPY) as copy:
            copy.set_types(["uuid", "timestamptz", "int8", "text", "text", "uuid", "int2", "int4"])
            for fact in sealed.facts:
                copy.write_row(_row(sealed.report_id, fact))
        if sealed.target_tag is not None:
            self._connection.execute(
                insert(report_targets).values(
                    report_id=sealed.report_id,
                    tag=sealed.target_tag,
                    data_class=sealed.bucket.data_class.value,
                    deadline=sealed.bucket.deadline,
                )
            )


def _row(report_id: UUID, fact: FactRow) -> tuple[object, ...]:
    return (
        report_id,
        fact.hour,
        fact.asn,
        fact.country,
        fact.vector,
        fact.recipient_id,
        fact.outcome,
        fact.records,
    )
