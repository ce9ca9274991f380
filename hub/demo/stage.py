"""What all scenes share: the screen, the hub, the players, and what became of promises so far."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.clock import Clock
from hub.demo.cast import Cast, Player
from hub.demo.instance import Instance
from hub.demo.screen import Screen
from hub.demo.world import World
from kessetsu_client import Client, Parcel, Patience


@dataclass(frozen=True, slots=True)
class Delivered:
    """A parcel a carrier has read, and where its copy is."""

    player: Player
    parcel: Parcel
    copy: Path


@dataclass
class Stage:
    """One run of the demo."""

    screen: Screen
    hub: Instance
    clock: Clock
    language: str
    size: int
    world: World | None = None
    cast: Cast | None = None
    players: Mapping[str, Player] = field(default_factory=dict)
    attack_file: Path | None = None
    report_id: str = ""
    flood_id: str = ""
    deadline: datetime | None = None
    delivered: list[Delivered] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Promises that were found not kept."""

    def client(self, player: Player) -> Client:
        """Return what this member's program works with; the caller closes it."""
        receipts = self.hub.base / "receipts" / str(player.capacity_id)
        return Client(
            self.hub.url, player.token, ca_file=self.hub.ca_file, receipts=receipts, patience=Patience(limit=20.0)
        )

    def promise(self, text: str, *, kept: bool) -> None:
        """Show whether a promise is kept, and remember if not."""
        if not self.screen.check(kept, text):
            self.broken.append(text)

    def words(self, english: str | None, japanese: str | None) -> str:
        """Choose one of the hub's sentences by the language shown."""
        return (japanese if self.language == "ja" else english) or english or ""


def status_and_body(response: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - httpx's own
    """Return status and JSON of a plain answer, without what differs between any two requests."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = {}
    return response.status_code, {name: value for name, value in body.items() if name != "request_id"}
