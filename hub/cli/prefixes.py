"""Commands on prefix tables: which AS originates which addresses, by dated versions."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import plain, progress, report_done, show_facts, show_rows
from hub.cli.speaking import Group
from hub.cli.values import EXISTING_FILE, INSTANT

if TYPE_CHECKING:
    from hub.cli.acts import prefixes as acts
else:
    acts = lazily("hub.cli.acts.prefixes")


@click.group(
    cls=Group,
    help="Prefix tables: dated versions of who originates which addresses.",
    examples=("kessetsu prefixes list", "kessetsu prefixes lookup 192.0.2.1"),
)
def prefixes() -> None:
    """Hold the commands together."""


@prefixes.command(
    name="import",
    help="""Take a new version, in force from a moment on; earlier versions stay for earlier records.

    Read are pfx2as text, prefix<TAB>asn, prefix,asn[,name[,country]] and first,last,asn[,name], plain or
    compressed with gzip or zstd. The switch is one commit. A file with any broken line is refused whole, and the
    same file a second time changes nothing.""",
    examples=(
        'kessetsu prefixes import prefix2asn.tsv.zst --valid-from 2026-04-01T00:00:00+00:00 --by "山田 花子"',
        "kessetsu prefixes import table.csv --valid-from now --by ops --source routeviews",
    ),
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--valid-from", type=INSTANT, required=True, help="From when on it is in force.")
@click.option("--by", required=True, metavar="NAME", help="Who imports it; kept with the version.")
@click.option("--source", metavar="TEXT", help="Where it comes from; otherwise the file's name.")
@pass_session
def import_(session: Session, /, *, file: Path, valid_from: datetime, by: str, source: str | None) -> None:
    """Take a version."""
    with session.store() as store, progress(session, "Taking the prefix table", total=acts.STEPS) as tick:
        taken = acts.take(
            store, session.clock, file, valid_from=valid_from, by=by, source=source or file.name, tick=tick
        )
    if taken is None:
        report_done(session, "This file was imported before; nothing was changed.", {"changed": False})
        return
    report_done(
        session,
        "In force from {valid_from} on: {v4:,} IPv4 and {v6:,} IPv6 prefixes of {systems:,} systems.",
        {"changed": True, **plain(taken)},
        valid_from=valid_from.isoformat(),
        v4=taken.prefixes_v4,
        v6=taken.prefixes_v6,
        systems=taken.systems,
    )


@prefixes.command(name="list", help="List the versions, oldest first.", examples=("kessetsu prefixes list",))
@pass_session
def list_(session: Session) -> None:
    """List versions."""
    with session.store() as store:
        rows = [
            plain(one) | {"valid_from": one.valid_from, "imported_at": one.imported_at} for one in acts.tables(store)
        ]
    headings = {
        "valid_from": "from",
        "source": "source",
        "prefixes_v4": "IPv4 prefixes",
        "prefixes_v6": "IPv6 prefixes",
        "systems": "systems",
        "imported_at": "imported",
        "imported_by": "by",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="There is no prefix table yet; take one with `kessetsu prefixes import`.")


@prefixes.command(
    help="""Tell whose an address was at a moment, as attribution would.

    The answer stands on the terminal and nowhere else. With - the address is read from standard input, and so
    does not stay in the shell's history.""",
    examples=(
        "kessetsu prefixes lookup 192.0.2.1",
        "kessetsu prefixes lookup 2001:db8::1 --at 2026-04-01T12:00:00+09:00",
        "kessetsu prefixes lookup -",
    ),
)
@click.argument("address")
@click.option("--at", type=INSTANT, default="now", show_default=True, help="When.")
@pass_session
def lookup(session: Session, /, *, address: str, at: datetime) -> None:
    """Look one address up."""
    asked = sys.stdin.readline().strip() if address == "-" else address
    with session.store() as store:
        facts = acts.lookup(store, asked, at)
    labels = {
        "outcome": "outcome",
        "asn": "origin",
        "country": "country",
        "member": "member",
        "shared": "shared",
        "table": "prefix table",
        "table_from": "in force from",
    }
    shown = facts if session.json else {**facts, "asn": f"AS{facts['asn']}" if facts["asn"] else None}
    show_facts(session, shown, labels)


COMMANDS: Final = (prefixes,)
