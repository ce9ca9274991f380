"""The closed word lists of the domain: what a field may say, and nothing else.

The values are the words that stand in API, CSV, policies and database. Members' systems store them, so
a value is never renamed; it is retired and another one added.
"""

from enum import IntEnum, IntFlag, StrEnum


class ReportKind(StrEnum):
    """What a report says of its sources."""

    ATTACK = "attack"
    INFECTED = "infected"
    LIKELY_INFECTED = "likely-infected"
    VULNERABLE = "vulnerable-device"


class LegalBasis(StrEnum):
    """The ground that makes handling secrecy of communications lawful (Telecommunications Business Act, art. 4)."""

    CONSENT_INDIVIDUAL = "consent-individual"
    CONSENT_TERMS = "consent-terms"
    STATUTE = "statute"
    BUSINESS_ACT = "legitimate-business-act"
    SELF_DEFENCE = "self-defence"
    NECESSITY = "necessity"


class Purpose(StrEnum):
    """What the data may be used for. Data taken for one purpose are refused for another."""

    ATTACK_RESPONSE = "attack-response"
    SUBSCRIBER_NOTICE = "subscriber-notice"
    DEVICE_REMEDIATION = "device-remediation"
    DRILL = "drill"


class DataClass(StrEnum):
    """Retention class: with the purpose it sets how long data may live. Limits are in ``sharing_policies/``."""

    ATTACK_TRAFFIC = "attack-traffic"
    INFECTED_HOST = "infected-host"
    VULNERABLE_DEVICE = "vulnerable-device"
    DRILL = "drill"
    DRILL_SHORT = "drill-short"
    INTAKE = "intake"
    """The hub's own: a report between receipt and release."""
    HELD = "held"
    """The hub's own: a report that waits for an officer's decision."""


class RequestedAction(StrEnum):
    """What the reporter asks the recipient to do."""

    WARN = "warn"
    BLOCK = "block"
    INVESTIGATE = "investigate"
    TAKE_DOWN = "take-down"


class Severity(StrEnum):
    """How urgent a report is."""

    ONGOING_ATTACK = "ongoing-attack"
    NORMAL = "normal"


class CapacityKind(StrEnum):
    """In which role a member acts. Grants and credentials belong to a capacity, not to the member."""

    CARRIER = "carrier"
    NETWORK_OPERATOR = "network-operator"
    DELEGATE = "delegate"
    """A vendor acting on an operator's dated delegation, on that operator's networks only."""
    VENDOR = "vendor"
    MAKER = "maker"
    RESEARCHER = "researcher"
    PARTNER = "partner"
    AUTHORITY = "authority"


class Standing(StrEnum):
    """Whether a member may take part at present."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


class ContactRole(StrEnum):
    """Whom to reach at a member, and for what."""

    OPERATIONS = "operations"
    ABUSE = "abuse"
    OFFICER = "officer"
    MANAGEMENT = "management"


class HoldingState(StrEnum):
    """A member's declaration of a network is a proposal until an officer decides."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Scope(StrEnum):
    """What a credential may be used for."""

    PUSH = "push"
    INBOX = "inbox"
    OUTCOMES = "outcomes"
    HOLDINGS = "holdings"


class ReportState(StrEnum):
    """How far a report has come."""

    RECEIVED = "received"
    HELD = "held"
    SEALED = "sealed"
    RELEASED = "released"
    REFUSED = "refused"
    """An officer decided not to deliver a held report."""
    LAPSED = "lapsed"
    """Its intake or hold deadline came before a decision; erased undecided."""
    WITHDRAWN = "withdrawn"


class ParcelState(StrEnum):
    """How far a parcel has come. Only ``released`` ones can be read."""

    SEALED = "sealed"
    RELEASED = "released"
    RECALLED = "recalled"
    ERASED = "erased"


class OutcomeCode(StrEnum):
    """What a recipient did about a source."""

    IDENTIFIED = "identified"
    WARNED = "warned"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    TAKEN_DOWN = "taken-down"
    REMEDIATED = "remediated"
    NOT_REACHED = "not-reached"
    NOT_OUR_CUSTOMER = "not-our-customer"
    FALSE_POSITIVE = "false-positive"
    CANNOT_IDENTIFY = "cannot-identify"
    OTHER = "other"


class RecallReason(StrEnum):
    """Why a parcel, or some rows of it, was recalled."""

    NOT_OURS = "not-ours"
    HOLDING_CORRECTED = "holding-corrected"
    REPORT_WITHDRAWN = "report-withdrawn"
    REPORT_CORRECTED = "report-corrected"
    CONSENT_WITHDRAWN = "consent-withdrawn"


class HoldReason(StrEnum):
    """Why a report waits for an officer instead of going on by itself."""

    SPOOFED_SOURCES = "spoofed-sources"
    NO_PREFIX_TABLE = "no-prefix-table"


class Field(StrEnum):
    """The unit of disclosure: what one policy decision grants or withholds."""

    SOURCE_ADDRESS = "source_address"
    SOURCE_PORT = "source_port"
    TIMES = "times"
    DESTINATION_ADDRESS = "destination_address"
    DESTINATION_PREFIX = "destination_prefix"
    DESTINATION_PORT = "destination_port"
    PROTOCOL = "protocol"
    VOLUMES = "volumes"
    VECTOR = "vector"
    REPORTER = "reporter"
    MARKS = "marks"


class Relation(StrEnum):
    """How a would-be recipient stands to the network the source was in."""

    HOLDER = "holder"
    """Operated the source's network at the time of the event."""
    DELEGATE_OF_HOLDER = "delegate-of-holder"
    NONE = "none"


class SourceOutcome(IntEnum):
    """Where attribution of one record ended. Stored in columns, hence integers."""

    MEMBER = 0
    NON_MEMBER = 1
    UNROUTED = 2
    SPECIAL_USE = 3


class Mark(IntFlag):
    """What a recipient must know about a source before acting on it. Stored in columns, hence bits."""

    NONE = 0
    SPOOFABLE = 1
    """The sender's address proves nothing: UDP without answer, or a SYN without completion."""
    REFLECTOR = 2
    """An open service abused to amplify: fix the service, the host is not a bot."""
    SHARED_ADDRESS = 4
    """Behind CGNAT, MAP-E or DS-Lite: the address alone names nobody, port and exact time do."""
