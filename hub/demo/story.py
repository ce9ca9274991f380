"""The scenes in order, on one screen."""

from hub.demo import access, ending, founding, receiving, reporting, unseen
from hub.demo.stage import Stage
from hub.demo.texts import say


def play(stage: Stage) -> None:
    """Play the drill from the empty directory to the deletion certificate."""
    stage.screen.title(
        say("Kessetsu 結節: a drill, from report to erasure"),
        say("All of it is a drill and marked so. Real names stand for networks; no operator takes part."),
    )
    founding.set_up(stage)
    founding.introduce(stage)
    reporting.try_what_is_refused(stage)
    reporting.report_attack(stage)
    receiving.receive(stage)
    unseen.show_what_nobody_sees(stage)
    ending.wait_for_deadline(stage)
    ending.show_what_is_gone(stage)


def point_onwards(stage: Stage) -> None:
    """Say where to look next."""
    screen = stage.screen
    screen.step(say("Where to look next"), say("What was promised here is kept in few places, each with its tests."))
    for what, where in (
        (say("the whole story on one screen"), "hub/flow.py"),
        (say("who may know what, in sentences a lawyer can read"), "sharing_policies/"),
        (say("how long what may live"), "sharing_policies/retention.toml"),
        (say("for a member: install, push, read, answer"), "README.md, kessetsu-client --help"),
        (say("for the hub's operator"), "kessetsu --help"),
    ):
        screen.line(f"{where}: {what}")
    if stage.broken:
        screen.check(False, say("Not kept: {count}. {what}", count=len(stage.broken), what=" | ".join(stage.broken)))


def keep_open(stage: Stage) -> None:
    """Leave the hub running for scripts, until this process is told to end."""
    file = access.write_access(stage.hub.base, stage.hub.url, stage.hub.ca_file, stage.players.values())
    stage.screen.step(
        say("It stays up"),
        say("It still takes drills only, listens on this machine only, and is removed when it ends."),
    )
    stage.screen.line(say("Address: {url}", url=stage.hub.url))
    stage.screen.line(say("Tokens and certificate, for scripts: {file}", file=file))
    stage.screen.line(say("Ctrl-C ends and removes it."))
    stage.hub.wait_ended()
