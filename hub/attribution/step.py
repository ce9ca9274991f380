"""Attribute a report: say of every record in whose network its source was when it was seen."""

from hub.attribution.marks import marks
from hub.attribution.networks import Located, Networks
from hub.attribution.spoofing import assess
from hub.records import AttributedReport, Report, SpoofingAssessment
from hub.vocabulary import HoldReason


def attribute(report: Report, networks: Networks) -> AttributedReport:
    """Locate, mark and assess the records of a report; rows keep their order.

    ``recipients`` are in the order of member and capacity id, so that the same report gives the same answer.
    """
    located = networks.locate(report.records)
    spoofing = assess(located.records, located.table)
    marked = located.records.with_columns(marks(report.envelope.kind, report.envelope.vectors).alias("marks"))
    return AttributedReport(
        report=report,
        records=marked.drop("shared"),
        recipients=located.recipients,
        countries=located.countries,
        table_ids=located.table_ids,
        spoofing=spoofing,
        hold=_hold(located, spoofing),
    )


def _hold(located: Located, spoofing: SpoofingAssessment) -> HoldReason | None:
    """Tell why a person must decide; forged sources are named first, they would accuse the innocent."""
    if spoofing.looks_spoofed:
        return HoldReason.SPOOFED_SOURCES
    return HoldReason.NO_PREFIX_TABLE if located.undecided else None
