"""Pushing reports, and what came of them."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response

from api.callers import AnyMember, Audience, KnownCallersFirst, Pusher, TheHub, audience
from api.problems import responses
from api.uploads import SMALL_BODY, Checks, UploadBudget, read_upload
from api.v1.models import ReceiptModel, ReportModel, ReportPage, Withdrawal, Withdrawn
from hub.errors import BadInput
from hub.intake.step import Push

router = APIRouter(prefix="/v1", tags=["reports"], route_class=KnownCallersFirst)

_PUSH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["envelope", "records"],
                "additionalProperties": False,
                "properties": {
                    "envelope": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "description": "Kind, legal basis, purpose, class, mandate and what the kind needs; first part",
                    },
                    "records": {
                        "type": "string",
                        "contentMediaType": "text/csv",
                        "description": "CSV, plain or compressed with gzip or zstd; second part",
                    },
                },
            },
            "encoding": {
                "envelope": {"contentType": "application/json"},
                "records": {"contentType": "text/csv"},
            },
        }
    },
}


@router.post(
    "/reports",
    status_code=202,
    summary="Push a report",
    responses=responses(409, 413, 415, 422, 507),
    openapi_extra={**audience(Audience.PUSHERS), "requestBody": _PUSH_BODY},
)
async def push_report(
    request: Request,
    response: Response,
    caller: Pusher,
    hub: TheHub,
    idempotency_key: Annotated[
        str, Header(min_length=1, max_length=128, description="The same at every retry of this push")
    ],
) -> ReceiptModel:
    """Take a report. 202 means committed; a retry with the same key gets the same receipt and changes nothing."""
    limits = hub.settings.intake
    budget: UploadBudget = request.app.state.uploads
    checks: Checks = request.app.state.checks
    with budget.account() as account:
        upload = await read_upload(
            request, account, max_body=limits.max_body_bytes, timeout_seconds=limits.upload_timeout_seconds
        )
        push = Push(caller, idempotency_key, upload.envelope, upload.records)
        receipt = await to_thread.run_sync(hub.flow.receive, push, limiter=checks.for_size(len(upload.records)))
    response.headers["Location"] = f"/v1/reports/{receipt.report_id}"
    return ReceiptModel.of(receipt)


@router.get(
    "/reports",
    summary="List own reports",
    responses=responses(422),
    openapi_extra=audience(Audience.MEMBERS),
)
def list_reports(
    caller: AnyMember,
    hub: TheHub,
    cursor: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ReportPage:
    """List own reports, newest first."""
    page = hub.own_reports(caller, before=_position(cursor), limit=limit)
    following = page[-1] if len(page) == limit else None
    return ReportPage(
        reports=[ReportModel.of(status) for status in page],
        next=None if following is None else _cursor(following.received_at, following.id),
    )


@router.get(
    "/reports/{report_id}",
    summary="Show one report",
    responses=responses(404, 422),
    openapi_extra=audience(Audience.MEMBERS),
)
def show_report(report_id: UUID, caller: AnyMember, hub: TheHub) -> ReportModel:
    """Show how far one of one's own reports has come."""
    return ReportModel.of(hub.own_report(caller, report_id))


@router.post(
    "/reports/{report_id}/withdrawal",
    max_body_size=SMALL_BODY,
    status_code=202,
    summary="Take a report back",
    responses=responses(404, 413, 422, 507),
    openapi_extra=audience(Audience.PUSHERS),
)
def withdraw_report(report_id: UUID, withdrawal: Withdrawal, caller: Pusher, hub: TheHub) -> Withdrawn:
    """Take a report back: what was not delivered is deleted, what was is recalled. Again changes nothing."""
    return Withdrawn(recalls=hub.recalls.withdraw(caller, report_id, withdrawal.reason))


def _cursor(received_at: datetime, report_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{received_at.isoformat()}|{report_id}".encode()).decode()


def _position(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        instant, report_id = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
        position = datetime.fromisoformat(instant), UUID(report_id)
    except (ValueError, binascii.Error):
        raise BadInput("The cursor is not one of ours.", expected="`next` of an earlier page") from None
    if position[0].tzinfo is None:
        raise BadInput("The cursor is not one of ours.", expected="`next` of an earlier page")
    return position
