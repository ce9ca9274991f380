"""What the policy engine is asked: closed words and truths only, checked when they are put together."""

from dataclasses import Field as DataclassField
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from hub.errors import BadInput
from hub.vocabulary import (
    CapacityKind,
    DataClass,
    LegalBasis,
    Purpose,
    Relation,
    ReportKind,
    Standing,
)


class _Facts(Protocol):
    __dataclass_fields__: ClassVar[dict[str, DataclassField[Any]]]


def _check_words(facts: _Facts) -> None:
    """Refuse anything that is not of the declared type: a missing word must never pass for another one.

    Raises:
        BadInput: naming the first part that is missing or not of its closed list.
    """
    for part in fields(facts):
        value = getattr(facts, part.name)
        if not isinstance(value, part.type):  # type: ignore[arg-type]  # annotations here are types, never strings
            raise BadInput(
                f"A sharing question cannot be asked: {part.name!r} is missing or not of its closed list.",
                expected=_expected(part.type),
                got=None if value is None else type(value).__name__,
                action=f"State {part.name!r}; without it nothing is shared.",
            )


def _expected(kind: object) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(word.value) for word in kind)
    return kind.__name__ if isinstance(kind, type) else str(kind)


@dataclass(frozen=True, slots=True)
class CapacityFacts:
    """What the rules may know of a would-be recipient, as it stands now."""

    capacity_id: UUID
    member_id: UUID
    kind: CapacityKind
    standing: Standing
    agreements_in_force: bool
    """It has accepted every agreement that binds it today."""

    def __post_init__(self) -> None:
        """Check every part."""
        _check_words(self)


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What the rules may know of the records of one report."""

    kind: ReportKind
    data_class: DataClass
    basis: LegalBasis
    purpose: Purpose
    drill: bool
    expired: bool
    """The deadline has passed."""

    def __post_init__(self) -> None:
        """Check every part."""
        _check_words(self)


@dataclass(frozen=True, slots=True)
class Question:
    """Asks which fields of these records this recipient may know.

    A delegate's question names its operator: the answer is never more than the operator's own.
    """

    recipient: CapacityFacts
    record: RecordFacts
    relation: Relation
    operator: CapacityFacts | None = None
    """For ``delegate-of-holder``, and only there: the operator that delegated."""
    delegation_in_force: bool = False
    """The delegation covers this moment."""

    def __post_init__(self) -> None:
        """Check every part, and that an operator is named exactly where one is acted for.

        Raises:
            BadInput: where the parts are incomplete or contradict each other.
        """
        _check_words(self)
        if (self.relation is Relation.DELEGATE_OF_HOLDER) is (self.operator is None):
            raise BadInput(
                "A sharing question cannot be asked: relation and operator contradict each other.",
                expected="an operator for a delegate of the holder, and for nobody else",
                got=self.relation.value,
                action="Name the operator whose delegation this is, or state the recipient's own relation.",
            )
