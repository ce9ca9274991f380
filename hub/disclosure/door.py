"""The one door out: what a stored grant still opens today, for whom, and the marked body that leaves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import Question, RecordFacts
from hub.disclosure.rules import UNKNOWN_RECIPIENT
from hub.disclosure.secret_body import SecretBody, mark_secret
from hub.disclosure.step import Parties, ask_again
from hub.records import GrantedParcel, ParcelStatus, Verdict
from hub.vocabulary import Field, Relation


@dataclass(frozen=True, slots=True)
class Door:
    """Asks today's rules about parcels that were decided before."""

    engine: PolicyEngine

    def verdict_today(self, item: GrantedParcel, parties: Parties, now: datetime) -> Verdict:
        """Return granted ∩ today's policy for the grant's capacity, and why; nothing where it is not known any more."""
        question = self._question(item, parties, now)
        if question is None:
            owner = item.parcel.recipient.member_id
            return Verdict(item.grant.capacity_id, owner, frozenset(), (), (UNKNOWN_RECIPIENT,), self.engine.hash)
        still = ask_again(item.grant.fields, question, self.engine)
        return replace(self.engine.ask(question), fields=still)

    def mark(
        self, item: GrantedParcel, fields: frozenset[Field], media_type: str, content: Iterator[bytes]
    ) -> SecretBody:
        """Mark content that was narrowed to ``fields`` as this grant's secret."""
        return mark_secret(item.grant, fields, media_type, content)

    def _question(self, item: GrantedParcel, parties: Parties, now: datetime) -> Question | None:
        record = _record_facts(item.parcel, now)
        holder_id = item.parcel.recipient.capacity_id
        operator = parties.facts(holder_id)
        if operator is None:
            return None
        if item.grant.relation is Relation.HOLDER:
            return Question(operator, record, Relation.HOLDER) if _is_of(item, holder_id) else None
        for delegate in parties.delegates(holder_id, now):
            if delegate.capacity_id == item.grant.capacity_id:
                return Question(delegate, record, item.grant.relation, operator, delegation_in_force=True)
        return None


def _is_of(item: GrantedParcel, capacity_id: UUID) -> bool:
    return item.grant.capacity_id == capacity_id


def _record_facts(parcel: ParcelStatus, now: datetime) -> RecordFacts:
    return RecordFacts(
        kind=parcel.kind,
        data_class=parcel.bucket.data_class,
        basis=parcel.legal_basis,
        purpose=parcel.purpose,
        drill=parcel.drill,
        expired=parcel.bucket.deadline <= now,
    )
