"""What a kept demo leaves for scripts: how to reach it, and every token, in one private file.

``.demo/access.json`` (mode 0600, removed with the demo)::

    {"base_url": "https://127.0.0.1:40123",
     "taxii_url": null,
     "ca_file": "/…/.demo/tls/ca.pem",
     "members": [{"name": …, "kind": "carrier", "capacity": "carrier", "capacity_id": …, "asn": 4713, "token": …}, …],
     "people": []}

``taxii_url`` is null as long as the hub serves no TAXII, ``people`` empty as long as people cannot sign in: what
is not there is not promised. ``asn`` is the system whose sources a carrier is sent, null where it holds none.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hub.demo.cast import Player

FILE_NAME: Final = "access.json"


def write_access(directory: Path, base_url: str, ca_file: Path, players: Iterable[Player]) -> Path:
    """Write the file new, readable by its owner only, and return its path."""
    document = {
        "base_url": base_url,
        "taxii_url": None,
        "ca_file": str(ca_file),
        "members": [_member(player) for player in players],
        "people": [],
    }
    file = directory / FILE_NAME
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        json.dump(document, written, ensure_ascii=False, indent=1)
    return file


def _member(player: Player) -> dict[str, object]:
    return {
        "name": player.name,
        "kind": player.kind.value,
        "capacity": player.kind.value,
        "capacity_id": str(player.capacity_id),
        "asn": player.asn,
        "token": player.token,
    }
