"""The check at the edge fails closed: a secret leaves through a stored grant for its caller, or not at all."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from api.app import create_app
from api.callers import Audience, Reader, TheHub, audience
from api.problems import MEDIA_TYPE
from api.secrets import SecretResponse
from hub.delivery.render import MediaType
from hub.disclosure.secret_body import SecretBody
from hub.errors import NotPermitted
from hub.records import Caller, Grant
from hub.vocabulary import Field
from tests.support.instance import Instance, Party, csv_of, serving

SECRET = "60.1.77.201"
LEAKS: dict[str, Callable[[], Response]] = {
    "json": lambda: JSONResponse({"src_ip": SECRET}),
    "text": lambda: PlainTextResponse(SECRET),
    "stream": lambda: StreamingResponse(iter([SECRET, SECRET])),
    "created": lambda: JSONResponse({"src_ip": SECRET}, 201),
    "partial": lambda: PlainTextResponse(SECRET, 206),
    "other success": lambda: PlainTextResponse(SECRET, 299),
    "redirect": lambda: RedirectResponse(f"/{SECRET}"),
    "error": lambda: JSONResponse({"detail": SECRET}, 404),
}


@pytest.fixture(scope="module")
def parties(shared: Instance) -> dict[str, Party]:
    """Give two carriers with a parcel each."""
    shared.prefixes({"60.1.0.0/16": 64500, "106.5.0.0/16": 64501})
    alice = shared.party("Alice Net")
    parties = {"bob": shared.party("Bob", systems=[64500]), "carol": shared.party("Carol", systems=[64501])}
    for _ in range(2):
        shared.clock.instant = shared.clock.instant.replace(minute=shared.clock.instant.minute + 1)
        at = shared.clock.instant.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert shared.push(alice, csv_of([SECRET, "106.5.6.7"], at=at)).status_code == 202
        shared.work()
    return parties


@pytest.fixture(scope="module")
def leaking(shared: Instance) -> Iterator[str]:
    """Give an application with routes that would leak."""
    app = create_app(shared.hub)
    for name, leak in LEAKS.items():
        path = name.replace(" ", "-")
        app.get(f"/declared/{path}", openapi_extra=audience(Audience.READERS, secret=True))(leak)
        app.get(f"/silent/{path}")(leak)
    with serving(app) as url:
        yield url


def caller_of(shared: Instance, party: Party) -> Caller:
    """Return a party as the hub knows it."""
    return shared.hub.authenticate(party.token)


class TestGuard:
    """Routes that declare secrets, or nothing at all, cannot answer by themselves."""

    @pytest.mark.parametrize("kind", ["declared", "silent"])
    @pytest.mark.parametrize("name", LEAKS)
    def test_what_did_not_pass_the_check_is_stopped(self, leaking: str, kind: str, name: str) -> None:
        """Whatever form and status an unchecked answer has, nothing of it leaves."""
        answer = httpx.get(f"{leaking}/{kind}/{name.replace(' ', '-')}", trust_env=False)

        assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
        assert SECRET not in answer.text + str(answer.headers)
        assert answer.headers["x-request-id"] == answer.json()["request_id"]

    def test_refusals_and_the_description_pass(self, leaking: str) -> None:
        """Problem documents and the API's description hold no secret."""
        refused = httpx.get(f"{leaking}/v1/inbox/{UUID(int=1)}/records", trust_env=False)
        wrong = httpx.post(f"{leaking}/declared/json", trust_env=False)

        assert (refused.status_code, wrong.status_code) == (401, 405)
        assert httpx.get(f"{leaking}/openapi.json", trust_env=False).status_code == 200

    def test_a_route_without_audience_does_not_start(self, shared: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who forgets to say whom a route is for finds out before anybody calls it."""
        silent = FastAPI().router
        silent.get("/silent")(lambda: {"src_ip": SECRET})
        monkeypatch.setattr("api.app.ROUTERS", (silent,))

        with pytest.raises(RuntimeError, match="declare no audience"):
            create_app(shared.hub)


class TestSecretResponse:
    """Body, stored grant and caller must agree in every respect."""

    @pytest.fixture
    def opened(self, shared: Instance, parties: dict[str, Party]) -> tuple[SecretBody, Grant, Caller]:
        """Give Bob's first parcel, opened for him."""
        caller = caller_of(shared, parties["bob"])
        parcel_id = UUID(shared.inbox(parties["bob"])[0]["parcel_id"])
        grant = shared.hub.stored_grant(parcel_id, caller.capacity_id)
        assert grant is not None
        return shared.hub.read_parcel(caller, parcel_id, MediaType.JSON), grant, caller

    def test_agreeing_ones_pass(self, opened: tuple[SecretBody, Grant, Caller]) -> None:
        """The refusals below prove something only if this one passes."""
        body, grant, caller = opened

        assert SecretResponse(body, grant, caller, "x").status_code == 200

    def test_no_grant(self, opened: tuple[SecretBody, Grant, Caller]) -> None:
        """Without a stored grant nothing is sent."""
        body, _, caller = opened
        with pytest.raises(NotPermitted):
            SecretResponse(body, None, caller, "x")

    def test_another_callers(
        self, shared: Instance, parties: dict[str, Party], opened: tuple[SecretBody, Grant, Caller]
    ) -> None:
        """A body opened for one capacity is not sent to another, not even with the first one's grant."""
        body, grant, _ = opened
        carol = caller_of(shared, parties["carol"])
        of_carol = shared.hub.stored_grant(UUID(shared.inbox(parties["carol"])[0]["parcel_id"]), carol.capacity_id)

        for stored in (grant, of_carol):
            with pytest.raises(NotPermitted):
                SecretResponse(body, stored, carol, "x")

    def test_another_parcels(
        self, shared: Instance, parties: dict[str, Party], opened: tuple[SecretBody, Grant, Caller]
    ) -> None:
        """A grant on one parcel sends no other, though both are the caller's."""
        body, _, caller = opened
        other = shared.hub.stored_grant(UUID(shared.inbox(parties["bob"])[1]["parcel_id"]), caller.capacity_id)
        assert other is not None

        with pytest.raises(NotPermitted):
            SecretResponse(body, other, caller, "x")

    def test_more_fields_than_granted(self, shared: Instance, opened: tuple[SecretBody, Grant, Caller]) -> None:
        """A grant that became narrower since the body was made sends nothing."""
        body, grant, caller = opened
        with shared.database.connect() as connection:
            change = "UPDATE grants SET fields = %s WHERE parcel_id = %s AND capacity_id = %s"
            key = (grant.parcel_id, grant.capacity_id)
            connection.execute(change, ([Field.SOURCE_ADDRESS.value], *key))
            narrowed = shared.hub.stored_grant(*key)
            connection.execute(change, (sorted(field.value for field in grant.fields), *key))

        with pytest.raises(NotPermitted):
            SecretResponse(body, narrowed, caller, "x")

    def test_the_grant_goes_in_between(self, instance: Instance) -> None:
        """A grant that is removed while its parcel is being opened lets nothing out, over the wire."""
        instance.prefixes({"60.1.0.0/16": 64500})
        bob = instance.party("Bob", systems=[64500])
        assert instance.push(instance.party("Alice"), csv_of([SECRET])).status_code == 202
        instance.work()
        app = create_app(instance.hub)
        _add_slow_reading(app, instance)
        with serving(app) as url:
            answer = httpx.get(f"{url}/slowly/{instance.inbox(bob)[0]['parcel_id']}", headers=bob.headers)

        assert answer.status_code == 403
        assert SECRET not in answer.text
        assert instance.inbox(bob) == []


def _add_slow_reading(app: FastAPI, instance: Instance) -> None:
    @app.get("/slowly/{parcel_id}", openapi_extra=audience(Audience.READERS, secret=True), response_model=None)
    def slowly(parcel_id: UUID, caller: Reader, hub: TheHub) -> Any:
        body = hub.read_parcel(caller, parcel_id, MediaType.JSON)
        with instance.database.connect() as connection:
            connection.execute("DELETE FROM grants WHERE parcel_id = %s", (parcel_id,))
        return SecretResponse(body, hub.stored_grant(parcel_id, caller.capacity_id), caller, "x")
