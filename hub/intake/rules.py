"""What the parts of an envelope must have to do with each other, each rule with its reason."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from hub.errors import Fault
from hub.records import Envelope
from hub.vocabulary import DataClass, LegalBasis, Purpose, ReportKind

DRILL_CLASSES = frozenset({DataClass.DRILL, DataClass.DRILL_SHORT})

CLASS_OF_KIND: Mapping[ReportKind, DataClass] = {
    ReportKind.ATTACK: DataClass.ATTACK_TRAFFIC,
    ReportKind.INFECTED: DataClass.INFECTED_HOST,
    ReportKind.LIKELY_INFECTED: DataClass.INFECTED_HOST,
    ReportKind.VULNERABLE: DataClass.VULNERABLE_DEVICE,
}

REQUIRED: Mapping[ReportKind, tuple[str, ...]] = {
    ReportKind.ATTACK: ("target", "start", "end", "vectors"),
    ReportKind.INFECTED: ("malware_family", "detection"),
    ReportKind.LIKELY_INFECTED: ("malware_family", "detection"),
    ReportKind.VULNERABLE: ("vulnerability",),
}
"""What a report of a kind needs besides what every report needs."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a legal basis allows data to be used for, and why no more."""

    purposes: frozenset[Purpose]
    reason: str


_ALL = frozenset(Purpose)
_DANGER = Ground(
    frozenset({Purpose.ATTACK_RESPONSE, Purpose.DRILL}),
    "it excuses only what wards off a danger that is there now, or practises that, not notices or repairs",
)

PURPOSES_OF_BASIS: Mapping[LegalBasis, Ground] = {
    LegalBasis.CONSENT_INDIVIDUAL: Ground(_ALL, "the consent names the use"),
    LegalBasis.CONSENT_TERMS: Ground(_ALL, "the terms name the use, and the subscriber can opt out"),
    LegalBasis.STATUTE: Ground(_ALL, "the statute names the use"),
    LegalBasis.BUSINESS_ACT: Ground(_ALL, "each serves to keep the service running, by means in proportion"),
    LegalBasis.SELF_DEFENCE: _DANGER,
    LegalBasis.NECESSITY: _DANGER,
}
"""Purposes by basis (Telecommunications Business Act art. 4; Penal Code art. 35 to 37)."""

_CONSENTS = frozenset({LegalBasis.CONSENT_INDIVIDUAL, LegalBasis.CONSENT_TERMS})


def contradictions(envelope: Envelope, unusable: Collection[str]) -> Iterator[Fault]:
    """Yield what does not fit together, leaving out what rests on members that could not be read."""
    for members, rule in _RULES:
        if not members & set(unusable):
            yield from rule(envelope)
    if "kind" not in unusable:
        for name in REQUIRED[envelope.kind]:
            if name not in unusable and not getattr(envelope, name):
                yield Fault(f"/{name}", "missing", f"{name}, which reports of kind {envelope.kind.value} need")


def _consent(envelope: Envelope) -> Iterator[Fault]:
    if envelope.legal_basis in _CONSENTS and envelope.consent is None:
        yield Fault(
            "/consent", "missing", f"the reference of the consent that basis {envelope.legal_basis.value} rests on"
        )


def _purpose_of_basis(envelope: Envelope) -> Iterator[Fault]:
    ground = PURPOSES_OF_BASIS[envelope.legal_basis]
    if envelope.purpose not in ground.purposes:
        allowed = ", ".join(sorted(ground.purposes))
        yield Fault(
            "/purpose",
            "contradiction",
            f"for basis {envelope.legal_basis.value} only {allowed}: {ground.reason}",
            got=envelope.purpose.value,
        )


def _purpose_of_kind(envelope: Envelope) -> Iterator[Fault]:
    if envelope.purpose is Purpose.ATTACK_RESPONSE and envelope.kind is not ReportKind.ATTACK:
        yield Fault(
            "/purpose",
            "contradiction",
            f"{Purpose.SUBSCRIBER_NOTICE.value}, {Purpose.DEVICE_REMEDIATION.value} or {Purpose.DRILL.value}: "
            f"a report of kind {envelope.kind.value} tells of no attack to respond to",
            got=envelope.purpose.value,
        )


def _drill(envelope: Envelope) -> Iterator[Fault]:
    if envelope.drill != (envelope.data_class in DRILL_CLASSES):
        yield Fault(
            "/data_class",
            "contradiction",
            "purpose 'drill' with class 'drill' or 'drill-short', and neither without the other: "
            "an exercise mixed with real data would be acted upon, or real data taken for an exercise",
            got=envelope.data_class.value,
        )


def _class_of_kind(envelope: Envelope) -> Iterator[Fault]:
    fitting = CLASS_OF_KIND[envelope.kind]
    if envelope.data_class not in {fitting, *DRILL_CLASSES}:
        yield Fault(
            "/data_class",
            "contradiction",
            f"{fitting.value} for reports of kind {envelope.kind.value}; drill or drill-short for exercises; "
            "classes intake and held are the hub's own",
            got=envelope.data_class.value,
        )


def _order(envelope: Envelope) -> Iterator[Fault]:
    if envelope.start and envelope.end and envelope.end < envelope.start:
        yield Fault("/end", "contradiction", "an end no earlier than the start", got=envelope.end.isoformat())


_RULES: tuple[tuple[frozenset[str], Callable[[Envelope], Iterator[Fault]]], ...] = (
    (frozenset({"legal_basis", "consent"}), _consent),
    (frozenset({"legal_basis", "purpose"}), _purpose_of_basis),
    (frozenset({"kind", "purpose"}), _purpose_of_kind),
    (frozenset({"purpose", "data_class"}), _drill),
    (frozenset({"kind", "data_class"}), _class_of_kind),
    (frozenset({"start", "end"}), _order),
)
