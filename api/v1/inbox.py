"""The inbox: what a recipient lists, opens, acknowledges and answers."""

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from api.callers import Answerer, Audience, KnownCallersFirst, Reader, TheHub, audience
from api.negotiation import NotAcceptable, choose
from api.problems import responses
from api.secrets import SecretResponse
from api.uploads import LARGE_BODY, SMALL_BODY
from api.v1.models import (
    Acknowledgement,
    Explained,
    InboxPage,
    OutcomeList,
    OutcomeModel,
    OutcomePush,
    ParcelDetail,
    ParcelModel,
    Recorded,
)
from hub.delivery.inbox import PAGE_LIMIT
from hub.delivery.ports import InboxFilter
from hub.delivery.render import MediaType
from hub.errors import BadInput
from hub.vocabulary import OutcomeCode, ParcelState, ReportKind

router = APIRouter(prefix="/v1", tags=["inbox"], max_body_size=SMALL_BODY, route_class=KnownCallersFirst)

_ENDINGS = {MediaType.JSON: "json", MediaType.CSV: "csv", MediaType.ARROW: "arrows"}
_MAX_CURSOR = 2**63 - 1
_NOT_MODIFIED = 304


@router.get(
    "/inbox",
    response_model=InboxPage,
    summary="List parcels",
    responses={**responses(422), _NOT_MODIFIED: {"description": "Nothing has changed since the given ETag"}},
    openapi_extra=audience(Audience.READERS),
)
def list_parcels(  # noqa: PLR0917 - one per query parameter; FastAPI calls it by name
    response: Response,
    caller: Reader,
    hub: TheHub,
    since: Annotated[str | None, Query(max_length=19, pattern=r"^[0-9]+$", description="`cursor` or `next`")] = None,
    state: Annotated[ParcelState | None, Query()] = None,
    kind: Annotated[ReportKind | None, Query()] = None,
    drill: Annotated[bool | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100,
    if_none_match: Annotated[str | None, Header()] = None,
) -> InboxPage | Response:
    """List parcels, oldest first. Poll with `since` and `If-None-Match`: nothing new costs next to nothing."""
    wanted = InboxFilter(_after(since), kind, state, drill, limit)
    asked = f"{wanted}|{caller.capacity_id}"
    etag = _etag(hub.inbox.version(caller), asked)
    if if_none_match is not None and etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]:
        return Response(status_code=_NOT_MODIFIED, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
    page = hub.inbox.page(caller, wanted)
    response.headers["ETag"] = _etag(page.version, asked)
    response.headers["Cache-Control"] = "private, no-cache"
    return InboxPage(
        parcels=[ParcelModel.of(item) for item in page.items],
        next=str(page.position) if page.more else None,
        cursor=str(page.position),
    )


@router.get(
    "/inbox/{parcel_id}",
    summary="Show one parcel, and why it shows what it shows",
    responses=responses(404, 422),
    openapi_extra=audience(Audience.READERS),
)
def show_parcel(parcel_id: UUID, caller: Reader, hub: TheHub) -> ParcelDetail:
    """Show a parcel without its records: the fields released to the caller, by which policy and why."""
    described, reasons = hub.describe_parcel(caller, parcel_id)
    return ParcelDetail.explained(described, [Explained.of(english, japanese) for english, japanese in reasons])


@router.get(
    "/inbox/{parcel_id}/records",
    summary="Read a parcel's records",
    response_class=Response,
    responses={
        **responses(404, 406, 410, 422, 507),
        200: {
            "description": "The records, only the fields granted to the caller",
            "content": {
                MediaType.JSON: {"schema": {"type": "object"}},
                MediaType.CSV: {"schema": {"type": "string"}},
                MediaType.ARROW: {"schema": {"type": "string", "contentMediaType": MediaType.ARROW}},
            },
        },
    },
    openapi_extra=audience(Audience.READERS, secret=True),
)
def read_records(
    request: Request,
    parcel_id: UUID,
    caller: Reader,
    hub: TheHub,
) -> SecretResponse:
    """Read records as JSON, CSV or Arrow, by the Accept header. That they were read is logged first."""
    media = choose(request.headers.get("accept"), list(MediaType))
    if media is None:
        raise NotAcceptable(
            "Records are not served in the types asked for.",
            expected=", ".join(MediaType),
            action="Send one of these in Accept.",
        )
    body = hub.read_parcel(caller, parcel_id, MediaType(media))
    grant = hub.stored_grant(parcel_id, caller.capacity_id)
    return SecretResponse(body, grant, caller, f"parcel-{parcel_id}.{_ENDINGS[MediaType(media)]}")


@router.post(
    "/inbox/{parcel_id}/acknowledgement",
    summary="Acknowledge a parcel",
    responses=responses(404, 410, 422, 507),
    openapi_extra=audience(Audience.READERS),
)
def acknowledge_parcel(parcel_id: UUID, caller: Reader, hub: TheHub) -> Acknowledgement:
    """Say that the parcel has arrived. Again changes nothing."""
    return Acknowledgement(acknowledged_at=hub.inbox.acknowledge(caller, parcel_id))


@router.post(
    "/inbox/{parcel_id}/outcomes",
    max_body_size=LARGE_BODY,
    summary="Report what was done",
    responses=responses(404, 409, 410, 413, 422, 507),
    openapi_extra=audience(Audience.ANSWERERS),
)
def report_outcomes(
    parcel_id: UUID,
    push: OutcomePush,
    caller: Answerer,
    hub: TheHub,
    idempotency_key: Annotated[str, Header(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")],
) -> Recorded:
    """Report outcomes by row, or for all rows; the latest word on a row counts."""
    batches = [outcome.batch() for outcome in push.outcomes]
    return Recorded(recorded=hub.inbox.answer(caller, parcel_id, batches, idempotency_key))


@router.get(
    "/inbox/{parcel_id}/outcomes",
    summary="Read back what was reported",
    responses=responses(404, 410, 422),
    openapi_extra=audience(Audience.ANSWERERS),
)
def list_outcomes(parcel_id: UUID, caller: Answerer, hub: TheHub) -> OutcomeList:
    """Return the standing outcome of every answered row, grouped by code."""
    answered = hub.inbox.answers(caller, parcel_id)
    rows: dict[OutcomeCode, list[int]] = {}
    for row, code in sorted(answered.by_row.items()):
        rows.setdefault(code, []).append(row)
    return OutcomeList(outcomes=[OutcomeModel(code=code, rows=of) for code, of in rows.items()], open=answered.open)


def _after(since: str | None) -> int:
    position = int(since or 0)
    if position > _MAX_CURSOR:
        raise BadInput("The cursor is not one of ours.", expected="`cursor` or `next` of an earlier page")
    return position


def _etag(version: str, asked: str) -> str:
    return f'"{hashlib.sha256(f"{version}|{asked}".encode()).hexdigest()[:32]}"'
