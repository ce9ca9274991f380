"""Decide who may know what of an attributed report: once per recipient, never per row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hub.disclosure.columns import columns_for, narrow_frame, strip, with_prefixes
from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.disclosure.rules import UNKNOWN_RECIPIENT
from hub.records import AttributedReport, DecidedReport, Recipient, Report, Verdict
from hub.vocabulary import Field, Relation

__all__ = ["Parties", "ask_again", "columns_for", "decide", "narrow_frame", "record_facts", "strip"]


class Parties(Protocol):
    """Says who is who at the moment of the decision."""

    def facts(self, capacity_id: UUID) -> CapacityFacts | None:
        """Return what is known of a capacity now; ``None`` where there is none in force."""
        ...

    def delegates(self, capacity_id: UUID, at: datetime) -> Sequence[CapacityFacts]:
        """Return the delegates whose delegation by this operator covers ``at``."""
        ...


def decide(attributed: AttributedReport, parties: Parties, engine: PolicyEngine, now: datetime) -> DecidedReport:
    """Ask the rules for every recipient of a report, and for the delegates of those who may see it.

    The records come back with the column ``dst_prefix`` where anybody is granted it.
    """
    record = record_facts(attributed.report, now)
    verdicts: list[Verdict] = []
    delegates: dict[int, tuple[Verdict, ...]] = {}
    for index, recipient in enumerate(attributed.recipients):
        operator = _known(recipient, parties)
        if operator is None:
            verdicts.append(_nothing(recipient, engine))
            continue
        verdict = engine.ask(Question(operator, record, Relation.HOLDER))
        verdicts.append(verdict)
        if verdict:
            delegates[index] = tuple(
                engine.ask(Question(delegate, record, Relation.DELEGATE_OF_HOLDER, operator, delegation_in_force=True))
                for delegate in parties.delegates(recipient.capacity_id, now)
            )
    if any(Field.DESTINATION_PREFIX in verdict.fields for verdict in verdicts):
        attributed = replace(attributed, records=with_prefixes(attributed.records))
    return DecidedReport(attributed, tuple(verdicts), delegates)


def ask_again(granted: frozenset[Field], question: Question, engine: PolicyEngine) -> frozenset[Field]:
    """Return what may be read now of what was granted at sealing: granted and allowed by today's rules.

    Without the source address the rest says nothing about anybody's subscriber, so it is nothing.
    """
    still = granted & engine.ask(question).fields
    return still if Field.SOURCE_ADDRESS in still else frozenset()


def record_facts(report: Report, now: datetime) -> RecordFacts:
    """Return what the rules may know of a report's records."""
    envelope = report.envelope
    return RecordFacts(
        kind=envelope.kind,
        data_class=envelope.data_class,
        basis=envelope.legal_basis,
        purpose=envelope.purpose,
        drill=envelope.drill,
        expired=report.deadline <= now,
    )


def _known(recipient: Recipient, parties: Parties) -> CapacityFacts | None:
    """Return the recipient's facts if they are its own."""
    facts = parties.facts(recipient.capacity_id)
    if facts is None or (facts.capacity_id, facts.member_id) != (recipient.capacity_id, recipient.member_id):
        return None
    return facts


def _nothing(recipient: Recipient, engine: PolicyEngine) -> Verdict:
    return Verdict(
        capacity_id=recipient.capacity_id,
        member_id=recipient.member_id,
        fields=frozenset(),
        policy_ids=(),
        denied_by=(UNKNOWN_RECIPIENT,),
        policy_hash=engine.hash,
    )
