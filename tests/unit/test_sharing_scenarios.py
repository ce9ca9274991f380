"""Runs the scenarios beside the sharing rules: who asks for what, what it should see, and why."""

import tomllib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.errors import BadInput
from hub.vocabulary import CapacityKind, DataClass, Field, LegalBasis, Purpose, Relation, ReportKind, Standing
from sharing_policies import directory

KEYS = {
    "title", "why", "who", "operator", "delegation", "relation", "what",
    "sees", "granted_by", "refused_by", "cannot_be_asked",
}  # fmt: skip
MUST = {"title", "why", "who", "relation", "what", "sees"}
WHO = {"capacity", "standing", "agreements"}
WHAT = {"kind", "class", "basis", "purpose", "drill", "deadline"}
AGREEMENTS = {"in force": True, "not in force": False}
DELEGATION = {"in force": True, "ended": False}
DEADLINE = {"ahead": False, "passed": True}


def _file_faults(content: dict[str, Any]) -> list[str]:
    """Return what is misspelt or missing in a scenario file."""
    faults = [f"unknown key {key!r}" for key in content.keys() - {"about", "scenario"}]
    for scenario in content.get("scenario", []):
        title = scenario.get("title", "a scenario without a title")
        faults += [f"{title}: unknown key {key!r}" for key in scenario.keys() - KEYS]
        faults += [f"{title}: missing key {key!r}" for key in MUST - scenario.keys()]
        faults += [f"{title}: unknown key {key!r}" for key in scenario.get("what", {}).keys() - WHAT]
        for party in ("who", "operator"):
            if party in scenario:
                faults += [f"{title}: {party} has {key!r} wrong" for key in scenario[party].keys() ^ WHO]
        answered = {"granted_by", "refused_by"} <= scenario.keys()
        if answered == ("cannot_be_asked" in scenario):
            faults.append(f"{title}: needs either granted_by and refused_by, or cannot_be_asked")
    return faults


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


FILES = sorted((directory() / "scenarios").glob("*.toml"))
SCENARIOS = [
    pytest.param(scenario, id=f"{path.stem}: {scenario.get('title')}")
    for path in FILES
    for scenario in _read(path).get("scenario", [])
]


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    """Load the shipped rules once."""
    return PolicyEngine.load(directory())


def _word(words: type, text: str | None) -> Any:
    """Return the word, or what stands there instead: the question must refuse it, not this test."""
    return words(text) if text in list(words) else text


def _party(facts: dict[str, str]) -> CapacityFacts:
    return CapacityFacts(
        capacity_id=uuid4(),
        member_id=uuid4(),
        kind=CapacityKind(facts["capacity"]),
        standing=Standing(facts["standing"]),
        agreements_in_force=AGREEMENTS[facts["agreements"]],
    )


def _question(scenario: dict[str, Any]) -> Question:
    what = scenario["what"]
    return Question(
        recipient=_party(scenario["who"]),
        record=RecordFacts(
            kind=_word(ReportKind, what.get("kind")),
            data_class=_word(DataClass, what.get("class")),
            basis=_word(LegalBasis, what.get("basis")),
            purpose=_word(Purpose, what.get("purpose")),
            drill=what["drill"],
            expired=DEADLINE[what["deadline"]],
        ),
        relation=Relation(scenario["relation"]),
        operator=_party(scenario["operator"]) if "operator" in scenario else None,
        delegation_in_force=DELEGATION[scenario.get("delegation", "ended")],
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: dict[str, Any], engine: PolicyEngine) -> None:
    """The recipient sees exactly what the scenario says, by exactly the rules it names."""
    if "cannot_be_asked" in scenario:
        with pytest.raises(BadInput) as refusal:
            _question(scenario)
        assert scenario["cannot_be_asked"] in str(refusal.value)
        assert scenario["sees"] == []
        return
    verdict = engine.ask(_question(scenario))
    assert verdict.fields == frozenset(map(Field, scenario["sees"]))
    assert list(verdict.policy_ids) == sorted(scenario["granted_by"])
    assert list(verdict.denied_by) == sorted(scenario["refused_by"])
    assert bool(verdict) is bool(scenario["sees"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_well_formed(path: Path) -> None:
    """A misspelt key in a scenario would test nothing, so it fails."""
    content = _read(path)
    assert content["about"]
    assert content["scenario"]
    assert _file_faults(content) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sees_": []}, "unknown key 'sees_'"),
        ({"who": {"capacity": "carrier", "standing": "active", "agrements": "in force"}}, "who has"),
        ({"what": {"kinds": "attack"}}, "unknown key 'kinds'"),
        ({"cannot_be_asked": "purpose"}, "needs either"),
    ],
)
def test_misspelt_keys_are_found(change: dict[str, Any], fault: str) -> None:
    """The check on scenario files itself finds what it is there to find."""
    good = _read(directory() / "scenarios" / "operators.toml")["scenario"][0]
    assert _file_faults({"about": "x", "scenario": [good]}) == []
    assert any(fault in found for found in _file_faults({"about": "x", "scenario": [good | change]}))


def test_every_rule_is_in_a_scenario(engine: PolicyEngine) -> None:
    """A rule that no scenario shows at work is a rule nobody has thought through."""
    shown = {
        rule
        for parameters in SCENARIOS
        for scenario in parameters.values
        for rule in [*scenario.get("granted_by", []), *scenario.get("refused_by", [])]
    }
    assert engine.rules.keys() - shown == set()


@pytest.mark.parametrize(
    ("part", "words"),
    [("kind", list(ReportKind)), ("basis", list(LegalBasis)), ("purpose", list(Purpose))],
)
def test_every_word_is_in_a_scenario(part: str, words: list[str]) -> None:
    """Each kind, basis and purpose is shown at work."""
    shown = {scenario["what"].get(part) for parameters in SCENARIOS for scenario in parameters.values}
    assert set(map(str, words)) - shown == set()


def test_every_role_and_standing_is_in_a_scenario() -> None:
    """Each capacity and each standing is shown at work."""
    parties = [scenario["who"] for parameters in SCENARIOS for scenario in parameters.values]
    assert {party["capacity"] for party in parties} == set(map(str, CapacityKind))
    assert {party["standing"] for party in parties} == set(map(str, Standing))


def test_every_rule_has_a_reason_in_both_languages(engine: PolicyEngine) -> None:
    """Members are shown the reasons, in English or Japanese."""
    for rule in engine.rules.values():
        assert rule.reason.endswith("."), rule.id
        assert rule.reason_ja is not None, rule.id
        assert rule.reason_ja.endswith("。"), rule.id
