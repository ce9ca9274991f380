"""Scene of what nobody may see: other members ask, and the disk is searched."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import polars as pl

from hub.addresses import parse_one
from hub.demo import cast as casting
from hub.demo.cast import Player
from hub.demo.stage import Delivered, Stage, status_and_body
from hub.demo.texts import say

_SEARCHED: Final = 5
"""Addresses looked for, each in four forms."""
_HALF: Final = 8
_NOT_THERE: Final = 404
_NOT_PERMITTED: Final = 403
_NOT_KNOWN: Final = 401


def show_what_nobody_sees(stage: Stage) -> None:
    """Ask as everybody else, and search the database's files for what was delivered."""
    stage.screen.step(
        say("What nobody may see"),
        say("Default deny: there is one door out, and what no rule permits stays closed, existence included."),
    )
    if len(stage.delivered) > 1:
        _ask_as_others(stage, *stage.delivered[:2])
    _search(stage)


def _ask_as_others(stage: Stage, wanted: Delivered, other: Delivered) -> None:
    names = [
        casting.VENDOR, casting.MAKER, casting.RESEARCHER, casting.AUTHORITY, casting.REPORTER, casting.SUSPENDED,
        casting.DELEGATE, other.player.name,
    ]  # fmt: skip
    rows = []
    closed = True
    for name in names:
        player = stage.players[name]
        parcels, answer, same = _asked(stage, player, wanted.parcel.parcel_id)
        own = name in {casting.DELEGATE, other.player.name}
        refused = answer == (_NOT_PERMITTED if name == casting.SUSPENDED else _NOT_THERE)
        closed &= refused and same and (own or not parcels)
        rows.append((player.shown, player.kind.value, parcels, answer))
    headings = [
        say("who asks"),
        say("as"),
        say("parcels in its inbox"),
        say("answer for {name}'s parcel", name=wanted.player.shown),
    ]
    stage.screen.table(headings, rows)
    stage.promise(
        say("None of them gets that parcel, and the answer is the same as for one that never was."), kept=closed
    )
    with stage.hub.http() as nobody:
        status, _ = status_and_body(nobody.get(f"/v1/inbox/{wanted.parcel.parcel_id}/records"))
    stage.promise(say("Without a token: {status}.", status=status), kept=status == _NOT_KNOWN)


def _asked(stage: Stage, player: Player, parcel_id: str) -> tuple[int, int, bool]:
    """Return how many parcels a member has, the answer for a foreign one, and whether it is as for none at all."""
    with stage.hub.http(player.token) as http:
        listed = http.get("/v1/inbox").json().get("parcels", [])
        theirs = status_and_body(http.get(f"/v1/inbox/{parcel_id}/records"))
        nobodys = status_and_body(http.get(f"/v1/inbox/{uuid4()}/records"))
    return len(listed), theirs[0], theirs == nobodys


# --- the disk ---------------------------------------------------------------------------------------------


def _search(stage: Stage) -> None:
    """Search every file of the instance but the carriers' own copies for addresses that were delivered."""
    if not stage.delivered or stage.attack_file is None:
        return
    addresses = pl.read_csv(stage.delivered[0].copy, columns=["src_ip"])["src_ip"].unique(maintain_order=True)
    needles = [form for address in addresses.head(_SEARCHED) for form in _forms(address)]
    with gzip.open(stage.attack_file) as sent:
        control = _hits(sent.read(), needles)
    places = _places(stage)
    with stage.screen.progress(say("Searching database, write-ahead log, key store and logs"), len(places)) as tell:
        found, size, reached = 0, 0, False
        report = UUID(stage.report_id).bytes
        for done, file in enumerate(places, start=1):
            content = _content(file)
            found += _hits(content, needles)
            reached |= report in content
            size += len(content)
            tell(done)
    stage.promise(
        say("{count} delivered addresses in {size:,.0f} MB on disk: {found} hits; in the file sent: {control:,}.",
            count=min(_SEARCHED, len(addresses)), size=size / 1e6, found=found, control=control),
        kept=found == 0 and control > 0,
    )  # fmt: skip
    stage.promise(say("The same search does find the report's id, which is no secret."), kept=reached)
    lines = stage.hub.log.read_bytes()
    stage.promise(
        say("The hub's log has {lines:,} lines and not one of these addresses.", lines=lines.count(b"\n")),
        kept=_hits(lines, needles) == 0,
    )


def _forms(address: str) -> Iterator[bytes]:
    """Yield an address as text, as its 128 bits, and as the lower half the columns hold, in both orders of bytes."""
    halves = parse_one(address)
    if halves is None:
        raise ValueError("a delivered source is an address")
    hi, lo = halves
    yield address.encode()
    yield hi.to_bytes(_HALF, "big") + lo.to_bytes(_HALF, "big")
    yield from (lo.to_bytes(_HALF, order) for order in ("little", "big"))


def _hits(content: bytes, needles: Sequence[bytes]) -> int:
    return sum(content.count(needle) for needle in needles)


def _places(stage: Stage) -> list[Path]:
    roots = [stage.hub.home, stage.hub.server.data_directory]
    return sorted({file for root in roots for file in root.rglob("*") if file.is_file()})


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # the database removes and recycles files as it runs
        return b""
