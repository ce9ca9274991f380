"""Tokens, by digest, with what their capacity and member are at present."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, select, update

from hub.members.credentials import IssuedToken, StoredCredential, digest_of, new_token, refused
from hub.records import Caller
from hub.store.tables import capacities, credentials, members
from hub.vocabulary import CapacityKind, Scope, Standing


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """Whose a credential is, and how long it is in force."""

    capacity_id: UUID
    member_id: UUID
    expires_at: datetime
    revoked_at: datetime | None


class CredentialRepository:
    """Issues, finds, rotates and revokes credentials."""

    def __init__(self, connection: Connection) -> None:
        """Work over ``connection``."""
        self._connection = connection

    def by_digest(self, digest: bytes) -> StoredCredential | None:
        """Return the credential whose token has this SHA-256."""
        query = (
            select(
                credentials.c.id,
                credentials.c.scopes,
                credentials.c.expires_at,
                credentials.c.revoked_at,
                capacities.c.id.label("capacity_id"),
                capacities.c.kind,
                capacities.c.delegator_id,
                capacities.c.valid_from,
                capacities.c.valid_to,
                members.c.id.label("member_id"),
                members.c.standing,
            )
            .join(capacities, capacities.c.id == credentials.c.capacity_id)
            .join(members, members.c.id == capacities.c.member_id)
            .where(credentials.c.token_sha256 == digest)
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        caller = Caller(
            member_id=row.member_id,
            capacity_id=row.capacity_id,
            kind=CapacityKind(row.kind),
            standing=Standing(row.standing),
            credential_id=row.id,
            scopes=frozenset(map(Scope, row.scopes)),
            delegator_id=row.delegator_id,
        )
        return StoredCredential(caller, row.expires_at, row.revoked_at, row.valid_from, row.valid_to)

    def require_in_force(self, credential_id: UUID, now: datetime) -> None:
        """Refuse a credential that ended since its request began.

        Raises:
            NotAuthenticated: revoked or expired meanwhile.
        """
        query = select(credentials.c.id).where(
            credentials.c.id == credential_id, credentials.c.revoked_at.is_(None), credentials.c.expires_at > now
        )
        if self._connection.execute(query).one_or_none() is None:
            raise refused()

    def about(self, credential_id: UUID) -> tuple[str, datetime]:
        """Return the member's name and the token's end."""
        query = (
            select(members.c.name, credentials.c.expires_at)
            .select_from(credentials)
            .join(capacities, capacities.c.id == credentials.c.capacity_id)
            .join(members, members.c.id == capacities.c.member_id)
            .where(credentials.c.id == credential_id)
        )
        row = self._connection.execute(query).one()
        return row.name, row.expires_at

    def facts(self, credential_id: UUID) -> CredentialFacts | None:
        """Return whose a credential is, whether in force or not; ``None`` where there is none of this id."""
        query = (
            select(
                credentials.c.capacity_id, capacities.c.member_id, credentials.c.expires_at, credentials.c.revoked_at
            )
            .join(capacities, capacities.c.id == credentials.c.capacity_id)
            .where(credentials.c.id == credential_id)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else CredentialFacts(*row)

    def issue(
        self,
        capacity_id: UUID,
        *,
        label: str,
        scopes: Iterable[Scope],
        expires_at: datetime,
        now: datetime,
        replaces: UUID | None = None,
    ) -> IssuedToken:
        """Make a token for a capacity; its text exists in the returned object only."""
        token, credential_id = new_token(), uuid4()
        self._connection.execute(
            insert(credentials).values(
                id=credential_id,
                capacity_id=capacity_id,
                label=label,
                token_sha256=digest_of(token),
                scopes=sorted(scope.value for scope in scopes),
                created_at=now,
                expires_at=expires_at,
                replaces_id=replaces,
            )
        )
        return IssuedToken(credential_id, token, expires_at)

    def rotate(
        self, credential_id: UUID, *, overlap_until: datetime, expires_at: datetime, now: datetime
    ) -> IssuedToken:
        """Issue a successor with the same scopes; the old token works until ``overlap_until``, no longer."""
        row = self._connection.execute(
            select(credentials).where(credentials.c.id == credential_id).with_for_update()
        ).one()
        issued = self.issue(
            row.capacity_id,
            label=row.label,
            scopes=map(Scope, row.scopes),
            expires_at=expires_at,
            now=now,
            replaces=credential_id,
        )
        shortened = min(row.expires_at, overlap_until)
        self._connection.execute(
            update(credentials).where(credentials.c.id == credential_id).values(expires_at=shortened)
        )
        return issued

    def revoke(self, credential_id: UUID, at: datetime) -> bool:
        """End a credential now; tell whether it was in force."""
        done = self._connection.execute(
            update(credentials)
            .where(credentials.c.id == credential_id, credentials.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        return done.rowcount == 1

    def of_member(self, member_id: UUID) -> list[tuple[UUID, str, str, list[str], datetime, datetime | None]]:
        """Return (id, label, capacity kind, scopes, expiry, revoked) of a member's credentials, newest first."""
        query = (
            select(
                credentials.c.id,
                credentials.c.label,
                capacities.c.kind,
                credentials.c.scopes,
                credentials.c.expires_at,
                credentials.c.revoked_at,
            )
            .join(capacities, capacities.c.id == credentials.c.capacity_id)
            .where(capacities.c.member_id == member_id)
            .order_by(credentials.c.created_at.desc())
        )
        return [tuple(row) for row in self._connection.execute(query)]
