"""Reading the inbox, saying what was done, honouring recalls."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from kessetsu_client.answers import (
    Acknowledgement,
    InboxPage,
    Outcome,
    OutcomeStatement,
    Parcel,
    ParcelDetail,
    Recall,
    Recorded,
    SavedRecords,
)
from kessetsu_client.decoding import read, to_json
from kessetsu_client.errors import BadArgument
from kessetsu_client.files import PrivateFile, Progress
from kessetsu_client.once import Listing, Operation, Page, Pages
from kessetsu_client.operations.base import Base, checked_id, compact
from kessetsu_client.wire import Request, Steps, work
from kessetsu_client.words import MEDIA_TYPES


class Inbox(Base):
    """What others reported of the caller's networks."""

    @Operation
    def inbox_list(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        drill: bool | None = None,
        etag: str | None = None,
    ) -> Steps[InboxPage]:
        """Return one page of the inbox.

        ``since`` is the ``cursor`` (or ``next``) of an earlier page. With the ``etag`` of an earlier page of
        the same question an unchanged inbox costs one small answer, and ``unchanged`` is set.
        """
        params = {"state": state, "kind": kind, "since": since, "limit": limit, "drill": drill}
        answer = yield from self._get("v1/inbox", params, etag=etag)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return InboxPage(cursor=since, etag=etag, unchanged=True)
        return replace(read(InboxPage, answer), etag=answer.headers.get("etag"))

    @Listing
    def inbox_iter(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        drill: bool | None = None,
    ) -> Pages[Parcel]:
        """Go through the inbox from ``since`` on."""

        def page(cursor: str | None) -> Steps[Page[Parcel]]:
            params = {"state": state, "kind": kind, "since": cursor or since, "drill": drill}
            return read(InboxPage, (yield from self._get("v1/inbox", params)))

        return page

    @Operation
    def inbox_show(self, parcel_id: str) -> Steps[ParcelDetail]:
        """Return a parcel's metadata, and why each field was released or withheld."""
        return read(ParcelDetail, (yield from self._get(f"v1/inbox/{checked_id(parcel_id)}")))

    @Operation
    def inbox_get(
        self,
        parcel_id: str,
        destination: Path | str,
        file_format: Literal["csv", "json", "arrow"] = "csv",
        *,
        replace_existing: bool = False,
        progress: Progress | None = None,
    ) -> Steps[SavedRecords]:
        """Save the records of a parcel to a file of mode 0600, which appears when it is whole.

        Raises:
            FileExists: where the destination is taken and may not be replaced.
            Gone: where the parcel was erased at its deadline, or recalled.
        """
        if file_format not in MEDIA_TYPES:
            raise BadArgument(f"There is no format {file_format!r}.", action="Take one of: csv, json, arrow.")
        path = f"v1/inbox/{checked_id(parcel_id)}/records"
        headers = {"accept": MEDIA_TYPES[file_format]}
        with PrivateFile(Path(destination), replace=replace_existing, progress=progress) as file:
            yield from self._exchange(Request("GET", path, headers=headers, sink=file))
            yield from work(file.keep)
        return SavedRecords(file.path, file.size)

    @Operation
    def inbox_ack(self, parcel_id: str) -> Steps[Acknowledgement]:
        """Acknowledge a parcel; the first time counts."""
        return read(Acknowledgement, (yield from self._post(f"v1/inbox/{checked_id(parcel_id)}/acknowledgement")))

    @Operation
    def outcome_report(self, parcel_id: str, outcomes: Sequence[Outcome]) -> Steps[Recorded]:
        """Say what was done about rows of a parcel.

        Safe to repeat after a failure: until the hub has answered, the same statement keeps its key.
        """
        content = {"outcomes": [to_json(outcome) for outcome in outcomes]}
        path = f"v1/inbox/{checked_id(parcel_id)}/outcomes"
        parts = (b"outcomes", parcel_id.encode(), compact(content))
        claim = yield from work(lambda: self._journal.claim(self.url, *parts))
        recorded = read(Recorded, (yield from self._post(path, content, key=claim.key)))
        yield from work(lambda: self._journal.release(claim))
        return recorded

    @Operation
    def outcomes(self, parcel_id: str) -> Steps[OutcomeStatement]:
        """Return what was reported on a parcel so far."""
        return read(OutcomeStatement, (yield from self._get(f"v1/inbox/{checked_id(parcel_id)}/outcomes")))

    @Operation
    def recalls(self, state: str | None = "open") -> Steps[tuple[Recall, ...]]:
        """Return recalled deliveries; ``state=None`` for confirmed ones too."""
        answer = yield from self._get("v1/recalls", {"state": state})
        return read(tuple[Recall, ...], answer, under="recalls")

    @Operation
    def confirm_recall(self, recall_id: str) -> Steps[None]:
        """Confirm that every copy of what was recalled is erased; the first word counts."""
        yield from self._post(f"v1/recalls/{checked_id(recall_id)}/confirmation")
