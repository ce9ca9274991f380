"""Suppressed counts of what was reported: what every later screen and statistic reads."""

from uuid import UUID

from sqlalchemy import Connection, insert

from hub.records import FactRow, SealedReport
from hub.store.tables import report_facts, report_targets


class FactRepository:
    """Writes ``report_facts``; suppression has happened before."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def add(self, sealed: SealedReport) -> None:
        """Store a report's cells, and the keyed tag of its target."""
        if sealed.facts:
            self._connection.execute(insert(report_facts), [_values(sealed.report_id, fact) for fact in sealed.facts])
        if sealed.target_tag is not None:
            self._connection.execute(
                insert(report_targets).values(
                    report_id=sealed.report_id,
                    tag=sealed.target_tag,
                    data_class=sealed.bucket.data_class.value,
                    deadline=sealed.bucket.deadline,
                )
            )


def _values(report_id: UUID, fact: FactRow) -> dict[str, object]:
    return {
        "report_id": report_id,
        "hour": fact.hour,
        "asn": fact.asn,
        "country": fact.country,
        "vector": fact.vector,
        "recipient_id": fact.recipient_id,
        "outcome": fact.outcome,
        "records": fact.records,
    }
