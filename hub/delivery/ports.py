"""What delivery needs of storage; :mod:`hub.store` implements it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from hub.audit.entry import AuditEntry
from hub.records import GrantedParcel, OutcomeBatch, ParcelStatus, Recall, ReportStatus, Sealed
from hub.vocabulary import ParcelState, RecallReason, ReportKind


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """What a recipient wants to see of its inbox."""

    after_seq: int = 0
    kind: ReportKind | None = None
    state: ParcelState | None = None
    drill: bool | None = None
    limit: int = 100


class Parcels(Protocol):
    """Parcels with the grants on them."""

    def inbox(self, capacity_id: UUID, wanted: InboxFilter) -> list[GrantedParcel]:
        """Return released or recalled parcels granted to a capacity, by stream number."""
        ...

    def granted(self, parcel_id: UUID, capacity_id: UUID) -> GrantedParcel | None:
        """Return a released parcel if this capacity holds a grant on it."""
        ...

    def watermark(self, capacity_id: UUID) -> int:
        """Return the number of the newest parcel in a capacity's stream."""
        ...

    def version(self, capacity_id: UUID) -> str:
        """Return a text that changes whenever anything the capacity may list does."""
        ...

    def acknowledge(self, parcel_id: UUID, at: datetime) -> datetime:
        """Record the first acknowledgement and return its time."""
        ...

    def status(self, parcel_id: UUID) -> ParcelStatus | None:
        """Return one parcel, locked until the transaction ends."""
        ...

    def of_report(self, report_id: UUID) -> list[ParcelStatus]:
        """Return a report's sealed and released parcels, locked."""
        ...

    def grantees(self, parcel_id: UUID) -> list[UUID]:
        """Return the capacities that hold a grant on a parcel."""
        ...

    def recall(self, parcel_id: UUID, rows: Sequence[int] | None, now: datetime) -> None:
        """End access to a parcel, or to some of its rows."""
        ...

    def drop_staged(self, parcel_ids: Sequence[UUID], now: datetime) -> None:
        """End parcels that were never released."""
        ...


class Outcomes(Protocol):
    """What recipients did."""

    def earlier(self, capacity_id: UUID, idempotency_key: str) -> tuple[UUID, str, int] | None:
        """Return (parcel, content digest, recorded) of the push this key was used for."""
        ...

    def add(
        self,
        parcel_id: UUID,
        capacity_id: UUID,
        batches: Sequence[OutcomeBatch],
        *,
        idempotency_key: str,
        content_sha256: str,
        recorded: int,
        at: datetime,
    ) -> bool:
        """Record one push of outcomes; ``False`` where its key was used before."""
        ...

    def of_parcel(self, parcel_id: UUID) -> list[OutcomeBatch]:
        """Return all batches on a parcel, oldest first."""
        ...


class SealedRows(Protocol):
    """Ciphertext."""

    def get(self, object_id: UUID, deadline: datetime) -> Sealed:
        """Return one object with all chunks; raises ``Gone``."""
        ...

    def delete(self, object_ids: Sequence[UUID], deadline: datetime) -> None:
        """Delete objects and their chunks."""
        ...


class Recalls(Protocol):
    """The register of wrong and withdrawn deliveries."""

    def open(
        self,
        parcel_id: UUID,
        capacity_ids: Sequence[UUID],
        reason: RecallReason,
        rows: Sequence[int] | None,
        *,
        by: str,
        at: datetime,
    ) -> None:
        """Register one case per capacity that could read the parcel."""
        ...

    def parcels_of_report(self, report_id: UUID) -> int:
        """Return how many parcels of a report were recalled."""
        ...

    def of_capacity(self, capacity_id: UUID, *, only_open: bool) -> list[Recall]:
        """Return a capacity's cases, newest first."""
        ...

    def confirm(self, recall_id: UUID, capacity_id: UUID, credential_id: UUID, at: datetime) -> Recall | None:
        """Record that the recipient erased its copy."""
        ...


class Reports(Protocol):
    """The pushes parcels came from."""

    def status(self, report_id: UUID, *, for_update: bool = False) -> ReportStatus | None:
        """Return one report."""
        ...

    def withdraw(self, report_id: UUID, at: datetime) -> None:
        """End a report by its sender's will."""
        ...

    def statement(self, report_id: UUID) -> dict[str, Any]:
        """Return what a report's envelope says besides its secrets."""
        ...


class Log(Protocol):
    """The append-only log."""

    def append(self, entry: AuditEntry) -> None:
        """Write an entry in this transaction."""
        ...

    def append_all(self, entries: Iterable[AuditEntry]) -> None:
        """Write entries in this transaction."""
        ...


class Members(Protocol):
    """Who is who."""

    def parties(self, capacity_ids: Sequence[UUID], now: datetime) -> Any:  # noqa: ANN401 - passes through to the door unopened
        """Return these capacities and their delegates as the rules may know them at ``now``."""
        ...


class DeliveryUnit(Protocol):
    """One transaction."""

    @property
    def members(self) -> Members: ...  # noqa: D102 - named by its type

    @property
    def parcels(self) -> Parcels: ...  # noqa: D102 - named by its type
    @property
    def outcomes(self) -> Outcomes: ...  # noqa: D102 - named by its type
    @property
    def sealed(self) -> SealedRows: ...  # noqa: D102 - named by its type
    @property
    def recalls(self) -> Recalls: ...  # noqa: D102 - named by its type
    @property
    def reports(self) -> Reports: ...  # noqa: D102 - named by its type
    @property
    def audit(self) -> Log: ...  # noqa: D102 - named by its type


class DeliveryStore(Protocol):
    """Opens transactions."""

    def reading(self) -> AbstractContextManager[DeliveryUnit]:
        """Open a read-only transaction."""
        ...

    def writing(self) -> AbstractContextManager[DeliveryUnit]:
        """Open a transaction that commits when its block ends well."""
        ...
