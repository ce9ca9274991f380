"""Scenes of the reporter: what the hub refuses, what it holds, and what it takes."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from hub.clock import floor_to
from hub.demo import attack, cast
from hub.demo.stage import Stage
from hub.demo.texts import say
from hub.errors import Unavailable
from kessetsu_client import BadInput, Client, Receipt, Report

_LOOK: Final = 0.1
_PATIENCE: Final = 25.0
_SEED: Final = 20_261_120
_SETTLED: Final = frozenset({"released", "held", "lapsed", "refused"})


def try_what_is_refused(stage: Stage) -> None:
    """Push what may not be taken: a real report to a demo's hub, a report without basis, a forged flood."""
    stage.screen.step(
        say("What the hub does not take"),
        say("No purpose, no data; and where sources look forged, a count per carrier would accuse the wrong ones."),
    )
    start = stage.clock.now() - attack.WINDOW
    file = stage.hub.base / "flood.csv.gz"
    attack.write_flood(file, start, _SEED)
    statement = attack.envelope(start, "syn-flood")
    with stage.client(stage.players[cast.REPORTER]) as reporter:
        real = attack.envelope(start, "syn-flood", drill=False)
        _expect_refusal(stage, say("A report that is no drill"), lambda: reporter.push(file, real))
        without = {name: value for name, value in statement.items() if name != "legal_basis"}
        _expect_refusal(stage, say("A report without a legal basis"), lambda: reporter.push(file, without))
        stage.flood_id = reporter.push(file, statement).receipt.report_id
        report = _settled(reporter, stage.flood_id, lambda _seconds: None)
    stage.promise(
        say("A flood from {count:,} random sources is held for an officer ({reason}); nobody is told.",
            count=attack.FLOOD_SOURCES, reason=report.hold_reason or report.state),
        kept=report.state == "held",
    )  # fmt: skip
    _show_why_held(stage)


def _expect_refusal(stage: Stage, what: str, push: Callable[[], object]) -> None:
    try:
        push()
    except BadInput as refused:
        faults = "; ".join(f"{fault.where}: {fault.expected}" for fault in refused.errors)
        why = f"{refused} {faults}".strip()
        stage.promise(say("{what} is refused: {why}", what=what, why=why), kept=True)
    else:
        stage.promise(say("{what} is refused.", what=what), kept=False)


def _show_why_held(stage: Stage) -> None:
    for held in stage.hub.command("report", "held"):
        if held["id"] == stage.flood_id:
            stage.screen.line(f"  {held['why']}")


def report_attack(stage: Stage) -> None:
    """Push the attack, and push it again as after a lost answer."""
    world = stage.world
    if world is None:
        raise ValueError("the world is made before the attack")
    stage.screen.step(
        say("One carrier reports an attack"),
        say("It states legal basis, purpose and mandate, and lives until 30 s after its first event."),
    )
    start = floor_to(stage.clock.now(), timedelta(seconds=1)) + timedelta(seconds=1)
    file = stage.hub.base / "attack.csv.gz"
    with stage.screen.progress(say("{count:,} flows, given times of just now", count=world.flows.height)):
        attack.write_attack(file, world.flows, start)
        time.sleep(max(0.0, (start + attack.WINDOW - stage.clock.now()).total_seconds()))
    stage.attack_file = file
    statement = attack.envelope(start, "syn-flood" if world.drawn else "scan")
    with stage.client(stage.players[cast.REPORTER]) as reporter:
        receipt = _push(stage, reporter, statement)
        stage.report_id, stage.deadline = receipt.report_id, receipt.deadline
        again = reporter.push(file, statement).receipt
        stage.promise(
            say("Sent again, as after a lost answer: the same receipt, nothing is taken twice."),
            kept=again.replayed and again.report_id == receipt.report_id,
        )
        _follow(stage, reporter)


def _push(stage: Stage, reporter: Client, statement: dict[str, object]) -> Receipt:
    if stage.attack_file is None:
        raise ValueError("the attack is written before it is pushed")
    size = stage.attack_file.stat().st_size
    stage.screen.command("kessetsu-client push attack.csv.gz --kind attack --purpose drill --class drill-short …")
    with stage.screen.progress(say("Upload, {size:.1f} MB", size=size / 1e6), total=size) as tell:
        receipt = reporter.push(stage.attack_file, statement, progress=lambda done, _total: tell(done)).receipt
    stage.screen.line(
        say("Receipt: {taken:,} rows taken, {refused:,} refused; gone by {deadline:%H:%M:%S} UTC; signed {signature}…",
            taken=receipt.rows_taken, refused=receipt.rows_refused, deadline=receipt.deadline,
            signature=receipt.signature[:16])
    )  # fmt: skip
    return receipt


def _follow(stage: Stage, reporter: Client) -> None:
    with stage.screen.progress(say("Whose sources, what each may know, sealed, released"), total=None) as tell:
        report = _settled(reporter, stage.report_id, tell)
    stage.promise(say("The report is released."), kept=report.state == "released")
    stage.screen.line(
        say("Delivered: {records:,} records to {recipients:,} carriers. The others' sources are nobody's to see.",
            records=report.delivered.records or 0, recipients=report.delivered.recipients or 0)
    )  # fmt: skip


def _settled(reporter: Client, report_id: str, tell: Callable[[float], None]) -> Report:
    began = time.monotonic()
    while True:
        report = reporter.report_get(report_id)
        waited = time.monotonic() - began
        tell(waited)
        if report.state in _SETTLED:
            return report
        if waited > _PATIENCE:
            raise Unavailable(
                say("The report is still '{state}' after {seconds:.0f} s.", state=report.state, seconds=waited),
                action=say("Run the demo with fewer flows: python -m hub.demo --size 50000"),
            )
        time.sleep(_LOOK)
