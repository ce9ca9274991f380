"""Every error, whoever raised it, is a problem document (RFC 9457) and says no more than it should."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.callers import Audience, audience
from api.problems import MAX_FAULTS, MEDIA_TYPE
from hub.store.engine import make_engine
from hub.store.roles import Role
from hub.store.unit import Store
from hub.wiring import Hub
from tests.support.instance import Instance, Party, attack, csv_of, serving

PLANTED = "60.1.77.201"


@pytest.fixture(scope="module")
def bob(shared: Instance) -> Party:
    """Give a carrier with one parcel in its inbox."""
    shared.prefixes({"60.1.0.0/16": 64500})
    bob = shared.party("Bob Cable", systems=[64500])
    reporter = shared.party("Alice Net")
    assert shared.push(reporter, csv_of([PLANTED, "60.1.2.3"])).status_code == 202
    shared.work()
    return bob


@pytest.fixture(scope="module")
def parcel(shared: Instance, bob: Party) -> str:
    """Give the path of Bob's parcel."""
    [parcel] = shared.inbox(bob)
    return f"/v1/inbox/{parcel['parcel_id']}"


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check what every error answer has, and return its document."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:kessetsu:problem:{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    assert UUID(document["request_id"]).version == 4
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"<" not in answer.content.replace(b"<=", b"")
    return document


def says_what_to_do(document: dict[str, Any]) -> bool:
    """Tell whether an error says what was expected and what to do next."""
    expected = document.get("expected") or all(fault["expected"] for fault in document["errors"])
    return bool(expected and document.get("action"))


class TestFramework:
    """What the framework answers by itself has the hub's form too."""

    def test_no_such_route(self, shared: Instance) -> None:
        """A path that is no route is told so, and not repeated."""
        answer = shared.client.get(f"/v1/{PLANTED}/nothing")

        assert PLANTED not in str(problem_of(answer, 404, "not-found"))

    def test_method(self, shared: Instance, bob: Party) -> None:
        """A method that a route does not have is answered with those it has."""
        answer = shared.client.delete("/v1/inbox", headers=bob.headers)

        problem_of(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET"

    @pytest.mark.parametrize("path", ["/v1/inbox/", "/v1/reports/", "/healthz/"])
    def test_no_redirects(self, shared: Instance, bob: Party, path: str) -> None:
        """A slash too many is no route; a redirect would go wherever the Host header says, token and all."""
        answer = shared.client.get(path, headers={**bob.headers, "Host": "elsewhere.example"})

        assert answer.status_code in {404, 422}
        assert "elsewhere.example" not in answer.text + str(answer.headers)

    @pytest.mark.parametrize(
        "body",
        [b"{", b"[" * 50_000, b'{"outcomes":[{"code":"warned","rows":[' + b"9" * 5_000 + b"]}]}", b"\xff\xfe", b"NaN"],
        ids=["cut", "nested", "endless number", "no text", "no JSON"],
    )
    def test_unreadable_json(self, shared: Instance, bob: Party, parcel: str, body: bytes) -> None:
        """A body that is not JSON is told so, whatever the parser stumbled over."""
        headers = {**bob.headers, "Idempotency-Key": "k", "Content-Type": "application/json"}
        answer = shared.client.post(f"{parcel}/outcomes", content=body, headers=headers)

        document = problem_of(answer, 422, "bad-request")
        assert says_what_to_do(document)
        assert document["errors"][0]["where"].startswith("/body")

    def test_who_calls_comes_first(self, shared: Instance, parcel: str) -> None:
        """A stranger's body is not even parsed."""
        answer = shared.client.post(f"{parcel}/outcomes", content=b"{", headers={"Content-Type": "application/json"})

        problem_of(answer, 401, "not-authenticated")

    def test_a_strangers_body_is_not_awaited(self, shared: Instance, parcel: str) -> None:
        """A stranger is refused after the headers; the hub does not take in what follows."""
        address = (shared.client.base_url.host, shared.client.base_url.port or 80)
        head = f"POST {parcel}/outcomes HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"
        with socket.create_connection(address, timeout=10) as wire:
            wire.sendall(f"{head}Content-Length: 30000000\r\n\r\n".encode())
            answer = b"".join(iter(lambda: wire.recv(65_536), b""))

        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in answer.lower()


class TestValidation:
    """Path, query, header and body errors name place and rule, never the value."""

    @pytest.mark.parametrize(
        ("path", "where"),
        [
            (f"/v1/inbox/{PLANTED}", "/path/parcel_id"),
            (f"/v1/inbox/{PLANTED}/records", "/path/parcel_id"),
            (f"/v1/reports/{PLANTED}", "/path/report_id"),
            (f"/v1/inbox?since={PLANTED}", "/query/since"),
            (f"/v1/inbox?state={PLANTED}", "/query/state"),
            (f"/v1/inbox?kind={PLANTED}", "/query/kind"),
            (f"/v1/inbox?drill={PLANTED}", "/query/drill"),
            (f"/v1/inbox?limit={PLANTED}", "/query/limit"),
            ("/v1/inbox?limit=501", "/query/limit"),
            (f"/v1/recalls?state={PLANTED}", "/query/state"),
            ("/v1/certificates?limit=0", "/query/limit"),
            (f"/v1/reports?cursor={PLANTED * 20}", "/query/cursor"),
        ],
    )
    def test_place_and_rule(self, shared: Instance, bob: Party, path: str, where: str) -> None:
        """What is wrong is named by place; its value is not repeated."""
        answer = shared.client.get(path, headers=bob.headers)

        document = problem_of(answer, 422, "bad-request")
        assert [fault["where"] for fault in document["errors"]] == [where]
        assert says_what_to_do(document)
        assert PLANTED not in answer.text

    @pytest.mark.parametrize("since", ["9223372036854775808", "9999999999999999999"])
    def test_a_cursor_beyond_counting(self, shared: Instance, bob: Party, since: str) -> None:
        """A cursor that no stream can reach is refused, not looked for."""
        problem_of(shared.client.get(f"/v1/inbox?since={since}", headers=bob.headers), 422, "bad-input")

    @pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNi0wMS0wMXwx", "\N{SNOWMAN}", "=", "A" * 128])
    def test_a_foreign_cursor(self, shared: Instance, bob: Party, cursor: str) -> None:
        """A cursor the hub never gave is refused."""
        answer = shared.client.get("/v1/reports", params={"cursor": cursor}, headers=bob.headers)

        problem_of(answer, 422, "bad-input")

    def test_unknown_members(self, shared: Instance, bob: Party) -> None:
        """A member of a body that the route does not know is refused."""
        body = {"reason": "report-withdrawn", "because": PLANTED}
        answer = shared.client.post(f"/v1/reports/{uuid4()}/withdrawal", json=body, headers=bob.headers)

        document = problem_of(answer, 422, "bad-request")
        assert [fault["where"] for fault in document["errors"]] == ["/body/because"]
        assert PLANTED not in answer.text

    def test_a_long_list_of_faults_is_cut(self, shared: Instance, bob: Party, parcel: str) -> None:
        """Ten thousand wrong values are not answered by ten thousand faults."""
        body = {"outcomes": [{"code": "warned", "rows": ["x" * 10] * 10_000}]}
        headers = {**bob.headers, "Idempotency-Key": "k"}
        answer = shared.client.post(f"{parcel}/outcomes", json=body, headers=headers)

        assert len(problem_of(answer, 422, "bad-request")["errors"]) == MAX_FAULTS

    def test_a_long_member_name_is_cut(self, shared: Instance, bob: Party) -> None:
        """What stands as place is cut: it may be the caller's own text."""
        body = {"reason": "report-withdrawn", "x" * 10_000: 1}
        answer = shared.client.post(f"/v1/reports/{uuid4()}/withdrawal", json=body, headers=bob.headers)

        assert len(problem_of(answer, 422, "bad-request")["errors"][0]["where"]) <= 200

    @pytest.mark.parametrize("row", [0, -1, 2**31, 2**63, 2**64, int("9" * 4_000)])
    def test_rows_beyond_counting(self, shared: Instance, bob: Party, parcel: str, row: int) -> None:
        """No row number, however large, is more than a wrong input."""
        headers = {**bob.headers, "Idempotency-Key": "k", "Content-Type": "application/json"}
        body = b'{"outcomes":[{"code":"warned","rows":[%s]}]}' % str(row).encode()
        answer = shared.client.post(f"{parcel}/outcomes", content=body, headers=headers)

        assert problem_of(answer, 422, "bad-request")["errors"]

    @pytest.mark.parametrize(
        "instant",
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1979-12-31T23:59:59Z", "2026-01-01T00:00:00"],
    )
    def test_instants_at_the_ends_of_the_calendar(self, shared: Instance, bob: Party, instant: str) -> None:
        """A date no database can give back, or without zone, is a wrong input."""
        answer = shared.client.post("/v1/holdings", json={"asn": 64512, "valid_from": instant}, headers=bob.headers)

        document = problem_of(answer, 422, "bad-input")
        assert document["errors"][0]["where"] == "/valid_from"

    @pytest.mark.parametrize("prefix", ["60.1.0.0/15", "60.1.0.0", "::/129", "x", "60.1.0.0/33", " 60.1.0.0/16"])
    def test_prefixes(self, shared: Instance, bob: Party, prefix: str) -> None:
        """A network is an address and a length without host bits."""
        body = {"prefix": prefix, "valid_from": "2026-01-01T00:00:00Z"}
        document = problem_of(shared.client.post("/v1/holdings", json=body, headers=bob.headers), 422, "bad-input")

        assert document["errors"][0] == {
            "where": "/prefix",
            "code": "not-a-prefix",
            "expected": "address/length without host bits",
            "got": prefix,
        }

    def test_neither_prefix_nor_system(self, shared: Instance, bob: Party) -> None:
        """A declaration names one network."""
        body = {"valid_from": "2026-01-01T00:00:00Z"}
        problem_of(shared.client.post("/v1/holdings", json=body, headers=bob.headers), 422, "bad-input")


class TestStatuses:
    """Each status has its form."""

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer kst_x"}])
    def test_401_says_how(self, shared: Instance, headers: dict[str, str]) -> None:
        """Who is not known is told which scheme to use (RFC 9110, section 11.6.1)."""
        answer = shared.client.get("/v1/me", headers=headers)

        assert says_what_to_do(problem_of(answer, 401, "not-authenticated"))
        assert answer.headers["www-authenticate"] == 'Bearer realm="kessetsu"'

    def test_406(self, shared: Instance, bob: Party, parcel: str) -> None:
        """What is not served is refused with what is."""
        answer = shared.client.get(f"{parcel}/records", headers={**bob.headers, "Accept": "text/html"})

        document = problem_of(answer, 406, "not-acceptable")
        assert says_what_to_do(document)
        assert "text/csv" in document["expected"]

    def test_409(self, shared: Instance, bob: Party, parcel: str) -> None:
        """A key used for other outcomes is a conflict."""
        headers = {**bob.headers, "Idempotency-Key": "conflict"}
        for code in ("warned", "blocked"):
            body = {"outcomes": [{"code": code, "rows": "all"}]}
            answer = shared.client.post(f"{parcel}/outcomes", json=body, headers=headers)

        assert says_what_to_do(problem_of(answer, 409, "conflict"))

    def test_413(self, shared: Instance, bob: Party) -> None:
        """A JSON body past its limit is refused, by announcement and while it streams."""
        url = f"/v1/reports/{uuid4()}/withdrawal"
        headers = {**bob.headers, "Content-Type": "application/json"}
        announced = shared.client.post(url, content=b'{"reason": "' + b"x" * 70_000, headers=headers)
        streamed = shared.client.post(url, content=iter([b"x" * 40_000] * 2), headers=headers)

        for answer in (announced, streamed):
            assert answer.status_code == 413
            assert answer.headers["content-type"] == MEDIA_TYPE

    def test_415(self, shared: Instance, bob: Party) -> None:
        """A push that is no form is told which form it should be."""
        headers = {**bob.headers, "Idempotency-Key": "k", "Content-Type": "text/csv"}
        answer = shared.client.post("/v1/reports", content=b"src_ip\n", headers=headers)

        document = problem_of(answer, 415, "wrong-content-type")
        assert says_what_to_do(document)
        assert document["got"] == "text/csv"

    def test_422_of_the_domain_tells_all_faults(self, shared: Instance, bob: Party) -> None:
        """All that is wrong with an envelope is told at once, with what was got."""
        envelope = attack(legal_basis="curiosity", purpose="revenge", mandate=None)
        document = problem_of(shared.push(bob, csv_of(["60.1.2.3"]), envelope), 422, "bad-envelope")

        faults = {fault["where"]: fault for fault in document["errors"]}
        assert set(faults) == {"/legal_basis", "/purpose", "/mandate"}
        assert faults["/legal_basis"]["got"] == '"curiosity"'
        assert says_what_to_do(document)


class TestUnforeseen:
    """A 500 says nothing but its id, and leaves the connection usable."""

    @pytest.fixture
    def broken(self, instance: Instance) -> Iterator[str]:
        """Give an application with routes that fail."""
        app = create_app(instance.hub)
        _add_failing_routes(app)
        with serving(app) as url:
            yield url

    def test_detail_is_hidden(self, broken: str) -> None:
        """Neither type nor text of the error, nor a line of code, leaves."""
        answer = httpx.get(f"{broken}/fails", trust_env=False)

        document = problem_of(answer, 500, "internal")
        assert "ValueError" not in answer.text
        assert PLANTED not in answer.text
        assert "request id" in document["action"]

    def test_the_connection_goes_on(self, broken: str) -> None:
        """The next request on the same connection is answered."""
        with httpx.Client(base_url=broken, trust_env=False) as client:
            statuses = [client.get(path).status_code for path in ("/fails", "/healthz", "/fails", "/healthz")]

        assert statuses == [500, 200, 500, 200]

    def test_an_error_after_the_answer_began_ends_it(self, broken: str) -> None:
        """A body that broke off is not taken for a whole one."""
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{broken}/breaks-off", trust_env=False)


def _add_failing_routes(app: FastAPI) -> None:
    @app.get("/fails", openapi_extra=audience(Audience.ANYONE))
    def fails() -> None:
        raise ValueError(PLANTED)

    @app.get("/breaks-off", openapi_extra=audience(Audience.ANYONE))
    def breaks_off() -> Any:
        from starlette.responses import StreamingResponse  # noqa: PLC0415 - only here

        def chunks() -> Iterator[bytes]:
            yield b"begun"
            raise ValueError(PLANTED)

        return StreamingResponse(chunks())


@pytest.fixture(scope="module")
def severed(shared: Instance) -> Iterator[str]:
    """Give an API whose database does not answer."""
    target = replace(shared.database.target(Role.API), host="127.0.0.1", port=_closed_port(), tls="disable")
    store = Store(make_engine(target, application_name="test"), shared.clock, minimum_cell=5)
    with closing(store), serving(create_app(Hub.of(shared.settings, store, shared.clock))) as url:
        yield url


class TestUnavailable:
    """Without database nothing is taken, and the caller is told to come again."""

    def test_503(self, severed: str, bob: Party, parcel: str) -> None:
        """Every route that needs the database says when to come again."""
        with httpx.Client(base_url=severed, headers=bob.headers, trust_env=False) as client:
            files = {"envelope": ("e", orjson.dumps(attack()), "application/json"), "records": ("r", b"", "text/csv")}
            answers = [
                client.get("/v1/me"),
                client.get("/v1/inbox"),
                client.get(f"{parcel}/records"),
                client.post("/v1/reports", files=files, headers={"Idempotency-Key": "k"}),
                client.post(f"{parcel}/outcomes", json={}, headers={"Idempotency-Key": "k"}),
            ]

        for answer in answers:
            document = problem_of(answer, 503, "unavailable")
            assert document["action"]
            assert int(answer.headers["retry-after"]) >= 1
            assert "127.0.0.1" not in answer.text

    def test_alive_but_not_ready(self, severed: str) -> None:
        """The process lives; it is not ready, and says which part is missing."""
        assert httpx.get(f"{severed}/healthz", trust_env=False).status_code == 200
        answer = httpx.get(f"{severed}/readyz", trust_env=False)

        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "parts": {"database": "unavailable", "keys": "ok"}}
        assert int(answer.headers["retry-after"]) >= 1


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
