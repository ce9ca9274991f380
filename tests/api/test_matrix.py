"""Every route against every kind of caller: who is not named gets nothing, not even that there is something."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.callers import Audience
from hub.members.credentials import new_token
from hub.vocabulary import CapacityKind, RecallReason, Scope, Standing
from tests.api.planting import everything_in, found, spellings
from tests.support.database import Cluster
from tests.support.instance import ALL_SCOPES, HEADER, LONG_AGO, Instance, Party, attack, csv_of

TARGET, TARGET_V6 = "45.77.201.13", "2606:4700:77::beef"
SOURCES = {
    "bob": ("60.1.2.203", "2400:1234:9::b0b"),
    "carol": ("106.5.61.7", "2400:5678:9::ca20"),
    "erin": ("121.200.3.9",),
    "frank": ("122.210.4.8",),
    "nobody": ("126.91.92.93",),
}
SYSTEMS = {"bob": 64500, "carol": 64501, "erin": 64502, "frank": 64503}
TABLE = {
    "60.1.0.0/16": 64500,
    "2400:1234::/32": 64500,
    "106.5.0.0/16": 64501,
    "2400:5678::/32": 64501,
    "121.200.0.0/16": 64502,
    "122.210.0.0/16": 64503,
    "126.91.0.0/16": 64999,
}
PORTS = {"bob": 41_231, "carol": 42_347, "erin": 43_451, "frank": 44_563, "nobody": 45_677}
TIMES = {name: f"2026-11-20T09:07:1{n}.{n}54321Z" for n, name in enumerate(PORTS, start=1)}


@dataclass(frozen=True)
class Asker:
    """One kind of caller."""

    headers: Mapping[str, str]
    scopes: frozenset[Scope] = ALL_SCOPES
    refused: bool = False
    """Nobody at all, to the hub."""
    suspended: bool = False
    own: frozenset[str] = frozenset()
    """Whose things these are: names of secrets it may see on any route."""
    reads: frozenset[str] = frozenset()
    """Names of secrets it may see in a parcel's records."""


@dataclass
class World:
    """A hub in which one of everything has happened."""

    instance: Instance
    ids: dict[str, str] = field(default_factory=dict)
    askers: dict[str, Asker] = field(default_factory=dict)
    secrets: dict[str, frozenset[bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What a route is asked, and who is named."""

    audience: Audience
    success: int
    ask: Callable[[httpx.Client, str, Mapping[str, str]], httpx.Response]
    of: str | None = None
    """Name of the object whose id stands in the path."""
    named: frozenset[str] = frozenset()
    """Callers who may have that object."""
    otherwise: Mapping[str, int] = field(default_factory=dict)
    """Entitled callers who get another answer than success."""


def _get(path: str) -> Callable[[httpx.Client, str, Mapping[str, str]], httpx.Response]:
    return lambda client, object_id, headers: client.get(path.replace("{id}", object_id), headers=headers)


def _post(path: str, **content: Any) -> Callable[[httpx.Client, str, Mapping[str, str]], httpx.Response]:
    def ask(client: httpx.Client, object_id: str, headers: Mapping[str, str]) -> httpx.Response:
        keyed = {**headers, "Idempotency-Key": uuid4().hex}
        return client.post(path.replace("{id}", object_id), headers=keyed, **content)

    return ask


def _push(client: httpx.Client, _object_id: str, headers: Mapping[str, str]) -> httpx.Response:
    files = {
        "envelope": ("e", orjson.dumps(attack(mandate=f"m-{uuid4()}")), "application/json"),
        "records": ("r", csv_of(SOURCES["nobody"]).encode(), "text/csv"),
    }
    return client.post("/v1/reports", files=files, headers={**headers, "Idempotency-Key": uuid4().hex})


RECIPIENTS = frozenset({"recipient", "delegate of the recipient", *(f"recipient without {s}" for s in Scope)})
REPORTERS = frozenset({"reporter"})
NO_HOLDERS = ("vendor", "maker", "researcher", "partner", "authority", "recipient's other capacity", "reporting vendor")

CASES: dict[str, Case] = {
    "GET /healthz": Case(Audience.ANYONE, 200, _get("/healthz")),
    "GET /readyz": Case(Audience.ANYONE, 200, _get("/readyz")),
    "POST /v1/reports": Case(Audience.PUSHERS, 202, _push),
    "GET /v1/reports": Case(Audience.MEMBERS, 200, _get("/v1/reports")),
    "GET /v1/reports/{report_id}": Case(Audience.MEMBERS, 200, _get("/v1/reports/{id}"), of="report", named=REPORTERS),
    "POST /v1/reports/{report_id}/withdrawal": Case(
        Audience.PUSHERS,
        202,
        _post("/v1/reports/{id}/withdrawal", json={"reason": "report-withdrawn"}),
        of="report to withdraw",
        named=REPORTERS,
    ),
    "GET /v1/inbox": Case(Audience.READERS, 200, _get("/v1/inbox")),
    "GET /v1/inbox/{parcel_id}": Case(Audience.READERS, 200, _get("/v1/inbox/{id}"), of="bob parcel", named=RECIPIENTS),
    "GET /v1/inbox/{parcel_id}/records": Case(
        Audience.READERS, 200, _get("/v1/inbox/{id}/records"), of="bob parcel", named=RECIPIENTS
    ),
    "POST /v1/inbox/{parcel_id}/acknowledgement": Case(
        Audience.READERS, 200, _post("/v1/inbox/{id}/acknowledgement"), of="bob parcel", named=RECIPIENTS
    ),
    "POST /v1/inbox/{parcel_id}/outcomes": Case(
        Audience.ANSWERERS,
        200,
        _post("/v1/inbox/{id}/outcomes", json={"outcomes": [{"code": "warned", "rows": "all"}]}),
        of="bob parcel",
        named=RECIPIENTS,
    ),
    "GET /v1/inbox/{parcel_id}/outcomes": Case(
        Audience.ANSWERERS, 200, _get("/v1/inbox/{id}/outcomes"), of="bob parcel", named=RECIPIENTS
    ),
    "GET /v1/recalls": Case(Audience.READERS, 200, _get("/v1/recalls")),
    "POST /v1/recalls/{recall_id}/confirmation": Case(
        Audience.READERS,
        200,
        _post("/v1/recalls/{id}/confirmation"),
        of="bob recall",
        named=RECIPIENTS - {"delegate of the recipient"},  # it has a case, and a copy, of its own
    ),
    "GET /v1/holdings": Case(Audience.HOLDERS, 200, _get("/v1/holdings")),
    "POST /v1/holdings": Case(
        Audience.HOLDERS,
        201,
        _post("/v1/holdings", json={"asn": 64777, "valid_from": "2026-01-01T00:00:00Z"}),
        otherwise=dict.fromkeys((*NO_HOLDERS, "delegate of the recipient", "delegate of another"), 422),
    ),
    "GET /v1/certificates": Case(Audience.MEMBERS, 200, _get("/v1/certificates")),
    "GET /v1/me": Case(Audience.MEMBERS, 200, _get("/v1/me")),
}

ASKERS = (
    "anonymous",
    "other scheme",
    "malformed token",
    "unknown token",
    "expired token",
    "revoked token",
    "suspended recipient",
    "recipient that left",
    "delegate whose delegation ended",
    "recipient",
    *(f"recipient without {scope}" for scope in Scope),
    "recipient's other capacity",
    "other carrier",
    "network operator",
    "delegate of the recipient",
    "delegate of another",
    "vendor",
    "maker",
    "researcher",
    "partner",
    "authority",
    "reporter",
    "reporting vendor",
)
_SCOPES = {
    Audience.PUSHERS: Scope.PUSH,
    Audience.READERS: Scope.INBOX,
    Audience.ANSWERERS: Scope.OUTCOMES,
    Audience.HOLDERS: Scope.HOLDINGS,
}


def routes() -> Iterator[str]:
    """Walk over every route the application has: method and path."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield from (f"{method} {route.path}" for method in route.methods or ())


def records() -> str:
    """Return one report's records: everybody's sources, each carrier's with a port and a time of its own."""
    lines = [
        f"{source},{PORTS[name]},{TARGET_V6 if ':' in source else TARGET},443,tcp,{at},{at},12,1440,SA"
        for name, at in TIMES.items()
        for source in SOURCES[name]
    ]
    return "\n".join([HEADER, *lines, ""])


def _another_token(instance: Instance, party: Party, **changes: Any) -> tuple[UUID, dict[str, str]]:
    now = instance.clock.now()
    given = {"label": "more", "scopes": ALL_SCOPES, "expires_at": now + timedelta(days=90), "now": now, **changes}
    with instance.operator.store.writing() as unit:
        issued = unit.credentials.issue(party.capacity_id, **given)
    return issued.credential_id, {"Authorization": f"Bearer {issued.text}"}


def _deliver(world: World, reporter: Party, **envelope: Any) -> str:
    answer = world.instance.push(reporter, records(), attack(target=TARGET, mandate=f"m-{uuid4()}", **envelope))
    assert answer.status_code == 202, answer.text
    assert world.instance.work() == 1
    report_id: str = answer.json()["report_id"]
    return report_id


def _parties(instance: Instance) -> dict[str, Party]:
    parties = {name: instance.party(f"{name.title()} Networks", systems=[asn]) for name, asn in SYSTEMS.items()}
    parties["alice"] = instance.party("Alice Networks")
    bob, carol = parties["bob"], parties["carol"]
    kinds = (k for k in CapacityKind if k not in {CapacityKind.CARRIER, CapacityKind.DELEGATE})
    parties |= {kind.value.replace("-", " "): instance.party(f"Some {kind.value}", kind) for kind in kinds}
    parties["reporting vendor"] = instance.party("Reporting vendor", CapacityKind.VENDOR)
    for name, operator, term in (("dora", bob, 365), ("dirk", carol, 365), ("dina", bob, 1 / 48)):
        parties[name] = instance.party(
            name.title(), CapacityKind.DELEGATE, operator=operator, delegated_for=timedelta(days=term)
        )
    with instance.operator.store.writing() as unit:
        other = unit.members.add_capacity(
            bob.member_id, CapacityKind.VENDOR, valid_from=LONG_AGO, now=instance.clock.now()
        )
    parties["bob as vendor"] = Party("Bob as vendor", bob.member_id, other, bob.credential_id, "")
    return parties


def _happen(world: World, parties: Mapping[str, Party]) -> None:
    """Deliver, recall, erase: one of everything, with all sources in each report."""
    instance, alice, bob = world.instance, parties["alice"], parties["bob"]
    world.ids["report"] = _deliver(world, alice)
    [parcel] = instance.inbox(bob)
    world.ids["bob parcel"] = parcel["parcel_id"]
    world.ids["report to withdraw"] = _deliver(world, alice)
    _deliver(world, alice)
    world.ids["recalled parcel"] = instance.inbox(bob)[2]["parcel_id"]
    instance.operator.recalls.recall(
        UUID(world.ids["recalled parcel"]), RecallReason.NOT_OURS, rows=None, officer="officer"
    )
    [recall] = instance.client.get("/v1/recalls", headers=bob.headers).json()["recalls"]
    world.ids["bob recall"] = recall["recall_id"]
    exercise = instance.push(
        alice, csv_of(SOURCES["bob"], at="2026-11-20T09:29:50Z"), attack(purpose="drill", data_class="drill-short")
    )
    assert exercise.status_code == 202, exercise.text
    instance.work()


def _askers(world: World, parties: Mapping[str, Party]) -> dict[str, Asker]:
    instance, bob, carol = world.instance, parties["bob"], parties["carol"]
    _, expiring = _another_token(instance, bob, expires_at=instance.clock.now() + timedelta(minutes=30))
    revoked_id, revoked = _another_token(instance, bob)
    with instance.operator.store.writing() as unit:
        assert unit.credentials.revoke(revoked_id, instance.clock.now())
    of_bob = frozenset({"bob", "bob parcel", "recalled parcel", "bob recall"})
    recipient = Asker(bob.headers, own=of_bob, reads=frozenset({"bob's records"}))
    delegate = Asker(parties["dora"].headers, own=of_bob - {"bob", "bob recall"}, reads=recipient.reads)
    by_kind = {
        kind.value.replace("-", " "): Asker(parties[kind.value.replace("-", " ")].headers)
        for kind in CapacityKind
        if kind not in {CapacityKind.CARRIER, CapacityKind.DELEGATE}
    }
    reports = frozenset({"report", "report to withdraw", "alice"})
    return {
        "anonymous": Asker({}, refused=True),
        "other scheme": Asker({"Authorization": "Basic Ym9iOmJvYg=="}, refused=True),
        "malformed token": Asker({"Authorization": "Bearer kst_' OR '1'='1"}, refused=True),
        "unknown token": Asker({"Authorization": f"Bearer {new_token()}"}, refused=True),
        "expired token": Asker(expiring, refused=True),
        "revoked token": Asker(revoked, refused=True),
        "suspended recipient": Asker(parties["erin"].headers, suspended=True, own=frozenset({"erin"})),
        "recipient that left": Asker(parties["frank"].headers, refused=True),
        "delegate whose delegation ended": Asker(parties["dina"].headers, refused=True),
        "recipient": recipient,
        **{f"recipient without {scope}": _without(world, bob, scope, recipient) for scope in Scope},
        "recipient's other capacity": Asker(
            _another_token(instance, parties["bob as vendor"])[1], own=frozenset({"bob"})
        ),
        "other carrier": Asker(carol.headers, own=frozenset({"carol"}), reads=frozenset({"carol's records"})),
        "delegate of the recipient": delegate,
        "delegate of another": Asker(parties["dirk"].headers, reads=frozenset({"carol's records"})),
        **by_kind,
        "reporter": Asker(parties["alice"].headers, own=reports),
        "reporting vendor": Asker(parties["reporting vendor"].headers),
    }


def _without(world: World, bob: Party, scope: Scope, recipient: Asker) -> Asker:
    scopes = ALL_SCOPES - {scope}
    _, headers = _another_token(world.instance, bob, scopes=scopes)
    return Asker(headers, scopes=scopes, own=recipient.own, reads=recipient.reads)


def _secrets(world: World, parties: Mapping[str, Party]) -> dict[str, frozenset[bytes]]:
    """Name everything that was planted: records by carrier, the target, ids and names of members and objects."""
    planted = {f"{name}'s records": _spelled(SOURCES[name]) | {TIMES[name].encode()} for name in SOURCES}
    planted["target"] = _spelled((TARGET, TARGET_V6))
    for name in ("alice", "bob", "carol", "erin"):
        party = parties[name]
        planted[name] = frozenset({party.name.encode(), str(party.member_id).encode(), str(party.capacity_id).encode()})
    for name, object_id in world.ids.items():
        planted[name] = frozenset({object_id.encode(), UUID(object_id).bytes, object_id.replace("-", "").encode()})
    return planted


def _spelled(addresses: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset().union(*map(spellings, addresses))


@pytest.fixture(scope="module")
def world(database_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a hub in which one of everything has happened."""
    with (
        database_cluster.fresh() as database,
        closing(Instance(database, tmp_path_factory.mktemp("hub"))) as instance,
    ):
        instance.prefixes(TABLE)
        made = World(instance)
        parties = _parties(instance)
        _happen(made, parties)
        made.askers = _askers(made, parties)
        made.secrets = _secrets(made, parties)
        instance.standing(parties["erin"], Standing.SUSPENDED)
        instance.standing(parties["frank"], Standing.LEFT)
        instance.clock.advance(timedelta(hours=2))
        assert instance.erase() >= 1
        yield made


def _expected(case: Case, name: str, asker: Asker) -> int:
    if case.audience is Audience.ANYONE:
        return case.success
    scope = _SCOPES.get(case.audience)
    if asker.refused:
        return 401
    if scope is not None and (asker.suspended or scope not in asker.scopes):
        return 403
    if case.of is not None and name not in case.named:
        return 404
    return case.otherwise.get(name, case.success)


def _comparable(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Return what must be the same of two answers: all but the request's id and the time."""
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}
    return answer.status_code, headers, body


def _not_granted(world: World, route: str, asker: Asker) -> dict[str, frozenset[bytes]]:
    granted = asker.own | (asker.reads if route.endswith("/records") else frozenset())
    return {name: forms for name, forms in world.secrets.items() if name not in granted}


class TestMatrix:
    """Every route against every kind of caller."""

    def test_no_route_is_without_a_case(self) -> None:
        """A new route needs a case here before it can ship."""
        assert sorted(routes()) == sorted(CASES)

    def test_every_caller_is_there(self, world: World) -> None:
        """The kinds of callers named in this module are the ones that ask."""
        assert sorted(world.askers) == sorted(ASKERS)

    @pytest.mark.parametrize("name", ASKERS)
    @pytest.mark.parametrize("route", CASES)
    def test_who_is_not_named_gets_nothing(self, world: World, route: str, name: str) -> None:
        """The status is the one entitled to, and no answer holds a secret that was not granted to its caller."""
        case, asker = CASES[route], world.askers[name]
        answer = case.ask(world.instance.client, world.ids[case.of] if case.of else "", asker.headers)

        assert answer.status_code == _expected(case, name, asker), answer.text
        leaked = {
            secret: found(forms, everything_in(answer)) for secret, forms in _not_granted(world, route, asker).items()
        }
        assert {secret: forms for secret, forms in leaked.items() if forms} == {}

    @pytest.mark.parametrize("name", ASKERS)
    @pytest.mark.parametrize("route", [route for route, case in CASES.items() if case.of])
    def test_not_even_existence(self, world: World, route: str, name: str) -> None:
        """Another's object and none at all are answered alike, byte for byte."""
        case, asker = CASES[route], world.askers[name]
        assert case.of is not None
        client = world.instance.client
        nothing = case.ask(client, str(uuid4()), asker.headers)

        assert nothing.status_code in {401, 403, 404}
        if name not in case.named:
            another = case.ask(client, world.ids[case.of], asker.headers)
            assert _comparable(another) == _comparable(nothing)

    def test_refusals_of_a_token_read_the_same(self, world: World) -> None:
        """Unknown, expired, revoked and malformed tokens, and those of former members, are told the same."""
        refused = [name for name, asker in world.askers.items() if asker.refused and "Authorization" in asker.headers]
        answers = {name: world.instance.client.get("/v1/me", headers=world.askers[name].headers) for name in refused}
        bearers = {_comparable(answer)[2] for name, answer in answers.items() if name != "other scheme"}

        assert len(bearers) == 1

    def test_own_lists_hold_only_own_things(self, world: World) -> None:
        """Whoever is entitled to list finds its own things and nothing else."""
        client, askers = world.instance.client, world.askers

        def count(path: str, name: str) -> int:
            answer = client.get(f"/v1/{path}", headers=askers[name].headers).json()
            return len(answer[path.split("?", maxsplit=1)[0]] if path != "inbox" else answer["parcels"])

        assert count("inbox", "recipient") == count("inbox", "delegate of the recipient") >= 2
        assert count("inbox", "other carrier") >= 2
        assert {name: count("inbox", name) for name in NO_HOLDERS} == dict.fromkeys(NO_HOLDERS, 0)
        assert count("recalls", "recipient") >= 1
        assert count("recalls?state=open", "network operator") == 0
        assert count("certificates", "recipient") == 1
        assert count("certificates", "network operator") == 0
        assert count("reports", "reporter") >= 4

    def test_recipient_and_delegate_do_get_theirs(self, world: World) -> None:
        """The matrix would prove nothing if the records held nothing."""
        path = f"/v1/inbox/{world.ids['bob parcel']}/records"
        for name in ("recipient", "delegate of the recipient"):
            shown = world.instance.client.get(path, headers=world.askers[name].headers)
            assert {row["src_ip"] for row in shown.json()["records"]} == set(SOURCES["bob"])
            assert {row["src_port"] for row in shown.json()["records"]} == {PORTS["bob"]}
            assert found(world.secrets["bob's records"], everything_in(shown))
