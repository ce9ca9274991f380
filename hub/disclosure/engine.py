"""The policy engine: asks Cedar so that it cannot fail open, and remembers answers by attributes.

Allowed means that Cedar said ``Allow``, that no policy erred on the way (Cedar skips an erring ``forbid``), and
that a rule known here permitted. Everything else, ``NoDecision`` included, is a refusal.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from cedarpy import AuthzResult, Decision, is_authorized_batch

from hub.disclosure.question import CapacityFacts, Question, RecordFacts
from hub.disclosure.rules import EVALUATION_FAILED, SCHEMA_FILE, Rule, Ruleset, read_rules
from hub.errors import BadInput, Fault
from hub.records import Verdict
from hub.vocabulary import (
    CapacityKind,
    DataClass,
    Field,
    LegalBasis,
    Purpose,
    Relation,
    ReportKind,
    Standing,
)

REMEMBERED = 8192
"""Answers kept; real reports use a few dozen combinations of attributes."""

_RECIPIENT = {"type": "Recipient", "id": str(uuid4())}
_PARCEL = {"type": "Parcel", "id": str(uuid4())}
_REQUESTS: list[dict[str, Any]] = [
    {
        "principal": _RECIPIENT,
        "action": {"type": "Action", "id": field.value},
        "resource": _PARCEL,
        "context": "{}",
    }
    for field in Field
]
_Word = TypeVar("_Word", bound=StrEnum)
_NAMED_RULE = re.compile(r"policy `([a-z0-9-]+)`")


@dataclass(frozen=True, slots=True)
class _Case:
    """The attributes an answer depends on; no id among them."""

    kind: CapacityKind
    standing: Standing
    agreements_in_force: bool
    delegation_in_force: bool
    relation: Relation
    record: RecordFacts


@dataclass(frozen=True, slots=True)
class _Answer:
    """Rule ids by field: those that permitted where it was granted, those that forbade where it was not."""

    granted: Mapping[Field, tuple[str, ...]]
    refused: Mapping[Field, tuple[str, ...]]


class PolicyEngine:
    """Answers which fields a recipient may know, under one fixed set of rules."""

    def __init__(self, ruleset: Ruleset) -> None:
        """Take a checked set of rules.

        Raises:
            BadInput: where the schema does not know every word of the vocabulary.
        """
        self._ruleset = ruleset
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._evaluate)
        self._check_vocabulary()

    @classmethod
    def load(cls, directory: Path) -> "PolicyEngine":
        """Read the rules of ``directory``; anything doubtful about them is refused.

        Raises:
            BadInput: listing what is wrong with the files.
        """
        return cls(read_rules(directory))

    @property
    def hash(self) -> str:
        """SHA-256 of the rules in force, hexadecimal; recorded with every decision."""
        return self._ruleset.hash

    @property
    def text(self) -> str:
        """The rules in force, as text."""
        return self._ruleset.text

    @property
    def rules(self) -> Mapping[str, Rule]:
        """The rules in force, by id."""
        return self._ruleset.rules

    def ask(self, question: Question) -> Verdict:
        """Answer for all fields at once; a delegate is never granted what its operator is not."""
        answer = self._remembered(_case(question.recipient, question.relation, question))
        if question.operator is not None:
            answer = _within(answer, self._remembered(_case(question.operator, Relation.HOLDER, question)))
        return Verdict(
            capacity_id=question.recipient.capacity_id,
            member_id=question.recipient.member_id,
            fields=frozenset(answer.granted),
            policy_ids=_ids(answer.granted),
            denied_by=_ids(answer.refused),
            policy_hash=self.hash,
        )

    def _evaluate(self, case: _Case) -> _Answer:
        results = self._call_cedar(case)
        granted: dict[Field, tuple[str, ...]] = {}
        refused: dict[Field, tuple[str, ...]] = {}
        for field, result in zip(Field, results, strict=True):
            allowed, ids = self._read(result)
            (granted if allowed else refused)[field] = ids
        return _Answer(granted, refused)

    def _call_cedar(self, case: _Case) -> list[AuthzResult]:
        return is_authorized_batch(_REQUESTS, self._ruleset.policies, _entities(case), self._ruleset.schema)

    def _read(self, result: AuthzResult) -> tuple[bool, tuple[str, ...]]:
        errors = result.diagnostics.errors
        if errors or result.decision is Decision.NoDecision:
            named = {name for error in errors for name in _NAMED_RULE.findall(error)} & self.rules.keys()
            return False, tuple(sorted({EVALUATION_FAILED, *named}))
        ids = tuple(sorted(result.diagnostics.reasons))
        permitted = bool(ids) and all(name in self.rules and self.rules[name].permits for name in ids)
        return result.decision is Decision.Allow and permitted, ids

    def _check_vocabulary(self) -> None:
        """Ask once with every word, so that a word the schema lacks stops the start, not a report."""
        for case in _every_word():
            for field, result in zip(Field, self._call_cedar(case), strict=True):
                if result.decision is Decision.NoDecision:
                    raise BadInput(
                        "The sharing schema does not know every word of the vocabulary.",
                        expected="every value of hub.vocabulary in its list, every Field as an action",
                        action=f"Add the missing word to {SCHEMA_FILE}.",
                        faults=[Fault(f"{SCHEMA_FILE}#{field.value}", "unknown-word", repr(case))],
                    )


def _case(recipient: CapacityFacts, relation: Relation, question: Question) -> _Case:
    return _Case(
        kind=recipient.kind,
        standing=recipient.standing,
        agreements_in_force=recipient.agreements_in_force,
        delegation_in_force=relation is Relation.DELEGATE_OF_HOLDER and question.delegation_in_force,
        relation=relation,
        record=question.record,
    )


def _within(own: _Answer, operators: _Answer) -> _Answer:
    """Return ``own`` cut down to what the operator is granted, keeping both sides' refusals."""
    refused = {field: own.refused.get(field, ()) + operators.refused.get(field, ()) for field in Field}
    granted = {field: ids for field, ids in own.granted.items() if field in operators.granted}
    return _Answer(granted, refused)


def _ids(by_field: Mapping[Field, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for ids in by_field.values() for name in ids}))


def _entities(case: _Case) -> str:
    """Return the whole entity set: the recipient and the parcel, attributes only."""
    record = case.record
    recipient = {
        "kind": _word(case.kind),
        "standing": _word(case.standing),
        "agreements_in_force": case.agreements_in_force,
        "delegation_in_force": case.delegation_in_force,
    }
    parcel = {
        "kind": _word(record.kind),
        "data_class": _word(record.data_class),
        "basis": _word(record.basis),
        "purpose": _word(record.purpose),
        "relation": _word(case.relation),
        "drill": record.drill,
        "expired": record.expired,
    }
    return json.dumps(
        [{"uid": uid, "attrs": attrs, "parents": []} for uid, attrs in ((_RECIPIENT, recipient), (_PARCEL, parcel))]
    )


def _word(word: StrEnum) -> dict[str, dict[str, str]]:
    return {"__entity": {"type": type(word).__name__, "id": word.value}}


def _every_word() -> list[_Case]:
    """Return the fewest cases in which every word occurs."""
    lists = (CapacityKind, Standing, Relation, ReportKind, DataClass, LegalBasis, Purpose)
    return [_nth_words(turn) for turn in range(max(map(len, lists)))]


def _nth_words(turn: int) -> _Case:
    record = RecordFacts(
        kind=_nth(ReportKind, turn),
        data_class=_nth(DataClass, turn),
        basis=_nth(LegalBasis, turn),
        purpose=_nth(Purpose, turn),
        drill=False,
        expired=False,
    )
    return _Case(
        kind=_nth(CapacityKind, turn),
        standing=_nth(Standing, turn),
        agreements_in_force=True,
        delegation_in_force=False,
        relation=_nth(Relation, turn),
        record=record,
    )


def _nth(words: type[_Word], turn: int) -> _Word:
    listed = list(words)
    return listed[turn % len(listed)]
