"""Every release and every refusal says why, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.explain import FIELD_NAMES, Language, explain
from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.disclosure.rules import EVALUATION_FAILED, UNKNOWN_RECIPIENT
from hub.records import Grant, Verdict
from hub.vocabulary import CapacityKind, DataClass, Field, LegalBasis, Purpose, Relation, ReportKind, Standing
from sharing_policies import directory


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    """Load the shipped rules once."""
    return PolicyEngine.load(directory())


@pytest.fixture
def verdict(engine: PolicyEngine) -> Verdict:
    """Ask for a carrier under attack response."""
    return _ask(engine, Standing.ACTIVE)


def _ask(engine: PolicyEngine, standing: Standing) -> Verdict:
    carrier = CapacityFacts(uuid4(), uuid4(), CapacityKind.CARRIER, standing, agreements_in_force=True)
    attack = RecordFacts(
        ReportKind.ATTACK,
        DataClass.ATTACK_TRAFFIC,
        LegalBasis.SELF_DEFENCE,
        Purpose.ATTACK_RESPONSE,
        drill=False,
        expired=False,
    )
    return engine.ask(Question(carrier, attack, Relation.HOLDER))


def test_every_field_is_explained_by_the_rule_that_decided_it(engine: PolicyEngine, verdict: Verdict) -> None:
    """What was released names the rule that permitted it, and no other."""
    explanation = explain(verdict, engine.rules)
    by_field = {reason.field: reason for reason in explanation.reasons}
    assert list(by_field) == list(Field)
    assert by_field[Field.TIMES].rule_id == "operator-finds-attacking-subscriber"
    assert by_field[Field.VOLUMES].rule_id == "operator-recognises-the-attack"
    assert by_field[Field.VOLUMES].sentence == engine.rules["operator-recognises-the-attack"].reason
    assert {field for field, reason in by_field.items() if reason.released} == verdict.fields


def test_what_no_rule_allows_says_so(engine: PolicyEngine, verdict: Verdict) -> None:
    """Silence of the rules is a reason too."""
    (reason,) = (reason for reason in explain(verdict, engine.rules).reasons if reason.field is Field.REPORTER)
    assert (reason.released, reason.rule_id) == (False, None)
    assert "No rule allows it" in reason.sentence


def test_a_refusal_names_the_rule_that_forbade(engine: PolicyEngine) -> None:
    """A suspended member is told that it is suspended, once, for all fields together."""
    (line,) = explain(_ask(engine, Standing.SUSPENDED), engine.rules).lines()
    assert line.startswith("Withheld: source address, ")
    assert "A suspended member takes no part until the suspension is lifted." in line
    assert line.endswith("[rule suspended-member-gets-nothing]")


def test_lines_put_what_was_released_first(engine: PolicyEngine, verdict: Verdict) -> None:
    """One line for each answer and reason."""
    lines = explain(verdict, engine.rules).lines()
    assert [line.split(":")[0] for line in lines] == ["Released", "Released", "Withheld"]
    assert "destination address, name of the reporting member" in lines[2]


def test_japanese(engine: PolicyEngine, verdict: Verdict) -> None:
    """The same in Japanese, from the rules' own Japanese sentences."""
    lines = explain(verdict, engine.rules, "ja").lines()
    assert lines[0].startswith("提供:送信元アドレス、")
    assert engine.rules["operator-finds-attacking-subscriber"].reason_ja in lines[0]
    assert lines[-1] == ("非提供:宛先アドレス、報告した会員の名称。許可する規則がなく、許可のないものは提供しません。")


def test_a_rule_without_japanese_is_explained_in_english(engine: PolicyEngine, verdict: Verdict) -> None:
    """An English reason is better than none."""
    rules = {name: replace(rule, reason_ja=None) for name, rule in engine.rules.items()}
    assert rules["operator-finds-attacking-subscriber"].reason in explain(verdict, rules, "ja").lines()[0]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("stand_in", [EVALUATION_FAILED, UNKNOWN_RECIPIENT])
def test_refusals_that_no_rule_made_are_explained(engine: PolicyEngine, stand_in: str, language: Language) -> None:
    """An engine that could not evaluate, or a recipient nobody knows, has its own sentence."""
    refused = Verdict(uuid4(), uuid4(), frozenset(), (), (stand_in,), engine.hash)
    (line,) = explain(refused, engine.rules, language).lines()
    assert stand_in in line
    assert "No rule allows" not in line


def test_a_stored_grant_is_explained(engine: PolicyEngine, verdict: Verdict) -> None:
    """What stands in the inbox explains itself from its grant."""
    grant = _grant(verdict)
    assert explain(grant, engine.rules).lines()[:2] == explain(verdict, engine.rules).lines()[:2]


def test_a_grant_under_a_retired_rule_is_explained(engine: PolicyEngine, verdict: Verdict) -> None:
    """Rules change; an old grant still names the one it rests on and says that it is not in force."""
    grant = replace(_grant(verdict), policy_ids=("old-rule",))
    line = explain(grant, engine.rules).lines()[0]
    assert line.startswith("Released: ")
    assert "the edition in force at the time" in line
    assert line.endswith("[rule old-rule]")


def _grant(verdict: Verdict) -> Grant:
    return Grant(
        uuid4(),
        verdict.capacity_id,
        Relation.HOLDER,
        verdict.fields,
        verdict.policy_ids,
        verdict.policy_hash,
        datetime(2026, 3, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_field_has_a_name(language: Language) -> None:
    """No field is shown by its key."""
    assert FIELD_NAMES[language].keys() == set(Field)
