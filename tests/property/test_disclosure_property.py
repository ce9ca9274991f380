"""What must hold of the sharing rules whatever is asked."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.disclosure.columns import columns_for, narrow_frame, strip
from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.disclosure.step import ask_again
from hub.vocabulary import CapacityKind, DataClass, Field, LegalBasis, Purpose, Relation, ReportKind, Standing
from sharing_policies import directory

ENGINE = PolicyEngine.load(directory())
OPERATORS = {CapacityKind.CARRIER, CapacityKind.NETWORK_OPERATOR}

parties = st.builds(
    CapacityFacts,
    capacity_id=st.builds(uuid4),
    member_id=st.builds(uuid4),
    kind=st.sampled_from(CapacityKind),
    standing=st.sampled_from(Standing),
    agreements_in_force=st.booleans(),
)
records = st.builds(
    RecordFacts,
    kind=st.sampled_from(ReportKind),
    data_class=st.sampled_from(DataClass),
    basis=st.sampled_from(LegalBasis),
    purpose=st.sampled_from(Purpose),
    drill=st.booleans(),
    expired=st.booleans(),
)
lively = st.builds(lambda party: replace(party, standing=Standing.ACTIVE, agreements_in_force=True), parties)
"""Parties that nothing but their role stands against, so that the role is what is tested."""
sound = st.sampled_from(
    [
        RecordFacts(kind, data_class, basis, purpose, drill=purpose is Purpose.DRILL, expired=False)
        for kind, real_class in (
            (ReportKind.ATTACK, DataClass.ATTACK_TRAFFIC),
            (ReportKind.INFECTED, DataClass.INFECTED_HOST),
            (ReportKind.LIKELY_INFECTED, DataClass.INFECTED_HOST),
            (ReportKind.VULNERABLE, DataClass.VULNERABLE_DEVICE),
        )
        for basis in LegalBasis
        for purpose in Purpose
        for data_class in ([DataClass.DRILL, DataClass.DRILL_SHORT] if purpose is Purpose.DRILL else [real_class])
    ]
)
"""Records as intake lets them through."""
field_sets = st.frozensets(st.sampled_from(Field))


@st.composite
def questions(
    draw: st.DrawFn,
    who: st.SearchStrategy[CapacityFacts] = parties | lively,
    what: st.SearchStrategy[RecordFacts] = records | sound,
) -> Question:
    """Draw any question that can be put at all."""
    relation = draw(st.sampled_from(Relation))
    return Question(
        recipient=draw(who),
        record=draw(what),
        relation=relation,
        operator=draw(parties | lively) if relation is Relation.DELEGATE_OF_HOLDER else None,
        delegation_in_force=draw(st.booleans()),
    )


class TestNeedToKnow:
    """The rule: "Sharing is limited to those who truly need it, each with only what it needs"."""

    @given(questions())
    def test_only_the_holder_or_its_delegate_learns_anything(self, question: Question) -> None:
        """Whoever learns anything operates the source network, or acts for who does under a delegation in force."""
        verdict = ENGINE.ask(question)
        if verdict.fields:
            holds = question.relation is Relation.HOLDER and question.recipient.kind in OPERATORS
            acts = (
                question.relation is Relation.DELEGATE_OF_HOLDER
                and question.recipient.kind is CapacityKind.DELEGATE
                and question.delegation_in_force
                and question.operator is not None
                and question.operator.kind in OPERATORS
            )
            assert holds or acts

    @given(questions())
    def test_no_member_out_of_standing_learns_anything(self, question: Question) -> None:
        """Suspended, left, or without agreements: nothing, whether one asks for oneself or is acted for."""
        asked = [question.recipient, *([question.operator] if question.operator else [])]
        if any(party.standing is not Standing.ACTIVE or not party.agreements_in_force for party in asked):
            assert ENGINE.ask(question).fields == frozenset()

    @given(questions())
    def test_nothing_is_told_after_the_deadline(self, question: Question) -> None:
        """Keeping and showing end together."""
        late = replace(question, record=replace(question.record, expired=True))
        assert ENGINE.ask(late).fields == frozenset()

    @given(questions())
    def test_drills_and_the_real_thing_never_mix(self, question: Question) -> None:
        """Whatever is told is a drill in every respect or in none."""
        if ENGINE.ask(question).fields:
            record = question.record
            drill_class = record.data_class in {DataClass.DRILL, DataClass.DRILL_SHORT}
            assert record.drill is drill_class is (record.purpose is Purpose.DRILL)

    @given(questions())
    def test_names_need_individual_consent(self, question: Question) -> None:
        """The attacked address and the reporter are told under individual consent only, never to a delegate."""
        named = {Field.DESTINATION_ADDRESS, Field.REPORTER} & ENGINE.ask(question).fields
        if named:
            assert question.record.basis is LegalBasis.CONSENT_INDIVIDUAL
            assert question.relation is Relation.HOLDER

    @given(questions())
    def test_whoever_learns_anything_learns_the_source(self, question: Question) -> None:
        """No rule gives away the rest of a record without its source."""
        verdict = ENGINE.ask(question)
        assert bool(verdict.fields) is bool(verdict)


class TestOrdinaryCases:
    """A rule book that refuses everything would pass every test above."""

    @given(sound, st.sampled_from(sorted(OPERATORS)))
    def test_an_operator_in_good_standing_is_told(self, record: RecordFacts, kind: CapacityKind) -> None:
        """Sound records reach the operator, save where basis or kind does not carry the purpose."""
        operator = CapacityFacts(uuid4(), uuid4(), kind, Standing.ACTIVE, agreements_in_force=True)
        emergency = record.basis in {LegalBasis.SELF_DEFENCE, LegalBasis.NECESSITY}
        uncovered = emergency and record.purpose in {Purpose.SUBSCRIBER_NOTICE, Purpose.DEVICE_REMEDIATION}
        no_attack = record.purpose is Purpose.ATTACK_RESPONSE and record.kind is not ReportKind.ATTACK
        assert bool(ENGINE.ask(Question(operator, record, Relation.HOLDER))) is not (uncovered or no_attack)


class TestDelegates:
    """The rule: "A delegate never sees a field its operator does not"."""

    @given(lively, lively, sound | records)
    def test_a_delegates_fields_are_the_operators_or_fewer(
        self, delegate: CapacityFacts, operator: CapacityFacts, record: RecordFacts
    ) -> None:
        """Compared with the operator's own question about the same records."""
        acting = replace(delegate, kind=CapacityKind.DELEGATE)
        own = ENGINE.ask(Question(operator, record, Relation.HOLDER))
        verdict = ENGINE.ask(Question(acting, record, Relation.DELEGATE_OF_HOLDER, operator, delegation_in_force=True))
        assert verdict.fields <= own.fields

    @given(lively, sound | records)
    def test_the_written_rules_alone_already_say_so(self, party: CapacityFacts, record: RecordFacts) -> None:
        """Read as a lawyer would, without the hub's own comparison, the rules for delegates are no wider."""
        operator = replace(party, kind=CapacityKind.CARRIER)
        own = ENGINE.ask(Question(operator, record, Relation.HOLDER))
        acting = replace(party, kind=CapacityKind.DELEGATE)
        verdict = ENGINE.ask(Question(acting, record, Relation.DELEGATE_OF_HOLDER, operator, delegation_in_force=True))
        permitted = {field for name in verdict.policy_ids for field in ENGINE.rules[name].fields}
        assert permitted <= own.fields


class TestLaterReads:
    """The rule: "Every later read grants (fields granted at sealing) and today's policy"."""

    @given(field_sets, questions())
    def test_never_more_than_granted_or_allowed(self, granted: frozenset[Field], question: Question) -> None:
        """A read shows a part of both, and nothing without the source."""
        shown = ask_again(granted, question, ENGINE)
        assert shown <= granted
        assert shown <= ENGINE.ask(question).fields
        assert not shown or Field.SOURCE_ADDRESS in shown


class TestErringRules:
    """The rule: "Allowed means Decision.Allow and no diagnostics error"."""

    @settings(deadline=None, max_examples=25)
    @given(question=questions(), broken=st.sampled_from(Field))
    def test_an_erring_rule_withholds_its_field(self, question: Question, broken: Field) -> None:
        """A forbid that cannot be evaluated is not skipped: its field is withheld from everybody."""
        engine = _broken_engine(broken)
        verdict = engine.ask(question)
        assert broken not in verdict.fields
        assert verdict.fields == ENGINE.ask(question).fields - {broken}


_BROKEN: dict[Field, PolicyEngine] = {}


def _broken_engine(field: Field) -> PolicyEngine:
    """Return the shipped rules with one more that errs whenever ``field`` is asked for."""
    if field not in _BROKEN:
        with TemporaryDirectory() as place:
            for path in directory().glob("*.cedar*"):
                (Path(place) / path.name).write_bytes(path.read_bytes())
            (Path(place) / "zz.cedar").write_text(
                f'@id("broken") @reason("B.") forbid (principal, action == Action::"{field}", resource)'
                " when { 9223372036854775807 + 1 > 0 };"
            )
            _BROKEN[field] = PolicyEngine.load(Path(place))
    return _BROKEN[field]


EVIDENCE = pl.DataFrame(
    {
        name: pl.Series([1, 2, 3], dtype=dtype)
        for name, dtype in {
            "row": pl.UInt32,
            "src_hi": pl.UInt64,
            "src_lo": pl.UInt64,
            "src_port": pl.UInt16,
            "dst_hi": pl.UInt64,
            "dst_lo": pl.UInt64,
            "dst_port": pl.UInt16,
            "protocol": pl.UInt8,
            "first_seen": pl.Int64,
            "last_seen": pl.Int64,
            "packets": pl.UInt64,
            "bytes": pl.UInt64,
            "tcp_flags": pl.UInt8,
            "outcome": pl.UInt8,
            "recipient": pl.Int32,
            "asn": pl.UInt32,
            "marks": pl.UInt8,
        }.items()
    }
)


class TestStripping:
    """The rule: "Strips every field that was not granted"."""

    @settings(deadline=None)
    @given(field_sets)
    def test_only_granted_columns_are_left(self, fields: frozenset[Field]) -> None:
        """For every set of fields: its columns, the row number, nothing else; no row without the source."""
        shown = strip(EVIDENCE, fields)
        assert set(shown.columns) == {"row", *columns_for(fields)}
        assert shown.height == (EVIDENCE.height if Field.SOURCE_ADDRESS in fields else 0)

    @settings(deadline=None)
    @given(field_sets, field_sets)
    def test_narrowing_twice_shows_what_both_grant(self, first: frozenset[Field], second: frozenset[Field]) -> None:
        """What was stripped once cannot come back, save as an empty prefix."""
        shown = narrow_frame(strip(EVIDENCE, first), second)
        there = {name for name in shown.columns if shown[name].null_count() < shown.height or not shown.height}
        assert there - {"dst_prefix"} <= {"row", *columns_for(first & second)}
