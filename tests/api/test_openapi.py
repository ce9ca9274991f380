"""The description of the API is complete enough to generate a client from, and true."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from api.callers import Audience
from api.problems import MEDIA_TYPE
from tests.support.instance import Instance, Party, attack, csv_of

JSON_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
SOURCES = ["60.1.2.3", "60.1.2.4"]
EVERY_MEMBERS_ERRORS = {"401", "403", "500", "503"}


@dataclass(frozen=True)
class Operation:
    """One operation of the description."""

    method: str
    path: str
    said: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return what a generated client would call it."""
        return str(self.said["operationId"]).partition("_v1_")[0]


@pytest.fixture(scope="module")
def document(shared: Instance) -> dict[str, Any]:
    """Give the description as it is served."""
    described: dict[str, Any] = shared.client.get("/openapi.json").json()
    return described


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    """Give all operations."""
    return [
        Operation(method, path, said) for path, methods in document["paths"].items() for method, said in methods.items()
    ]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Walk over every object within ``value``."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a schema's reference."""
    if "$ref" not in schema:
        return schema
    found: Any = document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(document, found)


def misfits(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, where: str = "") -> Iterator[str]:
    """Yield where ``value`` is not what ``schema`` says: as much of JSON Schema as the description uses."""
    schema = resolved(document, schema)
    if choices := schema.get("anyOf"):
        if all(list(misfits(document, choice, value, where)) for choice in choices):
            yield f"{where}: none of {len(choices)} choices"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: not listed"
    if "const" in schema and value != schema["const"]:
        yield f"{where}: not the constant"
    if "type" in schema and not _is(schema["type"], value):
        yield f"{where}: not of type {schema['type']}"
    elif isinstance(value, dict):
        yield from _members(document, schema, value, where)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from misfits(document, schema.get("items", {}), item, f"{where}/{place}")


def _members(
    document: Mapping[str, Any], schema: Mapping[str, Any], value: Mapping[str, Any], where: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    yield from (f"{where}/{name}: missing" for name in schema.get("required", ()) if name not in value)
    for name, item in value.items():
        if name in properties:
            yield from misfits(document, properties[name], item, f"{where}/{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{where}/{name}: not declared"


def _is(kind: str, value: Any) -> bool:
    types: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
    }
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


class TestForm:
    """The document is OpenAPI 3.1."""

    def test_head(self, document: dict[str, Any]) -> None:
        """Version, title and paths are there (OpenAPI 3.1.1, section 4.8.1)."""
        assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
        assert document["info"]["title"]
        assert document["info"]["version"]
        assert document["components"]["securitySchemes"]["HTTPBearer"] | {"description": ""} == {
            "type": "http",
            "scheme": "bearer",
            "description": "",
        }

    def test_references_lead_somewhere(self, document: dict[str, Any]) -> None:
        """Every reference is to a schema that is there, and every schema is referred to."""
        references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}

        assert references == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def test_types_exist(self, document: dict[str, Any]) -> None:
        """Schemas use the types of JSON Schema 2020-12, and not 3.0's 'nullable'."""
        schemas = list(nodes(document["components"]["schemas"]))
        types = {node["type"] for node in schemas if isinstance(node.get("type"), str)}

        assert types <= JSON_TYPES
        assert not [node for node in schemas if node.get("nullable") is True]

    def test_operations(self, operations: list[Operation]) -> None:
        """Each operation has an id of its own, a summary, and a description of each answer."""
        ids = [operation.said["operationId"] for operation in operations]
        assert len(set(ids)) == len(ids)
        for operation in operations:
            assert operation.said["summary"], operation
            assert all(answer["description"] for answer in operation.said["responses"].values())
            assert [status for status in operation.said["responses"] if 200 <= int(status) < 300], operation

    def test_path_parameters(self, operations: list[Operation]) -> None:
        """Each part of a path template is a required parameter, and the other way round."""
        for operation in operations:
            declared = {p["name"]: p["required"] for p in operation.said.get("parameters", ()) if p["in"] == "path"}
            assert declared == dict.fromkeys(re.findall(r"{(\w+)}", operation.path), True), operation


class TestDeclarations:
    """Every route says whom it is for and how it may fail."""

    def test_audience_and_security(self, operations: list[Operation]) -> None:
        """Whom a route is for is declared, and needs a token exactly where it is not for anyone."""
        for operation in operations:
            who = Audience(operation.said["x-audience"])
            assert operation.said.get("security", []) == ([] if who is Audience.ANYONE else [{"HTTPBearer": []}])
            assert isinstance(operation.said["x-secret"], bool)

    def test_only_records_are_secret(self, operations: list[Operation]) -> None:
        """One route hands out secrets; another one needs a line here and a reason."""
        secret = [f"{operation.method} {operation.path}" for operation in operations if operation.said["x-secret"]]

        assert secret == ["get /v1/inbox/{parcel_id}/records"]

    def test_errors(self, operations: list[Operation]) -> None:
        """All errors a route can answer with are declared, and all are problem documents."""
        for operation in operations:
            declared = operation.said["responses"]
            if operation.said["x-audience"] == Audience.ANYONE:
                continue
            assert _expected_errors(operation) <= set(declared), operation
            for status, answer in declared.items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [MEDIA_TYPE], (operation.path, status)
                    assert answer["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}


def _expected_errors(operation: Operation) -> set[str]:
    errors = set(EVERY_MEMBERS_ERRORS)
    if operation.said.get("parameters") or operation.said.get("requestBody"):
        errors.add("422")
    if "{" in operation.path:
        errors.add("404")
    if operation.said.get("requestBody"):
        errors.add("413")
    if operation.method == "post" or operation.said["x-secret"]:
        errors.add("507")  # even a read writes to the log
    return errors


class GeneratedClient:
    """What a generator would make of the description, and nothing else."""

    def __init__(self, document: Mapping[str, Any], operations: list[Operation], client: httpx.Client) -> None:
        """Read the operations."""
        self.document = document
        self.operations = {operation.name: operation for operation in operations}
        self.client = client

    def call(self, name: str, party: Party, *, body: Any = None, **given: Any) -> httpx.Response:
        """Call an operation; checks that the answer is a declared one."""
        operation = self.operations[name]
        places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
        for parameter in operation.said.get("parameters", ()):
            argument = parameter["name"].replace("-", "_")
            assert argument in given or not parameter["required"], f"{name} needs {argument}"
            if argument in given:
                places[parameter["in"]][parameter["name"]] = str(given.pop(argument))
        assert given == {}, f"{name} knows no {', '.join(given)}"
        answer = self.client.request(
            operation.method,
            operation.path.format(**places["path"]),
            params=places["query"],
            headers={**places["header"], **(party.headers if operation.said.get("security") else {})},
            **self._content(operation, body),
        )
        self._check(operation, answer)
        return answer

    def _content(self, operation: Operation, body: Any) -> dict[str, Any]:
        if body is None:
            assert not operation.said.get("requestBody", {}).get("required"), operation
            return {}
        [(media_type, content)] = operation.said["requestBody"]["content"].items()
        if media_type == "application/json":
            assert list(misfits(self.document, content["schema"], body)) == []
            return {"json": body}
        assert media_type == "multipart/form-data"
        parts = content["schema"]["properties"]
        return {"files": {part: ("file", body[part], content["encoding"][part]["contentType"]) for part in parts}}

    def _check(self, operation: Operation, answer: httpx.Response) -> None:
        declared = operation.said["responses"].get(str(answer.status_code))
        assert declared is not None, (operation.path, answer.status_code, answer.text)
        if "content" not in declared:
            assert answer.content == b""
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in declared["content"], (operation.path, media_type)
        if media_type.endswith("json"):
            assert list(misfits(self.document, declared["content"][media_type]["schema"], answer.json())) == []


class TestGeneratedClient:
    """A client made from the description alone can do a member's work."""

    @pytest.fixture(scope="class")
    @classmethod
    def parties(cls, shared: Instance) -> dict[str, Party]:
        """Give a reporter and a recipient."""
        shared.prefixes({"60.1.0.0/16": 64500})
        return {"alice": shared.party("Alice"), "bob": shared.party("Bob", systems=[64500])}

    def test_push_and_inbox(
        self,
        shared: Instance,
        document: dict[str, Any],
        operations: list[Operation],
        parties: dict[str, Party],
    ) -> None:
        """Push, list, read, acknowledge, answer, withdraw, confirm: every answer is one that was declared."""
        client = GeneratedClient(document, operations, shared.client)
        alice, bob = parties["alice"], parties["bob"]
        body = {"envelope": orjson.dumps(attack()), "records": csv_of(SOURCES).encode()}
        receipt = client.call("push_report", alice, body=body, idempotency_key=uuid4().hex).json()
        shared.work()
        [parcel] = client.call("list_parcels", bob, limit=10).json()["parcels"]
        parcel_id = parcel["parcel_id"]
        assert client.call("show_parcel", bob, parcel_id=parcel_id).json()["fields"]
        rows = client.call("read_records", bob, parcel_id=parcel_id).json()["records"]
        assert [row["src_ip"] for row in rows] == SOURCES
        client.call("acknowledge_parcel", bob, parcel_id=parcel_id)
        for rows_of, code in (("all", "warned"), ([2], "remediated")):
            outcomes = {"outcomes": [{"code": code, "rows": rows_of}]}
            client.call("report_outcomes", bob, body=outcomes, parcel_id=parcel_id, idempotency_key=uuid4().hex)
        standing = client.call("list_outcomes", bob, parcel_id=parcel_id).json()
        assert standing["outcomes"] == [{"code": "warned", "rows": [1]}, {"code": "remediated", "rows": [2]}]
        client.call("show_report", alice, report_id=receipt["report_id"])
        withdrawal = {"reason": "report-withdrawn"}
        client.call("withdraw_report", alice, body=withdrawal, report_id=receipt["report_id"])
        assert client.call("read_records", bob, parcel_id=parcel_id).status_code == 410
        [case] = client.call("list_recalls", bob, state="open").json()["recalls"]
        assert client.call("confirm_recall", bob, recall_id=case["recall_id"]).json()["confirmed_at"]

    def test_the_rest(
        self,
        shared: Instance,
        document: dict[str, Any],
        operations: list[Operation],
        parties: dict[str, Party],
    ) -> None:
        """Every other operation answers as declared, refusals included."""
        client = GeneratedClient(document, operations, shared.client)
        bob, nothing = parties["bob"], str(uuid4())
        for name in ("list_reports", "list_holdings", "list_certificates", "who_am_i", "alive_healthz_get"):
            assert client.call(name, bob).status_code == 200
        assert client.call("ready_readyz_get", bob).status_code == 200
        declaration = {"prefix": "60.1.0.0/16", "valid_from": "2026-01-01T00:00:00Z"}
        assert client.call("declare_holding", bob, body=declaration).status_code == 201
        assert client.call("declare_holding", bob, body={**declaration, "asn": 1}).status_code == 422
        for name in ("show_parcel", "read_records", "acknowledge_parcel", "list_outcomes"):
            assert client.call(name, bob, parcel_id=nothing).status_code == 404
            assert client.call(name, bob, parcel_id="nothing").status_code == 422
        assert client.call("show_report", bob, report_id=nothing).status_code == 404
        assert client.call("confirm_recall", bob, recall_id=nothing).status_code == 404
        first = client.call("list_parcels", bob)
        assert client.call("list_parcels", bob, if_none_match=first.headers["etag"]).status_code == 304
