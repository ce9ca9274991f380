"""Commands on tokens: the way in for members' programs."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from hub.cli.catalogue import say
from hub.cli.lazy import lazily
from hub.cli.session import Session, pass_session
from hub.cli.showing import plain, report_done, show_rows, write_json
from hub.cli.speaking import Group
from hub.cli.values import NEW_FILE, SPAN
from hub.vocabulary import Scope

if TYPE_CHECKING:
    from hub.cli.acts import tokens as acts
    from hub.members.credentials import IssuedToken
else:
    acts = lazily("hub.cli.acts.tokens")

_out = click.option("--out", type=NEW_FILE, metavar="FILE", help="New file for the token, mode 0600.")
_show = click.option("--show", is_flag=True, help="Show the token instead, this once.")
_expires = click.option(
    "--expires-in",
    "lifetime",
    type=SPAN,
    default="90d",
    show_default=True,
    help="How long it lives, at most 400d.",
)


@click.group(
    cls=Group,
    help="""Tokens of members' programs.

    The hub keeps a digest only: what is not written down when it is issued is lost.""",
    examples=('kessetsu token list "Example Net"', "kessetsu token rotate 9c0d… --out example.token"),
)
def token() -> None:
    """Hold the commands together."""


@token.command(
    help="Issue a token for a member, bound to one capacity.",
    examples=(
        (
            'kessetsu token issue "Example Net" --capacity carrier --scope push --scope inbox --scope outcomes \\\n'
            '    --expires-in 90d --label "SOC gateway" --out example.token'
        ),
        'kessetsu token issue "Example Net" --scope inbox --label test --expires-in 1h --show',
    ),
)
@click.argument("member_name", metavar="MEMBER")
@click.option("--capacity", metavar="KIND|ID", help="In which capacity it acts; needed where the member has several.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may be used for; may be repeated.",
)
@_expires
@click.option("--label", required=True, metavar="TEXT", help="What tells it from the member's other tokens.")
@_out
@_show
@pass_session
def issue(session: Session, /, *, member_name: str, scopes: tuple[str, ...], show: bool, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Issue a token."""
    _refuse_unwritten(given["out"], show=show)
    with session.store() as store:
        issued = acts.issue(store, session.clock, member_name, scopes=tuple(map(Scope, scopes)), **given)
    _tell(session, issued, given["out"])


@token.command(
    name="list",
    help="List a member's tokens, newest first.",
    examples=('kessetsu token list "Example Net"',),
)
@click.argument("member_name", metavar="MEMBER")
@pass_session
def list_(session: Session, /, *, member_name: str) -> None:
    """List tokens."""
    with session.store() as store:
        rows = acts.listed(store, session.clock, member_name)
    headings = {
        "label": "label",
        "capacity": "acts as",
        "scopes": "scopes",
        "expires_at": "expires",
        "revoked_at": "revoked",
        "in_force": "in force",
        "id": "id",
    }
    show_rows(session, rows, headings, empty="The member has no tokens.")


@token.command(
    help="""Issue a successor with the same capacity and scopes.

    Both work during the overlap, so that the member can change over; then the old one ends.""",
    examples=("kessetsu token rotate 9c0d… --overlap 24h --out example.token",),
)
@click.argument("credential_id", metavar="ID", type=click.UUID)
@click.option("--overlap", type=SPAN, default="24h", show_default=True, help="How long the old token still works.")
@_expires
@_out
@_show
@pass_session
def rotate(
    session: Session,
    /,
    *,
    credential_id: UUID,
    overlap: timedelta,
    lifetime: timedelta,
    out: Path | None,
    show: bool,
) -> None:
    """Rotate a token."""
    _refuse_unwritten(out, show=show)
    with session.store() as store:
        issued = acts.rotate(store, session.clock, credential_id, overlap=overlap, lifetime=lifetime, out=out)
    _tell(session, issued, out)


@token.command(help="End a token now.", examples=("kessetsu token revoke 9c0d…",))
@click.argument("credential_id", metavar="ID", type=click.UUID)
@pass_session
def revoke(session: Session, /, *, credential_id: UUID) -> None:
    """Revoke a token."""
    with session.store() as store:
        acts.revoke(store, session.clock, credential_id)
    report_done(session, "The token is revoked.", {"id": credential_id})


def _refuse_unwritten(out: Path | None, *, show: bool) -> None:
    if (out is not None) == show:
        raise click.UsageError(say("give --out FILE, or --show to see the token this once"))


def _tell(session: Session, issued: "IssuedToken", out: Path | None) -> None:
    facts = {"id": issued.credential_id, "expires_at": issued.expires_at, "file": out}
    if session.json:
        write_json(plain(facts | ({} if out else {"token": issued.text})))
        return
    if out is None:
        click.echo(issued.text)
    click.echo(
        say(
            "Token {id} is in force until {expires}.",
            id=issued.credential_id,
            expires=issued.expires_at.astimezone().isoformat(" ", "seconds"),
        ),
        err=out is None,
    )


COMMANDS: Final = (token,)
