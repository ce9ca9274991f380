"""The closed word lists a member writes in requests. What the hub answers is not limited to them."""

from typing import Final

KINDS: Final = ("attack", "infected", "likely-infected", "vulnerable-device")
LEGAL_BASES: Final = (
    "consent-individual",
    "consent-terms",
    "statute",
    "legitimate-business-act",
    "self-defence",
    "necessity",
)
PURPOSES: Final = ("attack-response", "subscriber-notice", "device-remediation", "drill")
DATA_CLASSES: Final = ("attack-traffic", "infected-host", "vulnerable-device", "drill", "drill-short")
ACTIONS: Final = ("warn", "block", "investigate", "take-down")
SEVERITIES: Final = ("ongoing-attack", "normal")
ON_ERROR: Final = ("reject-rows", "reject-report")
TIME_COLUMNS: Final = ("first_seen", "last_seen")
OUTCOMES: Final = (
    "identified",
    "warned",
    "blocked",
    "suspended",
    "taken-down",
    "remediated",
    "not-reached",
    "not-our-customer",
    "false-positive",
    "cannot-identify",
    "other",
)
WITHDRAWAL_REASONS: Final = ("report-withdrawn", "report-corrected", "consent-withdrawn")
PARCEL_STATES: Final = ("released", "recalled", "erased")
MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
}
