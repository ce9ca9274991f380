"""Secrets on their way out: a marked type that only a stored grant makes and only a stored grant opens."""

from collections.abc import Iterator
from typing import NoReturn, SupportsIndex
from uuid import UUID

from hub.errors import NotPermitted
from hub.records import Grant
from hub.vocabulary import Field

_MADE_HERE = object()


class SecretBody:
    """The body of an answer that holds secrets of one parcel, for one capacity; it never changes.

    Made by :func:`mark_secret`, opened by :func:`open_secret`, and good for nothing in between: it shows
    nothing of itself, and cannot become text, be copied or be pickled. No dataclass, because every serialiser
    knows how to take one apart.
    """

    __slots__ = ("_content", "capacity_id", "fields", "media_type", "parcel_id")

    parcel_id: UUID
    capacity_id: UUID
    fields: frozenset[Field]
    """The fields the content was stripped to."""
    media_type: str
    _content: Iterator[bytes] | bytes

    def __init__(self, made_by: object, **parts: object) -> None:
        """Refuse to be made anywhere but in this module.

        Raises:
            NotPermitted: always, elsewhere.
        """
        if made_by is not _MADE_HERE:
            raise NotPermitted(
                "A secret body is made from a stored grant only.",
                expected="mark_secret(grant, …)",
                action="Ask hub.disclosure for it.",
            )
        for name in self.__slots__:
            object.__setattr__(self, name, parts[name])

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        """Refuse any change.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"A secret body does not change; {name!r} was not set.")

    def __repr__(self) -> str:
        """Show nothing."""
        return "SecretBody(withheld)"

    def __str__(self) -> NoReturn:
        """Refuse to become text.

        Raises:
            TypeError: always.
        """
        raise TypeError("A secret body does not become text; open it with open_secret().")

    def __format__(self, _spec: str) -> NoReturn:
        """Refuse as :meth:`__str__` does."""
        self.__str__()

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("A secret body cannot be pickled or copied.")


def mark_secret(
    grant: Grant, fields: frozenset[Field], media_type: str, content: Iterator[bytes] | bytes
) -> SecretBody:
    """Mark ``content``, stripped to ``fields``, as secret of the grant's parcel for the grant's capacity.

    Raises:
        NotPermitted: where a field was not granted, or nothing was.
    """
    if Field.SOURCE_ADDRESS not in fields or not fields <= grant.fields:
        raise NotPermitted(
            "These fields were not granted on this parcel.",
            expected="at least the source address, and nothing beyond the stored grant",
            action="Strip the rows to what ask_again() returns before marking them.",
        )
    return SecretBody(
        _MADE_HERE,
        parcel_id=grant.parcel_id,
        capacity_id=grant.capacity_id,
        fields=fields,
        media_type=media_type,
        _content=content,
    )


def open_secret(body: SecretBody, grant: Grant | None, capacity_id: UUID) -> Iterator[bytes]:
    """Return the bytes for the caller, checked once more against the grant as it is stored.

    ``grant`` is read anew by whoever sends, for the capacity that is asking; ``None`` where there is none. The
    check is made at once, not when the first byte is drawn.

    Raises:
        NotPermitted: unless body, grant and caller agree in every respect.
    """
    agreed = (
        grant is not None
        and body.capacity_id == grant.capacity_id == capacity_id
        and body.parcel_id == grant.parcel_id
        and body.fields <= grant.fields
    )
    if not agreed:
        raise NotPermitted(
            "This answer is not for this caller.",
            expected="a stored grant of this parcel to the asking capacity",
            action="Nothing was sent; this is a defect of the hub, report it to its operator.",
        )
    content = body._content  # noqa: SLF001 - this module is the only one that may
    return iter((content,)) if isinstance(content, bytes) else content
