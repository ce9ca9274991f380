"""``holding``, ``certificate``, ``me`` and ``config``: who one is and what one holds."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from kessetsu_client.cli.catalogue import say
from kessetsu_client.cli.layout import pairs, table
from kessetsu_client.cli.session import Session, pass_session
from kessetsu_client.cli.speaking import Command, Group
from kessetsu_client.cli.values import Day, local, utc_now
from kessetsu_client.errors import BadConfiguration

if TYPE_CHECKING:
    from kessetsu_client.answers import Certificate, Holding


@click.group(cls=Group, help="Declare the networks you operate.")
def holding() -> None:
    """Group the holding commands."""


@holding.command("list", help="List your networks and declarations.", examples=("kessetsu-client holding list",))
@pass_session
def list_holdings(session: Session) -> None:
    """Show holdings."""
    with session.client() as client:
        holdings = client.holdings()
    headings = tuple(map(say, ("Holding", "Network", "Since", "Until", "Shared", "State")))
    rows = list(map(_line, holdings))
    session.write({"holdings": holdings}, lambda: table(headings, rows) if rows else say("There are no holdings."))


@holding.command(
    "declare",
    help="""Declare a network as yours, by prefix or by AS number.

    It is a proposal until the hub's officer approves it.""",
    examples=(
        "kessetsu-client holding declare --prefix 192.0.2.0/24 --from 2024-04-01",
        "kessetsu-client holding declare --asn 64496 --from 2020-01-01T00:00:00+09:00",
    ),
)
@click.option("--prefix", metavar="PREFIX", help="Prefix of the network.")
@click.option("--asn", type=click.IntRange(1, 4294967295), help="AS number of the network.")
@click.option("--from", "valid_from", type=Day(), help="Operated since; a date counts in UTC. Otherwise now.")
@click.option("--to", "valid_to", type=Day(), help="Operated until.")
@click.option("--shared-space", is_flag=True, help="Addresses shared by subscribers (CGNAT, MAP-E, DS-Lite).")
@pass_session
def declare(
    session: Session,
    prefix: str | None,
    asn: int | None,
    valid_from: datetime | None,
    valid_to: datetime | None,
    *,
    shared_space: bool,
) -> None:
    """Declare one network."""
    if (prefix is None) == (asn is None):
        raise click.UsageError(say("give exactly one of --prefix and --asn"), click.get_current_context(silent=True))
    with session.client() as client:
        proposed = client.declare_holding(
            prefix=prefix, asn=asn, valid_from=valid_from or utc_now(), valid_to=valid_to, shared_space=shared_space
        )
    session.write(
        proposed, lambda: say("Declared: {network} ({state}).", network=_network(proposed), state=proposed.state)
    )


@click.group(cls=Group, help="See proof of what was erased.")
def certificate() -> None:
    """Group the certificate commands."""


@certificate.command(
    "list",
    help="List deletion certificates over your parcels and reports.",
    examples=("kessetsu-client certificate list --json",),
)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many.")
@pass_session
def list_certificates(session: Session, limit: int | None) -> None:
    """Show certificates."""
    with session.client() as client:
        found = client.certificates(limit=limit)
    session.write(
        found,
        lambda: (
            "\n\n".join(map(_flat, found.certificates)) if found.certificates else say("There are no certificates.")
        ),
    )


@click.command(cls=Command, help="Show whom the hub takes you for.", examples=("kessetsu-client me",))
@pass_session
def me(session: Session) -> None:
    """Show the caller."""
    with session.client() as client:
        caller = client.me()
    lines = [
        (say("Member"), caller.member),
        (say("Capacity"), caller.capacity),
        (say("Standing"), caller.standing),
        (say("May"), ", ".join(caller.scopes)),
        (say("Token expires"), local(caller.token_expires_at)),
    ]
    session.write(caller, lambda: pairs(lines))


@click.group(cls=Group, help="See the settings in force.")
def config() -> None:
    """Group the settings commands."""


@config.command(
    "show",
    help="Show each setting, where it comes from, and whether the token can be read; never the token.",
    examples=("kessetsu-client config show",),
)
@pass_session
def show_config(session: Session) -> None:
    """Show the settings."""
    settings = session.settings()
    from kessetsu_client.journal import default_receipts  # noqa: PLC0415 - --help need not pay for it

    values = {
        "url": settings.url,
        "token_file": settings.token_file,
        "ca_file": settings.ca_file,
        "receipts": settings.receipts or default_receipts(),
    }
    try:
        settings.require_url()
        settings.read_token()
        problem = None
    except BadConfiguration as error:
        problem = f"{error.message} {error.action or ''}".strip()
    rows = [
        (name, "-" if value is None else str(value), settings.origins.get(name, "")) for name, value in values.items()
    ]
    session.write(
        {"settings": values, "origins": settings.origins, "problem": problem},
        lambda: f"{table((say('Setting'), say('Value'), say('From')), rows)}\n\n{problem or say('Ready.')}",
    )


COMMANDS: Final = (holding, certificate, me, config)


def _line(item: "Holding") -> tuple[str, ...]:
    shared = say("yes") if item.shared_space else say("no")
    dates = (local(item.valid_from), local(item.valid_to))
    return (item.holding_id or "-", _network(item), *dates, shared, item.state)


def _network(item: "Holding") -> str:
    return item.prefix or f"AS{item.asn}"


def _flat(certificate: "Certificate") -> str:
    return pairs(
        [
            (say("Certificate"), certificate.certificate_id),
            *((name, str(value)) for name, value in certificate.statement.items()),
            (say("Signature"), certificate.signature),
        ]
    )
