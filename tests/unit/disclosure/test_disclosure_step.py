"""A report is decided once per recipient, for all its rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import polars as pl
import pytest

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import CapacityFacts, Question
from hub.disclosure.rules import UNKNOWN_RECIPIENT
from hub.disclosure.step import ask_again, decide, record_facts
from hub.records import AttributedReport, Envelope, Recipient, Report, SpoofingAssessment
from hub.vocabulary import (
    CapacityKind,
    DataClass,
    Field,
    LegalBasis,
    Purpose,
    Relation,
    ReportKind,
    RequestedAction,
    Severity,
    Standing,
)
from sharing_policies import directory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class KnownParties:
    """Who is who, as told by the test."""

    known: dict[UUID, CapacityFacts] = field(default_factory=dict)
    acting: dict[UUID, list[CapacityFacts]] = field(default_factory=dict)
    asked: list[datetime] = field(default_factory=list)

    def facts(self, capacity_id: UUID) -> CapacityFacts | None:
        """Return the capacity's facts."""
        return self.known.get(capacity_id)

    def delegates(self, capacity_id: UUID, at: datetime) -> Sequence[CapacityFacts]:
        """Return the capacity's delegates."""
        self.asked.append(at)
        return self.acting.get(capacity_id, [])

    def add(self, kind: CapacityKind = CapacityKind.CARRIER, standing: Standing = Standing.ACTIVE) -> CapacityFacts:
        """Make somebody known."""
        facts = CapacityFacts(uuid4(), uuid4(), kind, standing, agreements_in_force=True)
        self.known[facts.capacity_id] = facts
        return facts


def recipient(facts: CapacityFacts) -> Recipient:
    """Name somebody as a recipient."""
    return Recipient(facts.capacity_id, facts.member_id)


def attributed(*recipients: Recipient, deadline: datetime = NOW + timedelta(days=1)) -> AttributedReport:
    """Return an attack report with these recipients."""
    envelope = Envelope(
        kind=ReportKind.ATTACK,
        legal_basis=LegalBasis.SELF_DEFENCE,
        purpose=Purpose.ATTACK_RESPONSE,
        data_class=DataClass.ATTACK_TRAFFIC,
        mandate="M-1",
        consent=None,
        requested_action=RequestedAction.BLOCK,
        severity=Severity.NORMAL,
        vectors=("syn-flood",),
        target="192.0.2.1",
        start=NOW,
        end=None,
        malware_family=None,
        detection=None,
        vulnerability=None,
        time_zone=None,
        epoch_columns=frozenset(),
        reject_report=False,
    )
    report = Report(uuid4(), uuid4(), uuid4(), NOW, deadline, envelope, pl.DataFrame())
    calm = SpoofingAssessment(
        looks_spoofed=False,
        distinct_share=0,
        unrouted_share=0,
        expected_unrouted_share=0,
        single_packet_share=None,
        reason="",
    )
    return AttributedReport(report, pl.DataFrame(), recipients, {}, (), calm, None)


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    """Load the shipped rules once."""
    return PolicyEngine.load(directory())


def test_one_verdict_per_recipient_in_order(engine: PolicyEngine) -> None:
    """Verdicts stand in the order of the recipients, each with its own answer."""
    parties = KnownParties()
    active, suspended = parties.add(), parties.add(standing=Standing.SUSPENDED)
    decided = decide(attributed(recipient(suspended), recipient(active)), parties, engine, NOW)
    assert [bool(verdict) for verdict in decided.verdicts] == [False, True]
    assert [verdict.capacity_id for verdict in decided.verdicts] == [suspended.capacity_id, active.capacity_id]


def test_an_unknown_recipient_gets_nothing(engine: PolicyEngine) -> None:
    """Nobody knows who it is now, so it is told nothing, and the verdict says so."""
    (verdict,) = decide(attributed(Recipient(uuid4(), uuid4())), KnownParties(), engine, NOW).verdicts
    assert not verdict.fields
    assert verdict.denied_by == (UNKNOWN_RECIPIENT,)


def test_facts_of_somebody_else_are_no_facts(engine: PolicyEngine) -> None:
    """A capacity that passed to another member meanwhile gets nothing of the old one's."""
    parties = KnownParties()
    facts = parties.add()
    (verdict,) = decide(attributed(Recipient(facts.capacity_id, uuid4())), parties, engine, NOW).verdicts
    assert not verdict


def test_delegates_are_asked_for_after_their_operator(engine: PolicyEngine) -> None:
    """Delegates in force now are decided with their operator and see no more."""
    parties = KnownParties()
    operator, delegate = parties.add(), parties.add(CapacityKind.DELEGATE)
    parties.acting[operator.capacity_id] = [delegate]
    decided = decide(attributed(recipient(operator)), parties, engine, NOW)
    (verdict,) = decided.delegates[0]
    assert verdict.capacity_id == delegate.capacity_id
    assert verdict
    assert verdict.fields <= decided.verdicts[0].fields
    assert parties.asked == [NOW]


def test_delegates_of_a_refused_operator_are_not_even_asked(engine: PolicyEngine) -> None:
    """Where the operator may see nothing, nobody acts for it."""
    parties = KnownParties()
    operator, delegate = parties.add(standing=Standing.SUSPENDED), parties.add(CapacityKind.DELEGATE)
    parties.acting[operator.capacity_id] = [delegate]
    decided = decide(attributed(recipient(operator)), parties, engine, NOW)
    assert decided.delegates == {}
    assert parties.asked == []


def test_a_report_past_its_deadline_goes_to_nobody(engine: PolicyEngine) -> None:
    """The deadline itself is already too late."""
    parties = KnownParties()
    carrier = parties.add()
    late = decide(attributed(recipient(carrier), deadline=NOW), parties, engine, NOW)
    assert not late.verdicts[0].fields
    assert late.verdicts[0].denied_by == ("nothing-after-the-deadline",)


def test_destination_networks_are_named_once_for_the_report(engine: PolicyEngine) -> None:
    """Parcels are cut from records that name the network already, where anybody may see it."""
    parties = KnownParties()
    carrier, suspended = parties.add(), parties.add(standing=Standing.SUSPENDED)
    assert "dst_prefix" in decide(attributed(recipient(carrier)), parties, engine, NOW).attributed.records.columns
    refused = decide(attributed(recipient(suspended)), parties, engine, NOW)
    assert "dst_prefix" not in refused.attributed.records.columns


class TestAskAgain:
    """A later read shows what was granted at sealing and is still allowed, never more."""

    def question(self, engine: PolicyEngine, **changes: object) -> Question:
        """Ask for a carrier that holds the source network."""
        carrier = CapacityFacts(uuid4(), uuid4(), CapacityKind.CARRIER, Standing.ACTIVE, agreements_in_force=True)
        facts = replace(record_facts(attributed().report, NOW), **changes)
        assert engine.rules
        return Question(carrier, facts, Relation.HOLDER)

    def test_never_more_than_granted(self, engine: PolicyEngine) -> None:
        """A looser rule does not widen what was sealed."""
        granted = frozenset({Field.SOURCE_ADDRESS, Field.TIMES})
        assert ask_again(granted, self.question(engine), engine) == granted

    def test_never_more_than_allowed_today(self, engine: PolicyEngine) -> None:
        """A stricter rule works at once on what is already delivered."""
        today = ask_again(frozenset(Field), self.question(engine), engine)
        assert Field.DESTINATION_ADDRESS not in today
        assert Field.SOURCE_ADDRESS in today

    def test_nothing_after_the_deadline(self, engine: PolicyEngine) -> None:
        """What was granted ends with the deadline."""
        assert ask_again(frozenset(Field), self.question(engine, expired=True), engine) == frozenset()

    def test_nothing_without_the_source(self, engine: PolicyEngine) -> None:
        """The rest without the source address says nothing about anybody's subscriber."""
        assert ask_again(frozenset({Field.TIMES}), self.question(engine), engine) == frozenset()
