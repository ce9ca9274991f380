"""Keys of what was begun and receipts of what was taken, on disk.

Beside the receipts stands one small file per begun request, named by a digest of what it is bound to and
holding the Idempotency-Key. It is on the disk before the first byte is sent, so that repeating the same
command, after whatever happened in between, finds the same key, and the hub recognises the retry::

    receipts/<report id>.json       a receipt, byte for byte as the hub wrote it
    receipts/journal/<digest>.json  {"key", "hub", "begun_at", "deadline"}
"""

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kessetsu_client.decoding import instant_text
from kessetsu_client.errors import FileExists, JournalDamaged
from kessetsu_client.files import private_directory, replace_private, write_private


def default_receipts() -> Path:
    """Return ``$XDG_STATE_HOME/kessetsu/receipts``."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "kessetsu" / "receipts"


@dataclass(frozen=True, slots=True)
class Claim:
    """The key under which one request is made, however often it is sent."""

    key: str
    path: Path
    hub: str
    begun_at: str


class Journal:
    """Receipts and keys under one directory, made when first needed: directories 0700, files 0600."""

    def __init__(self, receipts: Path) -> None:
        """Keep everything under ``receipts``."""
        self.receipts = receipts
        self._entries = receipts / "journal"

    def claim(self, hub: str, *parts: bytes, again: bool = False) -> Claim:
        """Return the key for what ``parts`` describe at ``hub``, the same one until it is released.

        ``again`` makes a new one, for a request that is meant as another one.

        Raises:
            JournalDamaged: where there is an entry and it cannot be read.
        """
        path = private_directory(self._entries) / f"{_digest(hub.encode(), *parts)}.json"
        fresh = Claim(secrets.token_urlsafe(24), path, hub, instant_text(datetime.now(UTC)))
        if again:
            replace_private(path, _entry(fresh, None))
            return fresh
        with suppress(FileExists):
            write_private(path, _entry(fresh, None))
        return _read_claim(path)

    def settle(self, claim: Claim, deadline: datetime) -> None:
        """Note that the report was taken, and until when a repetition can mean the same."""
        replace_private(claim.path, _entry(claim, deadline))

    def release(self, claim: Claim) -> None:
        """Forget a key: what it stood for was answered, and doing it once more is meant."""
        claim.path.unlink(missing_ok=True)

    def keep_receipt(self, report_id: str, content: bytes) -> Path:
        """Keep a receipt as it came; the first one of a report stays."""
        path = private_directory(self.receipts) / f"{report_id}.json"
        with suppress(FileExists):
            write_private(path, content)
        return path

    def prune(self, now: datetime) -> None:
        """Forget the keys of reports past their deadline: no hub takes those again."""
        if not self._entries.is_dir():
            return
        for path in self._entries.glob("*.json"):
            deadline = _deadline(path)
            if deadline is not None and deadline < now:
                path.unlink(missing_ok=True)


def _digest(*parts: bytes) -> str:
    """Digest parts so that no two lists of them run together."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _entry(claim: Claim, deadline: datetime | None) -> bytes:
    content = {
        "key": claim.key,
        "hub": claim.hub,
        "begun_at": claim.begun_at,
        "deadline": None if deadline is None else instant_text(deadline),
    }
    return json.dumps(content, indent=1).encode()


def _read_claim(path: Path) -> Claim:
    try:
        content = json.loads(path.read_bytes())
        return Claim(content["key"], path, content["hub"], content["begun_at"])
    except (ValueError, KeyError, TypeError, OSError):
        raise JournalDamaged(
            f"The journal entry {path} cannot be read.",
            action="Ask the hub (report list) whether it has the report; remove the entry only if it has not.",
        ) from None


def _deadline(path: Path) -> datetime | None:
    """Return the deadline of a settled entry; ``None`` where there is none or it cannot be told."""
    try:
        return datetime.fromisoformat(json.loads(path.read_bytes())["deadline"])
    except (ValueError, KeyError, TypeError, OSError):
        return None
