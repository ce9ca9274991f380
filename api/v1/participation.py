"""Recalls, holdings, certificates and who one is."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.callers import AnyMember, Audience, Holder, KnownCallersFirst, Reader, TheHub, audience
from api.problems import responses
from api.uploads import SMALL_BODY
from api.v1.models import (
    CertificateList,
    CertificateModel,
    Declaration,
    HoldingList,
    HoldingModel,
    Me,
    RecallList,
    RecallModel,
)
from hub.addresses import parse_prefix, render_prefix
from hub.errors import BadInput, Fault
from hub.members.holdings import Holding
from hub.store.networks import DeclaredHolding

recalls = APIRouter(prefix="/v1", tags=["recalls"], max_body_size=SMALL_BODY, route_class=KnownCallersFirst)
holdings = APIRouter(prefix="/v1", tags=["holdings"], max_body_size=SMALL_BODY, route_class=KnownCallersFirst)
about = APIRouter(prefix="/v1", tags=["about"], max_body_size=SMALL_BODY, route_class=KnownCallersFirst)

YEARS = range(1980, 2200)
"""When a holding may begin and end."""


@recalls.get(
    "/recalls",
    summary="List recalls",
    responses=responses(422),
    openapi_extra=audience(Audience.READERS),
)
def list_recalls(
    caller: Reader, hub: TheHub, state: Annotated[str, Query(pattern="^(open|all)$")] = "all"
) -> RecallList:
    """List what must be erased at the caller, newest first."""
    cases = hub.recalls.open_cases(caller, only_open=state == "open")
    return RecallList(recalls=[RecallModel.of(case) for case in cases])


@recalls.post(
    "/recalls/{recall_id}/confirmation",
    summary="Confirm erasure",
    responses=responses(404, 422, 507),
    openapi_extra=audience(Audience.READERS),
)
def confirm_recall(recall_id: UUID, caller: Reader, hub: TheHub) -> RecallModel:
    """Say that every copy of the recalled rows has been erased. Again changes nothing."""
    return RecallModel.of(hub.recalls.confirm(caller, recall_id))


@holdings.get(
    "/holdings",
    summary="List own networks",
    responses=responses(),
    openapi_extra=audience(Audience.HOLDERS),
)
def list_holdings(caller: Holder, hub: TheHub) -> HoldingList:
    """List own declarations and how far each has come."""
    return HoldingList(holdings=[_holding(declared) for declared in hub.own_holdings(caller)])


@holdings.post(
    "/holdings",
    status_code=201,
    summary="Declare a network",
    responses=responses(413, 422, 507),
    openapi_extra=audience(Audience.HOLDERS),
)
def declare_holding(declaration: Declaration, caller: Holder, hub: TheHub) -> HoldingModel:
    """Declare a network. It attributes nothing until the hub's officer approves it."""
    prefix = None if declaration.prefix is None else _prefix(declaration.prefix)
    declared = hub.declare_holding(
        caller,
        prefix=prefix,
        asn=declaration.asn,
        valid_from=_aware(declaration.valid_from, "/valid_from"),
        valid_to=None if declaration.valid_to is None else _aware(declaration.valid_to, "/valid_to"),
        shared_space=declaration.shared_space,
    )
    return _holding(declared)


@about.get(
    "/certificates",
    summary="List deletion certificates",
    responses=responses(422),
    openapi_extra=audience(Audience.MEMBERS),
)
def list_certificates(
    caller: AnyMember, hub: TheHub, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> CertificateList:
    """List the certificates of erasures that covered one's own reports or parcels."""
    found = [
        CertificateModel(certificate_id=certificate_id, statement=statement, signature=signature)
        for certificate_id, statement, signature in hub.own_certificates(caller, limit)
    ]
    return CertificateList(certificates=found, public_key=hub.signer.public_text)


@about.get("/me", summary="Who am I", responses=responses(), openapi_extra=audience(Audience.MEMBERS))
def who_am_i(caller: AnyMember, hub: TheHub) -> Me:
    """Say who the token speaks for, in which capacity and until when."""
    member, expires_at = hub.about(caller)
    return Me(
        member_id=caller.member_id,
        member=member,
        capacity_id=caller.capacity_id,
        capacity=caller.kind,
        standing=caller.standing,
        scopes=sorted(caller.scopes),
        token_expires_at=expires_at,
    )


def _holding(declared: DeclaredHolding) -> HoldingModel:
    prefix: Holding = declared.holding
    return HoldingModel.of(declared, None if prefix.prefix is None else render_prefix(*prefix.prefix))


def _prefix(text: str) -> tuple[int, int, int]:
    prefix = parse_prefix(text)
    if prefix is None:
        raise BadInput(
            "The prefix cannot be read.",
            faults=[Fault("/prefix", "not-a-prefix", expected="address/length without host bits", got=text)],
        )
    return prefix


def _aware(instant: datetime, where: str) -> datetime:
    """Return the instant in UTC; the years at the ends of the calendar leave it in some zone."""
    if instant.tzinfo is None:
        raise BadInput(
            "A time without zone names no instant.",
            faults=[Fault(where, "time-without-zone", expected="RFC 3339 with zone")],
        )
    if not YEARS.start <= instant.year < YEARS.stop:
        raise BadInput(
            "No network was or will be operated then.",
            faults=[Fault(where, "time-range", expected=f"a year from {YEARS.start} to {YEARS.stop - 1}")],
        )
    return instant.astimezone(UTC)
