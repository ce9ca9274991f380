"""Pushing reports, following them, withdrawing them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kessetsu_client.answers import Receipt, Report, ReportPage, SavedReceipt, Withdrawal
from kessetsu_client.decoding import read
from kessetsu_client.envelope import Envelope, canonical
from kessetsu_client.errors import BadArgument, ReceiptNotSaved
from kessetsu_client.files import Progress
from kessetsu_client.once import Listing, Operation, Page, Pages
from kessetsu_client.operations.base import JSON, Base, checked_id
from kessetsu_client.upload import PushBody, RecordsFile
from kessetsu_client.wire import Answer, Request, Steps, work


class Reports(Base):
    """A member's own reports."""

    @Operation
    def push(
        self,
        file: Path | str,
        envelope: Envelope | Mapping[str, object],
        *,
        again: bool = False,
        progress: Progress | None = None,
    ) -> Steps[SavedReceipt]:
        """Push a file of records (CSV; plain, gzip or zstd) and keep the receipt.

        Safe to repeat after any failure: the Idempotency-Key is on the disk before the first byte is sent,
        bound to the file's content, the envelope and the hub, so the same call finds the same key and
        yields the same receipt. The file is read from the disk twice and never held in memory.

        ``again`` makes a new key, as to push once more what was withdrawn. ``progress`` is told the bytes
        sent and to be sent.

        Raises:
            BadInput: what the hub refuses, with every fault.
            FileChanged: where the file was written to meanwhile.
            ReceiptNotSaved: where the report was taken and the receipt could not be written.
        """
        statement = canonical(envelope)
        records = yield from work(lambda: RecordsFile(Path(file)))
        yield from work(lambda: self._journal.prune(datetime.now(UTC)))
        claim = yield from work(lambda: self._journal.claim(self.url, b"push", records.digest, statement, again=again))
        body = PushBody(statement, records, progress)
        headers = {"accept": JSON, "content-type": body.content_type, "idempotency-key": claim.key}
        answer = yield from self._exchange(Request("POST", "v1/reports", headers=headers, body=body))
        receipt = read(Receipt, answer)
        try:
            path = yield from work(lambda: self._journal.keep_receipt(checked_id(receipt.report_id), answer.body))
            yield from work(lambda: self._journal.settle(claim, receipt.deadline))
        except (OSError, BadArgument) as error:
            raise ReceiptNotSaved(f"The receipt could not be kept: {error}", receipt) from error
        return SavedReceipt(receipt, path)

    @Operation
    def report_list(self, *, cursor: str | None = None, limit: int | None = None) -> Steps[ReportPage]:
        """Return one page of the caller's own reports."""
        answer = yield from self._report_page(cursor, limit)
        return read(ReportPage, answer)

    @Listing
    def report_iter(self) -> Pages[Report]:
        """Go through all of the caller's own reports."""

        def page(cursor: str | None) -> Steps[Page[Report]]:
            return read(ReportPage, (yield from self._report_page(cursor, None)))

        return page

    @Operation
    def report_get(self, report_id: str) -> Steps[Report]:
        """Return how far one report has come."""
        return read(Report, (yield from self._get(f"v1/reports/{checked_id(report_id)}")))

    @Operation
    def withdraw(self, report_id: str, reason: str = "report-withdrawn") -> Steps[Withdrawal]:
        """Withdraw a report; what was delivered of it is recalled."""
        path = f"v1/reports/{checked_id(report_id)}/withdrawal"
        return read(Withdrawal, (yield from self._post(path, {"reason": reason}, repeatable=False)))

    def _report_page(self, cursor: str | None, limit: int | None) -> Steps[Answer]:
        return self._get("v1/reports", {"cursor": cursor, "limit": limit})
