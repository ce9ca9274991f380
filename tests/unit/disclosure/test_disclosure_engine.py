"""The engine refuses whenever it is not certain."""

import shutil
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.disclosure.rules import EVALUATION_FAILED, SCHEMA_FILE
from hub.errors import BadInput
from hub.vocabulary import CapacityKind, DataClass, Field, LegalBasis, Purpose, Relation, ReportKind, Standing
from sharing_policies import directory

ATTACK = RecordFacts(
    ReportKind.ATTACK,
    DataClass.ATTACK_TRAFFIC,
    LegalBasis.SELF_DEFENCE,
    Purpose.ATTACK_RESPONSE,
    drill=False,
    expired=False,
)
OVERFLOW = "9223372036854775807 + 1 > 0"
"""Passes the validator and errs on every evaluation."""


def party(kind: CapacityKind = CapacityKind.CARRIER, standing: Standing = Standing.ACTIVE) -> CapacityFacts:
    """Return somebody nobody has seen before."""
    return CapacityFacts(uuid4(), uuid4(), kind, standing, agreements_in_force=True)


def engine_with(directory_: Path, rules: str) -> PolicyEngine:
    """Load the shipped schema with other rules."""
    shutil.copy(directory() / SCHEMA_FILE, directory_)
    (directory_ / "rules.cedar").write_text(rules)
    return PolicyEngine.load(directory_)


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    """Load the shipped rules once."""
    return PolicyEngine.load(directory())


def test_a_verdict_names_its_recipient_and_rules(engine: PolicyEngine) -> None:
    """What is recorded: who, which fields, which rules by their own ids, under which edition."""
    carrier = party()
    verdict = engine.ask(Question(carrier, ATTACK, Relation.HOLDER))
    assert (verdict.capacity_id, verdict.member_id) == (carrier.capacity_id, carrier.member_id)
    assert verdict.policy_ids == ("operator-finds-attacking-subscriber", "operator-recognises-the-attack")
    assert verdict.policy_hash == engine.hash


def test_answers_are_remembered_by_attributes_not_by_party(engine: PolicyEngine) -> None:
    """The second carrier of the same attributes gets the same fields under its own name."""
    first, second = party(), party()
    engine.ask(Question(first, ATTACK, Relation.HOLDER))
    verdict = engine.ask(Question(second, ATTACK, Relation.HOLDER))
    assert verdict
    assert verdict.capacity_id == second.capacity_id


def test_an_erring_forbid_denies(tmp_path: Path) -> None:
    """Cedar skips a forbid that errs and says Allow; here that is a refusal, and the rule is named."""
    engine = engine_with(
        tmp_path,
        '@id("all") @reason("A.") permit (principal, action, resource);'
        f'@id("broken") @reason("B.") forbid (principal, action, resource) when {{ {OVERFLOW} }};',
    )
    verdict = engine.ask(Question(party(), ATTACK, Relation.HOLDER))
    assert verdict.fields == frozenset()
    assert verdict.policy_ids == ()
    assert verdict.denied_by == ("broken", EVALUATION_FAILED)


def test_reading_what_is_not_there_is_refused_or_denied(tmp_path: Path) -> None:
    """An optional attribute read unguarded stops the start; one read in a way that errs denies."""
    optional = "    drill: Bool,\n    friend?: Recipient,"
    shutil.copy(directory() / SCHEMA_FILE, tmp_path)
    schema, rules = tmp_path / SCHEMA_FILE, tmp_path / "rules.cedar"
    schema.write_text(schema.read_text().replace("    drill: Bool,", optional))
    permit = '@id("all") @reason("A.") permit (principal, action, resource);'
    forbid = '@id("broken") @reason("B.") forbid (principal, action, resource)'
    rules.write_text(f"{permit} {forbid} when {{ resource.friend.agreements_in_force }};")
    with pytest.raises(BadInput, match="not-in-schema"):
        PolicyEngine.load(tmp_path)
    guarded = f"if resource has friend then resource.friend.agreements_in_force else {OVERFLOW}"
    rules.write_text(f"{permit} {forbid} when {{ {guarded} }};")
    verdict = PolicyEngine.load(tmp_path).ask(Question(party(), ATTACK, Relation.HOLDER))
    assert verdict.fields == frozenset()


def test_an_erring_field_does_not_open_the_others(tmp_path: Path) -> None:
    """Each field is answered for itself."""
    engine = engine_with(
        tmp_path,
        '@id("all") @reason("A.") permit (principal, action, resource);'
        '@id("broken") @reason("B.") forbid (principal, action == Action::"source_address", resource)'
        f" when {{ {OVERFLOW} }};",
    )
    verdict = engine.ask(Question(party(), ATTACK, Relation.HOLDER))
    assert verdict.fields == frozenset(Field) - {Field.SOURCE_ADDRESS}
    assert not verdict


def test_what_nothing_permits_is_withheld(tmp_path: Path) -> None:
    """Default deny: no rule, no field, and no rule to blame."""
    engine = engine_with(tmp_path, '@id("m") @reason("M.") permit (principal, action == Action::"marks", resource);')
    verdict = engine.ask(Question(party(), ATTACK, Relation.HOLDER))
    assert verdict.fields == {Field.MARKS}
    assert verdict.denied_by == ()


def test_a_delegate_never_sees_what_its_operator_does_not(tmp_path: Path) -> None:
    """Whatever the rules say of delegates, the operator's own answer is the limit."""
    engine = engine_with(
        tmp_path,
        '@id("loose") @reason("L.") permit (principal, action, resource)'
        ' when { principal.kind == CapacityKind::"delegate" };'
        '@id("strict") @reason("S.") permit (principal, action == Action::"source_address", resource)'
        ' when { principal.kind == CapacityKind::"carrier" };',
    )
    delegate = party(CapacityKind.DELEGATE)
    question = Question(delegate, ATTACK, Relation.DELEGATE_OF_HOLDER, party(), delegation_in_force=True)
    verdict = engine.ask(question)
    assert verdict.fields == {Field.SOURCE_ADDRESS}
    assert verdict.policy_ids == ("loose",)
    assert verdict.capacity_id == delegate.capacity_id


class TestIncompleteQuestions:
    """A question with a part missing cannot be put, so it cannot be answered with yes."""

    @pytest.mark.parametrize("part", ["kind", "data_class", "basis", "purpose", "drill", "expired"])
    @pytest.mark.parametrize("value", [None, "", "attack", 1])
    def test_records(self, part: str, value: object) -> None:
        """Text is no word of a closed list, and nothing is no truth."""
        parts = {name: getattr(ATTACK, name) for name in ATTACK.__dataclass_fields__} | {part: value}
        with pytest.raises(BadInput) as refusal:
            RecordFacts(**parts)
        assert part in str(refusal.value)
        assert refusal.value.expected
        assert refusal.value.action

    @pytest.mark.parametrize("part", ["capacity_id", "member_id", "kind", "standing", "agreements_in_force"])
    def test_recipients(self, part: str) -> None:
        """Nobody in particular is told nothing."""
        carrier = party()
        parts = {name: getattr(carrier, name) for name in carrier.__dataclass_fields__} | {part: None}
        with pytest.raises(BadInput, match=part):
            CapacityFacts(**parts)

    def test_relation(self) -> None:
        """The relation to the source network is part of the question."""
        with pytest.raises(BadInput, match="relation"):
            Question(party(), ATTACK, None)  # type: ignore[arg-type]  # that is the test

    def test_a_delegate_names_its_operator(self) -> None:
        """Without an operator there is nobody to delegate."""
        with pytest.raises(BadInput, match="operator"):
            Question(party(CapacityKind.DELEGATE), ATTACK, Relation.DELEGATE_OF_HOLDER, delegation_in_force=True)

    def test_a_holder_names_none(self) -> None:
        """An operator beside a holder says two things at once."""
        with pytest.raises(BadInput, match="operator"):
            Question(party(), ATTACK, Relation.HOLDER, operator=party())


def test_threads_get_the_same_answers(engine: PolicyEngine) -> None:
    """One engine serves all threads of a process."""
    expected = engine.ask(Question(party(), ATTACK, Relation.HOLDER)).fields
    fresh = PolicyEngine.load(directory())
    answers: list[frozenset[Field]] = []

    def ask() -> None:
        answers.extend(fresh.ask(Question(party(), ATTACK, Relation.HOLDER)).fields for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 80
