"""Reading the rules: everything that can be wrong with a policy file is found before the first question.

A rule is one Cedar policy with ``@id`` (recorded with every decision), ``@reason`` (shown to people) and, if
wanted, ``@reason_ja``. Rules speak of attributes only, never of one named party or parcel, and of fields only
in their head, so that an answer depends on nothing but attributes and can be remembered by them.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cedarpy import PolicySet, Schema, policies_to_json_str, validate_policies

from hub.errors import BadInput, Fault
from hub.vocabulary import Field

SCHEMA_FILE = "schema.cedarschema"
RULE_FILES = "*.cedar"

EVALUATION_FAILED = "evaluation-failed"
"""Stands where a rule would: Cedar could not evaluate, so nothing is allowed."""
UNKNOWN_RECIPIENT = "unknown-recipient"
"""Stands where a rule would: nobody could say who the recipient is, so nothing is allowed."""
RESERVED_IDS = frozenset({EVALUATION_FAILED, UNKNOWN_RECIPIENT})

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ANNOTATIONS = frozenset({"id", "reason", "reason_ja"})
_PARTIES = frozenset({"Recipient", "Parcel"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy, as people see it."""

    id: str
    permits: bool
    fields: frozenset[Field]
    """The fields its head names; all where it names none."""
    reason: str
    reason_ja: str | None
    file: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules of a directory, parsed and validated against their schema."""

    rules: Mapping[str, Rule]
    schema: Schema = field(repr=False)
    policies: PolicySet = field(repr=False)
    """Keyed by ``@id``: Cedar's own numbering of policies means nothing to anybody."""
    text: str = field(repr=False)
    """Schema and rules with their file names, enough to replay a decision."""
    hash: str
    """SHA-256 over file names and contents, in order of name; hexadecimal."""


@dataclass(frozen=True, slots=True)
class _Policy:
    """One policy as Cedar's JSON form has it."""

    file: str
    body: Mapping[str, Any]

    @property
    def notes(self) -> Mapping[str, str]:
        return self.body.get("annotations") or {}

    @property
    def id(self) -> str:
        return self.notes.get("id") or ""


def read_rules(directory: Path) -> Ruleset:
    """Read, check and validate the schema and all rules of ``directory``.

    Raises:
        BadInput: listing everything that is wrong; a hub with doubtful rules does not start.
    """
    files = _read_files(directory)
    schema = _parse_schema(files[SCHEMA_FILE])
    policies = [policy for name, text in files.items() if name != SCHEMA_FILE for policy in _parse(name, text)]
    _refuse(_faults(policies))
    _refuse(_validation_faults("\n".join(text for name, text in files.items() if name != SCHEMA_FILE), schema))
    static = {policy.id: policy.body for policy in policies}
    return Ruleset(
        rules={policy.id: _rule(policy) for policy in policies},
        schema=schema,
        policies=PolicySet.from_json_str(json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})),
        text="\n".join(f"// ===== {name} =====\n{text}" for name, text in files.items()),
        hash=_hash(files),
    )


def _read_files(directory: Path) -> dict[str, str]:
    """Return the text of schema and rule files by name, in order of name."""
    found = sorted(path.name for path in directory.glob(RULE_FILES))
    if not found:
        raise _bad([Fault(str(directory), "no-rules", f"at least one {RULE_FILES} file")])
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for name in sorted([*found, SCHEMA_FILE]):
        try:
            texts[name] = (directory / name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            faults.append(Fault(name, "unreadable", f"a readable UTF-8 file ({type(error).__name__})"))
    _refuse(faults)
    return texts


def _parse_schema(text: str) -> Schema:
    try:
        return Schema.from_str(text)
    except ValueError as error:
        raise _bad([Fault(SCHEMA_FILE, "bad-schema", str(error))]) from None


def _parse(name: str, text: str) -> list[_Policy]:
    try:
        parsed = json.loads(policies_to_json_str(text))
    except ValueError as error:
        raise _bad([Fault(name, "bad-rule", str(error))]) from None
    if parsed["templates"] or parsed["templateLinks"]:
        raise _bad([Fault(name, "template", "rules without ?principal or ?resource")])
    if not parsed["staticPolicies"]:
        raise _bad([Fault(name, "empty", "at least one rule; delete a file that holds none")])
    return [_Policy(name, body) for body in parsed["staticPolicies"].values()]


def _faults(policies: list[_Policy]) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    for policy in policies:
        faults.extend(_annotation_faults(policy))
        faults.extend(_scope_faults(policy))
        if policy.id in seen:
            faults.append(Fault(policy.file, "duplicate-id", f"an @id used once; {policy.id!r} is used again"))
        seen.add(policy.id)
    return faults


def _annotation_faults(policy: _Policy) -> Iterator[Fault]:
    if not policy.id:
        yield Fault(policy.file, "missing-id", "an @id on every rule")
    elif policy.id in RESERVED_IDS or not _ID.fullmatch(policy.id):
        yield Fault(policy.file, "bad-id", f"an @id of small words with hyphens, not {policy.id!r}")
    if not (policy.notes.get("reason") or "").strip():
        yield Fault(policy.file, "missing-reason", f"a plain sentence as @reason on {policy.id!r}")
    for unknown in sorted(policy.notes.keys() - _ANNOTATIONS):
        yield Fault(policy.file, "unknown-annotation", f"@id, @reason, @reason_ja on {policy.id!r}, not @{unknown}")


def _scope_faults(policy: _Policy) -> Iterator[Fault]:
    for side in ("principal", "resource"):
        if policy.body[side].get("op") != "All":
            yield Fault(policy.file, "names-a-party", f"{policy.id!r} to leave {side} open and use its attributes")
    nodes = list(_nodes(policy.body["conditions"]))
    if any(node.get("Var") == "action" for node in nodes):
        yield Fault(policy.file, "field-in-condition", f"{policy.id!r} to name its fields in the head only")
    if any(entity.get("type") in _PARTIES for node in nodes if isinstance(entity := node.get("__entity"), dict)):
        yield Fault(policy.file, "names-a-party", f"{policy.id!r} to use attributes, not one party or parcel")
    unknown = [name for name in _actions(policy) if name not in set(Field)]
    if unknown:
        yield Fault(policy.file, "unknown-field", f"fields of the vocabulary in {policy.id!r}, not {unknown}")


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    """Walk Cedar's JSON expression tree."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)


def _actions(policy: _Policy) -> list[str]:
    """Return the fields a rule's head names; none where it leaves the action open."""
    scope = policy.body["action"]
    named = scope.get("entities") or [scope[key] for key in ("entity",) if key in scope]
    return [str(entity["id"]) for entity in named]


def _validation_faults(text: str, schema: Schema) -> list[Fault]:
    result = validate_policies(text, schema)
    if result.validation_passed:
        return []
    names = result.id_annotations_by_policy_id
    return [
        Fault(names.get(error.policy_id, error.policy_id), "not-in-schema", error.error) for error in result.errors
    ] or [Fault(SCHEMA_FILE, "not-validated", "rules that Cedar's validator accepts")]


def _rule(policy: _Policy) -> Rule:
    named = _actions(policy)
    return Rule(
        id=policy.id,
        permits=policy.body["effect"] == "permit",
        fields=frozenset(map(Field, named)) if named else frozenset(Field),
        reason=policy.notes["reason"].strip(),
        reason_ja=(policy.notes.get("reason_ja") or "").strip() or None,
        file=policy.file,
    )


def _hash(files: Mapping[str, str]) -> str:
    """Hash names and contents with their lengths, so that no text can move from one file to another unnoticed."""
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise _bad(faults)


def _bad(faults: list[Fault]) -> BadInput:
    listed = "; ".join(f"{fault.where}: {fault.code} ({fault.expected})" for fault in faults)
    return BadInput(
        f"The sharing rules cannot be used: {listed}",
        expected="a schema and rules that Cedar accepts, each with its own @id and @reason",
        action="Mend the files named and run the scenario tests before starting again.",
        faults=faults,
    )
