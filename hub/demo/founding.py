"""First scenes: a hub is made, and learns who is who."""

from datetime import datetime, timedelta

from hub.demo import cast as casting
from hub.demo.drawn import drawn_world
from hub.demo.stage import Stage
from hub.demo.texts import say
from hub.demo.world import DATA_VARIABLE, World, data_directory, recorded_world

_LONG_AGO = timedelta(days=365)


def set_up(stage: Stage) -> None:
    """Make the hub and start it."""
    screen, hub = stage.screen, stage.hub
    screen.step(
        say("A hub of its own"),
        say("Keys, certificate, database and passwords are made here and now: there is no default secret to change."),
    )
    screen.command("kessetsu init --demo")
    with screen.progress(say("Keys, certificate, PostgreSQL")):
        hub.make()
    screen.command("kessetsu up")
    with screen.progress(say("Database, API and worker"), total=None) as tell:
        hub.start()
        hub.wait_ready(tell)
    screen.line(say("It answers at {url}, with a certificate of its own.", url=hub.url))


def introduce(stage: Stage) -> None:
    """Load prefix table, members and holdings."""
    screen = stage.screen
    screen.step(
        say("Who is who"),
        say("Who is told of a source must have operated its network then: dated holdings that an officer approved."),
    )
    world = _world(stage)
    since = stage.clock.now() - _LONG_AGO
    cast = casting.choose(world)
    stage.world, stage.cast = world, cast
    _import_prefixes(stage, world, since)
    _import_members(stage, cast, since)
    _other_parts(stage, cast)
    with screen.progress(say("Tokens, 256 random bits each; the hub keeps digests only")):
        stage.players = casting.issue_tokens(stage.hub.settings, stage.clock, cast.members)
    screen.line(
        say(
            "{members:,} members: {carriers:,} carriers by their real names, and made-up ones for the other parts.",
            members=len(stage.players),
            carriers=len(cast.carriers),
        )
    )


def _world(stage: Stage) -> World:
    directory = data_directory()
    with stage.screen.progress(say("Reading prefixes, names and the attack")):
        world = recorded_world(directory, stage.size) if directory else drawn_world(stage.hub.base, stage.size)
    stage.screen.line(say("From {origin}.", origin=world.origin))
    if world.drawn:
        stage.screen.line(
            say(
                "No data set is named in {variable}, so the attack's sources are drawn from these real prefixes.",
                variable=DATA_VARIABLE,
            )
        )
        stage.screen.line(say("The package names operators without numbers: they get AS numbers for private use."))
    return world


def _import_prefixes(stage: Stage, world: World, since: datetime) -> None:
    stage.screen.command(f"kessetsu prefixes import {world.table_file.name} --valid-from {since:%Y-%m-%d}")
    with stage.screen.progress(say("Prefix table")):
        stage.hub.command(
            "prefixes", "import", str(world.table_file), "--valid-from", since.isoformat(), "--by", casting.OFFICER
        )


def _import_members(stage: Stage, cast: casting.Cast, since: datetime) -> None:
    base = stage.hub.base
    casting.write_members(base / "members.csv", cast.members)
    casting.write_holdings(base / "holdings.csv", cast.members, since)
    stage.screen.command("kessetsu member import members.csv")
    with stage.screen.progress(say("Members")):
        stage.hub.command("member", "import", str(base / "members.csv"))
    stage.screen.command("kessetsu holding import holdings.csv --approve")
    with stage.screen.progress(say("Holdings, approved by an officer")):
        stage.hub.command("holding", "import", str(base / "holdings.csv"), "--approve", "--by", casting.OFFICER)


def _other_parts(stage: Stage, cast: casting.Cast) -> None:
    """Let a delegate join for a time, and suspend a member: every later answer must follow from that."""
    until = (stage.clock.now() + _LONG_AGO).isoformat()
    agreement = ["--agreement", casting.AGREEMENT, "--accepted-by", casting.OFFICER]
    stage.hub.command("member", "add", casting.DELEGATE, "--kind", "vendor", *agreement)
    stage.hub.command(
        "member", "capacity", "add", casting.DELEGATE, "delegate", "--delegator", cast.operator.name, "--to", until
    )
    stage.hub.command("member", "suspend", casting.SUSPENDED, "--reason", "drill")
    stage.screen.line(
        say("{delegate} acts for {operator}; {suspended} is suspended.", delegate=casting.DELEGATE,
            operator=cast.operator.name, suspended=casting.SUSPENDED)
    )  # fmt: skip
