"""Why a field was released or withheld, in sentences people read: English and Japanese."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hub.disclosure.rules import EVALUATION_FAILED, UNKNOWN_RECIPIENT, Rule
from hub.records import Grant, Verdict
from hub.vocabulary import Field

Language = Literal["en", "ja"]

FIELD_NAMES: Mapping[Language, Mapping[Field, str]] = {
    "en": {
        Field.SOURCE_ADDRESS: "source address",
        Field.SOURCE_PORT: "source port",
        Field.TIMES: "exact times",
        Field.DESTINATION_ADDRESS: "destination address",
        Field.DESTINATION_PREFIX: "destination network",
        Field.DESTINATION_PORT: "destination port",
        Field.PROTOCOL: "protocol",
        Field.VOLUMES: "volumes",
        Field.VECTOR: "attack vector",
        Field.REPORTER: "name of the reporting member",
        Field.MARKS: "marks (spoofable, reflector, shared address)",
    },
    "ja": {
        Field.SOURCE_ADDRESS: "送信元アドレス",
        Field.SOURCE_PORT: "送信元ポート",
        Field.TIMES: "正確な時刻",
        Field.DESTINATION_ADDRESS: "宛先アドレス",
        Field.DESTINATION_PREFIX: "宛先ネットワーク",
        Field.DESTINATION_PORT: "宛先ポート",
        Field.PROTOCOL: "プロトコル",
        Field.VOLUMES: "通信量",
        Field.VECTOR: "攻撃手法",
        Field.REPORTER: "報告した会員の名称",
        Field.MARKS: "注記(詐称の可能性、リフレクタ、共用アドレス)",
    },
}

_WITHOUT_RULE: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "": "No rule allows it, and what no rule allows is withheld.",
        EVALUATION_FAILED: "The rules could not be evaluated, and what cannot be evaluated is withheld.",
        UNKNOWN_RECIPIENT: "It is not known who the recipient is at present.",
    },
    "ja": {
        "": "許可する規則がなく、許可のないものは提供しません。",
        EVALUATION_FAILED: "規則を評価できなかったため、提供しません。",
        UNKNOWN_RECIPIENT: "提供先が現在どの会員であるかを確認できません。",
    },
}

_FORMER_RULE: Mapping[Language, str] = {
    "en": "This rule belonged to the edition in force at the time of the decision.",
    "ja": "この規則は、判断した時点で有効だった版のものです。",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence about one field."""

    field: Field
    released: bool
    rule_id: str | None
    """``None`` where no rule said anything."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why each field was released or withheld."""

    language: Language
    reasons: tuple[Reason, ...]
    """At least one per field, in order of the vocabulary."""

    def lines(self) -> tuple[str, ...]:
        """Return it for reading: fields with the same answer and the same reason together, released ones first."""
        together: dict[tuple[bool, str | None, str], list[Field]] = {}
        for reason in sorted(self.reasons, key=lambda each: not each.released):
            together.setdefault((reason.released, reason.rule_id, reason.sentence), []).append(reason.field)
        return tuple(self._line(fields, *said) for said, fields in together.items())

    def _line(self, fields: list[Field], released: bool, rule_id: str | None, sentence: str) -> str:  # noqa: FBT001 - a key, unpacked
        names = FIELD_NAMES[self.language]
        if self.language == "ja":
            rule = f"[規則 {rule_id}]" if rule_id else ""
            listed = "、".join(names[field] for field in fields)
            return f"{'提供' if released else '非提供'}:{listed}。{sentence}{rule}"
        rule = f" [rule {rule_id}]" if rule_id else ""
        listed = ", ".join(names[field] for field in fields)
        return f"{'Released' if released else 'Withheld'}: {listed}. {sentence}{rule}"


def explain(decision: Verdict | Grant, rules: Mapping[str, Rule], language: Language = "en") -> Explanation:
    """Explain a verdict, or a stored grant, by the reasons written on the rules it names.

    Rules speak of fields in their head only, so a rule that spoke at all spoke for every field there.
    """
    said = decision.policy_ids + (decision.denied_by if isinstance(decision, Verdict) else ())
    reasons = tuple(
        reason
        for field in Field
        for reason in _reasons(field, said, rules, language, released=field in decision.fields)
    )
    return Explanation(language, reasons)


def _reasons(
    field: Field, said: tuple[str, ...], rules: Mapping[str, Rule], language: Language, *, released: bool
) -> list[Reason]:
    spoke = [(name, _reason_text(rules[name], language)) for name in said if _decided(rules.get(name), field, released)]
    if not spoke:
        spoke = [(name, text) for name in said if (text := _without_rule(name, rules, language, released)) is not None]
    if not spoke:
        sentence = _FORMER_RULE[language] if released else _WITHOUT_RULE[language][""]
        return [Reason(field, released, None, sentence)]
    return [Reason(field, released, name, sentence) for name, sentence in spoke]


def _decided(rule: Rule | None, field: Field, released: bool) -> bool:  # noqa: FBT001 - one of three parts of a question
    return rule is not None and field in rule.fields and rule.permits is released


def _reason_text(rule: Rule, language: Language) -> str:
    return (rule.reason_ja or rule.reason) if language == "ja" else rule.reason


def _without_rule(name: str, rules: Mapping[str, Rule], language: Language, released: bool) -> str | None:  # noqa: FBT001 - as above
    """Return what stands for a rule that is not in force: one of an earlier edition, or no rule at all."""
    if released:
        return None if name in rules else _FORMER_RULE[language]
    return _WITHOUT_RULE[language].get(name)
