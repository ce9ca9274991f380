"""Scene of the recipients: each carrier reads its own sources, acknowledges them and says what it did."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from hub.demo import cast as casting
from hub.demo.cast import Player
from hub.demo.stage import Delivered, Stage
from hub.demo.texts import say
from kessetsu_client import Client, Gone, Outcome, Parcel

_AT_ONCE: Final = 3
_FEW: Final = 2
_SPOOFABLE: Final = "spoofable"

Plan = Callable[[int], list[Outcome]]
"""From the number of rows to what a carrier says it did."""


@dataclass(frozen=True, slots=True)
class Received:
    """What one carrier got, and did."""

    player: Player
    delivered: Delivered | None
    records: int = 0
    sources: int = 0
    spoofable: int = 0
    acknowledged: bool = False
    answered: str = ""


def _all(code: str) -> Plan:
    return lambda _rows: [Outcome(code, "all")]


def _but_a_few(code: str, other: str) -> Plan:
    def plan(rows: int) -> list[Outcome]:
        few = tuple(range(1, min(_FEW, rows) + 1))
        return [Outcome(code, "all"), Outcome(other, few)]

    return plan


def _first_half(code: str) -> Plan:
    return lambda rows: [Outcome(code, tuple(range(1, max(rows // 2, 1) + 1)))]


_PLANS: Final[Sequence[Plan | None]] = (
    _all("warned"),
    _all("identified"),
    _but_a_few("warned", "not-our-customer"),
    _all("blocked"),
    _first_half("suspended"),
    _but_a_few("warned", "false-positive"),
    None,  # acknowledges and has not answered yet
    _all("cannot-identify"),
)


def receive(stage: Stage) -> None:
    """Let the carriers act, and show what each did."""
    cast = stage.cast
    if cast is None:
        raise ValueError("the parts are cast before they play")
    stage.screen.step(
        say("What each carrier received, acknowledged and answered"),
        say(
            "Only the operator of a source's network can find its subscriber; each gets its own sources and no others."
        ),
    )
    players = casting.by_name(stage.players, cast.actors)
    copies = stage.hub.base / "copies"
    copies.mkdir(mode=0o700)
    with (
        stage.screen.progress(
            say("{count} carriers read, acknowledge, answer", count=len(players)), len(players)
        ) as tell,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        waiting = [pool.submit(_act, stage, player, place, copies) for place, player in enumerate(players)]
        received = []
        for done, one in enumerate(waiting, start=1):
            received.append(one.result())
            tell(done)
    stage.delivered = [one.delivered for one in received if one.delivered is not None]
    _show(stage, received)
    _show_fields(stage)


def _act(stage: Stage, player: Player, place: int, copies: Path) -> Received:
    with stage.client(player) as client:
        parcel = next(iter(client.inbox_iter(state="released", drill=True)), None)
        if parcel is None:
            return Received(player, None)
        try:
            return _handle(client, player, parcel, _PLANS[place % len(_PLANS)], copies / f"{parcel.parcel_id}.csv")
        except Gone:
            return Received(player, None, answered=say("too late"))


def _handle(client: Client, player: Player, parcel: Parcel, plan: Plan | None, copy: Path) -> Received:
    client.inbox_get(parcel.parcel_id, copy, "csv")
    rows = pl.read_csv(copy, infer_schema=False)
    client.inbox_ack(parcel.parcel_id)
    answered = say("not yet")
    if plan is not None:
        client.outcome_report(parcel.parcel_id, plan(rows.height))
        standing = client.outcomes(parcel.parcel_id)
        counts = [(one.code, rows.height if one.rows == "all" else len(one.rows)) for one in standing.outcomes]
        answered = ", ".join(f"{code} {count:,}" for code, count in counts)
        answered += say(", {count:,} open", count=standing.open) if standing.open else ""
    spoofable = rows.filter(pl.col("marks").str.contains(_SPOOFABLE)).height if "marks" in rows.columns else 0
    return Received(
        player, Delivered(player, parcel, copy), rows.height, rows["src_ip"].n_unique(), spoofable, True, answered
    )


def _show(stage: Stage, received: Sequence[Received]) -> None:
    stage.screen.table(
        [say("carrier"), say("records"), say("sources"), say("spoofable"), say("acknowledged"), say("answered")],
        [
            (
                one.player.shown, one.records, one.sources, one.spoofable,
                say("yes") if one.acknowledged else say("no"), one.answered,
            )
            for one in received
        ],
    )  # fmt: skip
    stage.promise(
        say("Every carrier shown has its sources and has acknowledged them."),
        kept=all(one.acknowledged for one in received),
    )


def _show_fields(stage: Stage) -> None:
    """Show for one carrier which fields it sees, which not, and why."""
    if not stage.delivered:
        return
    first = stage.delivered[0]
    with stage.client(first.player) as client:
        shown = client.inbox_show(first.parcel.parcel_id)
    stage.screen.line(say("Shown to it: {fields}.", fields=", ".join(shown.fields)))
    for grant in shown.explanation:
        if not grant.granted:
            stage.screen.line(
                say("Withheld: {field}. {why}", field=grant.field, why=stage.words(grant.reason, grant.reason_ja))
            )
