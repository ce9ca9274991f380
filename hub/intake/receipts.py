"""Receipts: what the hub signs to have taken, the same at every retry."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from hub.intake.step import Arrival
from hub.records import Receipt, StoredPush


class ReceiptSigner(Protocol):
    """Signs canonical bytes; :class:`hub.sealing.signing.Signer`."""

    def sign(self, data: bytes) -> str:
        """Return an Ed25519 signature, base64."""
        ...


class Canonical(Protocol):
    """Canonical JSON (RFC 8785); :func:`hub.sealing.canonical.canonical_json`."""

    def __call__(self, value: object, /) -> bytes:
        """Return the one spelling of ``value``."""
        ...


def receipt_of(arrival: Arrival, signer: ReceiptSigner, canonical: Canonical) -> Receipt:
    """Return the signed receipt of a push that is being taken."""
    return _signed(
        Receipt(
            report_id=arrival.report_id,
            member_id=arrival.caller.member_id,
            received_at=arrival.received_at,
            rows_taken=arrival.checked.records.height,
            rows_refused=arrival.checked.refused,
            errors=arrival.checked.errors,
            reasons=dict(arrival.checked.reasons),
            content_sha256=arrival.content_sha256,
            deadline=arrival.deadline,
            replayed=False,
            signature="",
        ),
        signer,
        canonical,
    )


def replay_of(stored: StoredPush, content_sha256: str, signer: ReceiptSigner, canonical: Canonical) -> Receipt:
    """Return the receipt of an earlier push to its retry: equal but for ``replayed``."""
    status = stored.status
    return _signed(
        Receipt(
            report_id=status.id,
            member_id=status.member_id,
            received_at=status.received_at,
            rows_taken=status.rows_taken,
            rows_refused=status.rows_refused,
            errors=stored.errors,
            reasons=dict(stored.reasons),
            content_sha256=content_sha256,
            deadline=status.deadline,
            replayed=True,
            signature="",
        ),
        signer,
        canonical,
    )


def as_document(receipt: Receipt) -> dict[str, object]:
    """Return a receipt as it stands in the member's copy."""
    return {
        **signed_part(receipt),
        "replayed": receipt.replayed,
        "signature": receipt.signature,
    }


def signed_part(receipt: Receipt) -> Mapping[str, object]:
    """Return what the signature is over."""
    return {
        "report_id": str(receipt.report_id),
        "member_id": str(receipt.member_id),
        "received_at": f"{receipt.received_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "rows_taken": receipt.rows_taken,
        "rows_refused": receipt.rows_refused,
        "errors": [{"row": error.row, "column": error.column, "reason": error.reason} for error in receipt.errors],
        "reasons": dict(receipt.reasons),
        "content_sha256": receipt.content_sha256,
        "deadline": f"{receipt.deadline:%Y-%m-%dT%H:%M:%SZ}",
    }


def _signed(receipt: Receipt, signer: ReceiptSigner, canonical: Canonical) -> Receipt:
    return replace(receipt, signature=signer.sign(canonical(signed_part(receipt))))
