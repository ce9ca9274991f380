"""Acts on tokens. The text of a token goes into one file, or onto the terminal once; nowhere else."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hub.audit.entry import Act
from hub.cli.acts.finding import capacity_of, member_of
from hub.cli.acts.noting import note
from hub.cli.catalogue import say
from hub.clock import Clock
from hub.errors import BadInput, Conflict, NotFound
from hub.members.credentials import IssuedToken
from hub.store.credentials import CredentialFacts
from hub.store.unit import Store, Unit
from hub.vocabulary import Scope, Standing

LONGEST: Final = timedelta(days=400)


def issue(
    store: Store,
    clock: Clock,
    name: str,
    *,
    capacity: str | None,
    scopes: Sequence[Scope],
    lifetime: timedelta,
    label: str,
    out: Path | None,
) -> IssuedToken:
    """Make a token; it is in the file when this returns, or in neither file nor database.

    Raises:
        NotFound: nobody knows the member.
        BadInput: the capacity is unclear, the lifetime too long, or the file is there already.
        Conflict: the member may not take part at present.
    """
    now = clock.now()
    _refuse_long(lifetime)
    with _written(out) as write, store.writing() as unit:
        member = member_of(unit, name)
        if member.standing is not Standing.ACTIVE:
            raise Conflict(
                say("The member may not take part at present."),
                got=member.standing.value,
                expected=Standing.ACTIVE.value,
                action=say("Reinstate it first: kessetsu member reinstate MEMBER"),
            )
        holder = capacity_of(unit, member, capacity, now)
        issued = unit.credentials.issue(holder.id, label=label, scopes=set(scopes), expires_at=now + lifetime, now=now)
        note(unit, clock, Act.TOKEN_ISSUED, credential=issued.credential_id, capacity=holder.id, member=member.id)
        write(issued.text)
    return issued


def rotate(
    store: Store, clock: Clock, credential_id: UUID, *, overlap: timedelta, lifetime: timedelta, out: Path | None
) -> IssuedToken:
    """Make a successor of a token; both work until ``overlap`` from now is over.

    Raises:
        NotFound: no token of this id is in force.
        BadInput: the lifetime is too long, or the file is there already.
    """
    now = clock.now()
    _refuse_long(lifetime)
    with _written(out) as write, store.writing() as unit:
        old = _in_force(unit, credential_id, now)
        issued = unit.credentials.rotate(credential_id, overlap_until=now + overlap, expires_at=now + lifetime, now=now)
        note(
            unit,
            clock,
            Act.TOKEN_ROTATED,
            credential=credential_id,
            successor=issued.credential_id,
            member=old.member_id,
        )
        write(issued.text)
    return issued


def revoke(store: Store, clock: Clock, credential_id: UUID) -> None:
    """End a token now.

    Raises:
        NotFound: no token of this id is in force.
    """
    with store.writing() as unit:
        old = _in_force(unit, credential_id, clock.now())
        unit.credentials.revoke(credential_id, clock.now())
        note(unit, clock, Act.TOKEN_REVOKED, credential=credential_id, member=old.member_id)


def listed(store: Store, clock: Clock, name: str) -> list[dict[str, Any]]:
    """Return a member's tokens, newest first; of their text the hub knows nothing."""
    with store.reading() as unit:
        rows = unit.credentials.of_member(member_of(unit, name).id)
    now = clock.now()
    return [
        {
            "id": credential_id,
            "label": label,
            "capacity": kind,
            "scopes": scopes,
            "expires_at": expires,
            "revoked_at": revoked,
            "in_force": revoked is None and now < expires,
        }
        for credential_id, label, kind, scopes, expires, revoked in rows
    ]


def _in_force(unit: Unit, credential_id: UUID, now: datetime) -> CredentialFacts:
    found = unit.credentials.facts(credential_id)
    if found is None or found.revoked_at is not None or found.expires_at <= now:
        raise NotFound(
            say("No token of this id is in force."),
            got=str(credential_id),
            expected=say("the id of a token that is neither expired nor revoked"),
            action=say("List them with: kessetsu token list MEMBER"),
        )
    return found


def _refuse_long(lifetime: timedelta) -> None:
    if lifetime > LONGEST:
        raise BadInput(
            say("The token would live too long."),
            got=f"{lifetime.days}d",
            expected=say("at most {most}", most=f"{LONGEST.days}d"),
            action=say("Give it a shorter life and rotate it in time: kessetsu token rotate"),
        )


class _Sink:
    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def __call__(self, text: str) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, text.encode() + b"\n")
            os.fsync(self._descriptor)


@contextmanager
def _written(out: Path | None) -> Iterator[_Sink]:
    """Open a new file of mode 0600 for the token; it goes again unless the block ends well."""
    if out is None:
        yield _Sink(None)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BadInput(
            say("The file is there already."),
            got=str(out),
            expected=say("a new file"),
            action=say("Choose another path; a token never replaces another."),
        ) from None
    try:
        yield _Sink(descriptor)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
