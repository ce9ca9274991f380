"""Everything a push can be wrong in, over HTTP: refused with the reason, nothing taken, nothing kept."""

import gzip
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import zstandard

from hub.vocabulary import Scope, Standing
from tests.api.planting import found, spellings, stored_values
from tests.api.wire import ENVELOPE, RECORDS, Wire, form, good_form, part, push_headers, stored
from tests.support.database import Cluster
from tests.support.instance import HEADER, Instance, Party, attack, drill

SOURCES = ["60.1.2.3", "60.1.2.4"]
BAD_ADDRESS = "60.1.77.999"
PLANTED = "60.1.77.201"
"""A source that stands in refused rows and refused reports only."""
ROW = f"{PLANTED},40000,198.51.100.7,443,tcp,2026-11-20T09:05:00Z,2026-11-20T09:05:00Z,12,1440,SA"
GOOD_ROW = ROW.replace(PLANTED, SOURCES[0])


@pytest.fixture(scope="module")
def alice(shared: Instance) -> Party:
    """Give a reporter."""
    shared.prefixes({"60.1.0.0/16": 64500})
    shared.party("Bob Cable", systems=[64500])
    return shared.party("Alice Net")


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a push was refused with a reason; returns the problem."""
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    assert document.get("action") or document["errors"]
    return document


def post(instance: Instance, party: Party, content: bytes, **changes: str) -> httpx.Response:
    """Push a form as it is."""
    return instance.client.post("/v1/reports", content=content, headers=push_headers(party, **changes))


@pytest.fixture(autouse=True)
def nothing_is_taken(request: pytest.FixtureRequest) -> Iterator[None]:
    """Count before and after: no test of a refusal leaves anything behind."""
    if "shared" not in request.fixturenames:
        yield
        return
    instance: Instance = request.getfixturevalue("shared")
    request.getfixturevalue("alice")
    before = stored(instance)
    yield
    assert stored(instance) == before


def csv(*rows: str, header: str = HEADER) -> bytes:
    """Return a file of these rows."""
    return "\n".join([header, *rows, ""]).encode()


def row(**changes: str) -> str:
    """Return the planted row with changes, by column."""
    cells = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | changes
    return ",".join(cells.values())


ZSTD = zstandard.ZstdCompressor().compress(csv(ROW) * 50)
GZIP = gzip.compress(csv(ROW) * 50)
UNREADABLE = {
    "gzip cut": GZIP[:-20],
    "gzip cut in its head": GZIP[:5],
    "gzip garbled": GZIP[:30] + bytes(byte ^ 0x55 for byte in GZIP[30:50]) + GZIP[50:],
    "gzip and more": GZIP + b"more",
    "zstd cut": ZSTD[:-10],
    "zstd cut in its head": ZSTD[:5],
    "zstd garbled": ZSTD[:20] + b"\xff" * 20 + ZSTD[40:],
    "zstd and more": ZSTD + b"more",
    "nothing": b"",
    "no rows": HEADER.encode(),
    "no rows, line end": csv(),
    "no header": csv(header=ROW),
    "column missing": csv("60.1.2.3", header="src_ip"),
    "column unknown": csv(ROW + ",x", header=HEADER + ",subscriber"),
    "column twice": csv(ROW + ",60.1.2.3", header=HEADER + ",src_ip"),
    "semicolons": csv(ROW.replace(",", ";"), header=HEADER.replace(",", ";")),
    "NUL": csv(ROW.replace("tcp", "tc\0p")),
    "UTF-16": csv(ROW).decode().encode("utf-16"),
    "Latin-1": csv(ROW + ",Zürich", header=HEADER + ",x_city").decode().encode("latin-1"),
    "CR alone": csv(ROW).replace(b"\n", b"\r"),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "a form": b"--boundary\r\n",
}


class TestRecords:
    """Records that cannot be read, or are wrong in every row, are refused with the reason."""

    @pytest.mark.parametrize("name", UNREADABLE)
    def test_unreadable(self, shared: Instance, alice: Party, name: str) -> None:
        """What cannot be read as CSV with these columns is refused as a whole."""
        document = refused(shared.push(alice, UNREADABLE[name]), 422, "bad-records")

        assert document.get("expected") or document["errors"]

    def test_shift_jis_is_named(self, shared: Instance, alice: Party) -> None:
        """A file in the encoding of Japanese spreadsheets is recognised, and the way out is said."""
        body = csv(ROW + ",東京都千代田区", header=HEADER + ",x_memo").decode().encode("cp932")
        document = refused(shared.push(alice, body), 422, "bad-records")

        assert "Shift_JIS" in document["detail"]
        assert "iconv -f CP932 -t UTF-8" in document["action"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"src_ip": BAD_ADDRESS}, "not-an-address"),
            ({"src_ip": "60.1.2.0/24"}, "not-an-address"),
            ({"src_ip": "0x3c010203"}, "not-an-address"),
            ({"src_ip": "fe80::1%eth0"}, "not-an-address"),
            ({"src_ip": ""}, "missing"),
            ({"dst_ip": "2001:db8::7"}, "mixed-families"),
            ({"src_ip": "::ffff:60.1.2.3", "dst_ip": "2001:db8::7"}, "mixed-families"),
            ({"first_seen": "2027-11-20T09:05:00Z", "last_seen": ""}, "time-future"),
            ({"last_seen": "2026-11-20T09:04:59Z"}, "time-reversed"),
            ({"first_seen": "2026-11-20T09:05:00"}, "time-without-zone"),
            ({"first_seen": "1763629500"}, "epoch-undeclared"),
            ({"first_seen": "1999-12-31T23:59:59Z"}, "time-range"),
            ({"first_seen": "yesterday"}, "time-format"),
            ({"src_port": "65536"}, "port-range"),
            ({"src_port": "-1"}, "port-range"),
            ({"dst_port": "http"}, "port-range"),
            ({"protocol": "256"}, "protocol-unknown"),
            ({"packets": "-5"}, "count-range"),
            ({"bytes": "1e9"}, "count-range"),
            ({"tcp_flags": "Z"}, "flags-format"),
            ({"src_ip": "6" * 300}, "too-long"),
        ],
    )
    def test_wrong_cells(self, shared: Instance, alice: Party, changes: dict[str, str], reason: str) -> None:
        """Where every row is wrong the reasons are told by column, the values are not."""
        answer = shared.push(alice, csv(row(**changes)))

        document = refused(answer, 422, "bad-records")
        assert reason in {fault["code"] for fault in document["errors"]}, document
        assert not [value for value in changes.values() if len(value) > 5 and value in answer.text]

    def test_one_bad_row_refuses_all_if_asked(self, shared: Instance, alice: Party) -> None:
        """``on_error=reject-report``: one bad row, and nothing is taken."""
        body = csv(GOOD_ROW, row(src_ip=BAD_ADDRESS))
        answer = shared.push(alice, body, attack(on_error="reject-report"))

        refused(answer, 422, "bad-records")

    def test_older_than_its_class_may_be_kept(self, shared: Instance, alice: Party) -> None:
        """Data that would be past their deadline on arrival are refused."""
        body = csv(row(first_seen="2026-01-20T09:05:00Z", last_seen="2026-01-20T09:05:00Z"))
        refused(shared.push(alice, body), 422, "bad-records")


class TestEnvelope:
    """What must accompany the records."""

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"legal_basis": "curiosity"}, "/legal_basis"),
            ({"legal_basis": None}, "/legal_basis"),
            ({"legal_basis": "consent-individual"}, "/consent"),
            ({"legal_basis": "consent-terms", "consent": ""}, "/consent"),
            ({"purpose": None}, "/purpose"),
            ({"purpose": "marketing"}, "/purpose"),
            ({"data_class": None}, "/data_class"),
            ({"data_class": "intake"}, "/data_class"),
            ({"data_class": "held"}, "/data_class"),
            ({"data_class": "drill"}, "/data_class"),
            ({"data_class": "vulnerable-device"}, "/data_class"),
            ({"mandate": None}, "/mandate"),
            ({"mandate": "60.1.77.201"}, "/mandate"),
            ({"target": None}, "/target"),
            ({"target": "example.org"}, "/target"),
            ({"vectors": ["unheard-of"]}, "/vectors/0"),
            ({"start": "2026-11-20T09:00:00"}, "/start"),
            ({"end": "2026-11-20T08:00:00Z"}, "/end"),
            ({"on_error": "guess"}, "/on_error"),
            ({"kind": "rumour"}, "/kind"),
            ({"subscriber": "x"}, ""),
        ],
    )
    def test_wrong_members(self, shared: Instance, alice: Party, changes: dict[str, Any], where: str) -> None:
        """What is missing, unknown or contradictory is named by place."""
        document = refused(shared.push(alice, csv(GOOD_ROW), attack(**changes)), 422, "bad-envelope")

        assert where in {fault["where"] for fault in document["errors"]}

    @pytest.mark.parametrize(
        "raw", [b"", b"{", b"[]", b"null", b'{"kind":1,"kind":2}', b'{"a":NaN}', b"\xff\xfe{}", b"[" * 60_000]
    )
    def test_no_json_object(self, shared: Instance, alice: Party, raw: bytes) -> None:
        """An envelope is one JSON object in UTF-8, each member once."""
        answer = post(shared, alice, form(part(*ENVELOPE, raw), part(*RECORDS, csv(GOOD_ROW))))

        refused(answer, 422, "bad-envelope")

    def test_too_large(self, shared: Instance, alice: Party) -> None:
        """An envelope past 64 KiB is refused before it is read."""
        envelope = orjson.dumps(attack()) + b" " * 65_536
        answer = post(shared, alice, form(part(*ENVELOPE, envelope), part(*RECORDS, csv(GOOD_ROW))))

        assert "envelope" in refused(answer, 413, "too-large")["detail"]


GOOD_ENVELOPE = orjson.dumps(attack())
WRONG_FORMS = {
    "other order": form(part(*RECORDS, csv(GOOD_ROW)), part(*ENVELOPE, GOOD_ENVELOPE)),
    "records missing": form(part(*ENVELOPE, GOOD_ENVELOPE)),
    "envelope missing": form(part(*RECORDS, csv(GOOD_ROW))),
    "nothing": form(),
    "a third part": form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, csv(GOOD_ROW)), part("more", "text/csv", b"x")),
    "records twice": form(part(*ENVELOPE, GOOD_ENVELOPE), *[part(*RECORDS, csv(GOOD_ROW))] * 2),
    "a part without name": form(part(*ENVELOPE, GOOD_ENVELOPE), part(None, "text/csv", csv(GOOD_ROW))),
    "another name": form(part(*ENVELOPE, GOOD_ENVELOPE), part("file", "text/csv", csv(GOOD_ROW))),
    "no last boundary": form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, csv(GOOD_ROW)), end=False),
    "cut within the records": form(part(*ENVELOPE, GOOD_ENVELOPE), part(*RECORDS, csv(GOOD_ROW))[:-30], end=False),
    "no form": csv(GOOD_ROW),
    "empty": b"",
    "too many headers": form(part(*ENVELOPE, GOOD_ENVELOPE).replace(b"\r\n\r\n", b"\r\nX-A: b" * 50 + b"\r\n\r\n", 1)),
    "an endless header": form(part(*ENVELOPE, GOOD_ENVELOPE).replace(b"form-data", b"form-data" + b"x" * 100_000)),
}


class TestForm:
    """A push is a form of two parts in order, whole."""

    @pytest.mark.parametrize("name", WRONG_FORMS)
    def test_wrong_forms(self, shared: Instance, alice: Party, name: str) -> None:
        """Any other form is refused; one that was cut short is not taken for a shorter one."""
        refused(post(shared, alice, WRONG_FORMS[name]), 422, "bad-input")

    @pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "application/json", None])
    def test_wrong_part_types(self, shared: Instance, alice: Party, kind: str | None) -> None:
        """The records are CSV and say so."""
        answer = post(shared, alice, form(part(*ENVELOPE, GOOD_ENVELOPE), part("records", kind, csv(GOOD_ROW))))

        assert refused(answer, 415, "wrong-content-type")["expected"] == "text/csv"

    @pytest.mark.parametrize(
        "kind",
        [
            "text/csv",
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/mixed; boundary=x",
            "multipart/form-data; boundary=",
            "",
        ],
    )
    def test_wrong_content_types(self, shared: Instance, alice: Party, kind: str) -> None:
        """Only a form with a boundary can be read."""
        refused(post(shared, alice, good_form(SOURCES), Content_Type=kind), 415, "wrong-content-type")

    def test_endless_boundary(self, shared: Instance, alice: Party) -> None:
        """A boundary longer than any (RFC 2046 knows 70 characters) is refused, not searched for."""
        kind = f"multipart/form-data; boundary={'x' * 3_000}"
        refused(post(shared, alice, good_form(SOURCES), Content_Type=kind), 422, "bad-input")

    @pytest.mark.parametrize("key", ["", "x" * 129, "two words", "caf\xe9"])
    def test_keys(self, shared: Instance, alice: Party, key: str) -> None:
        """A key is 1 to 128 visible ASCII characters."""
        headers = httpx.Headers({**push_headers(alice), "Idempotency-Key": key}, encoding="latin-1")
        answer = shared.client.post("/v1/reports", content=good_form(SOURCES), headers=headers)

        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] in {"bad-input", "bad-request"}

    def test_no_key(self, shared: Instance, alice: Party) -> None:
        """Without key a push could not be repeated safely."""
        headers = push_headers(alice)
        del headers["Idempotency-Key"]
        answer = shared.client.post("/v1/reports", content=good_form(SOURCES), headers=headers)

        assert answer.json()["errors"][0]["where"] == "/header/idempotency-key"


class TestWhoMay:
    """A token that ended, or a member that was suspended, pushes nothing."""

    def test_expired(self, shared: Instance, alice: Party) -> None:
        """An expired token is refused before the body is read."""
        now = shared.clock.now()
        with shared.operator.store.writing() as unit:
            issued = unit.credentials.issue(
                alice.capacity_id, label="short", scopes=[Scope.PUSH], expires_at=now - timedelta(seconds=1), now=now
            )
        headers = {**push_headers(alice), "Authorization": f"Bearer {issued.text}"}
        with Wire.to(shared.client.base_url) as wire:
            wire.head({**headers, "Content-Length": "1000000"})
            status, answer = wire.answer()

        assert status == 401
        assert b"connection: close" in answer.lower()

    @pytest.mark.parametrize("standing", [Standing.SUSPENDED, Standing.LEFT])
    def test_suspended_in_mid_push(self, shared: Instance, alice: Party, standing: Standing) -> None:
        """Who is suspended while its upload runs is refused at the commit; nothing is taken."""
        content = good_form(SOURCES)
        with Wire.to(shared.client.base_url) as wire:
            wire.head({**push_headers(alice), "Content-Length": str(len(content)), "Connection": "close"})
            wire.send(content[:-10])
            time.sleep(0.1)
            shared.standing(alice, standing)
            try:
                wire.send(content[-10:])
                status, answer = wire.answer()
            finally:
                shared.standing(alice, Standing.ACTIVE)

        assert status == 403, answer
        assert b"suspended" in answer

    def test_demo_only(self, database_cluster: Cluster, tmp_path: Path) -> None:
        """An instance set up for demonstration takes drills only."""
        with (
            database_cluster.fresh() as database,
            closing(Instance(database, tmp_path, demo_only=True)) as instance,
        ):
            alice = instance.party("Alice")
            real = instance.push(alice, csv(GOOD_ROW))
            assert stored(instance) == 0
            exercise = instance.push(alice, csv(GOOD_ROW), drill())

        assert refused(real, 422, "bad-envelope")["got"] == "attack-response"
        assert exercise.status_code == 202


class TestAccepted:
    """What is unusual and right is taken."""

    @pytest.fixture
    def carol(self, instance: Instance) -> Party:
        """Give a reporter on a hub of its own, where things may be taken."""
        return instance.party("Carol")

    def test_spellings(self, instance: Instance, carol: Party) -> None:
        """BOM, CRLF, quotes, no last line end, other order of columns, own columns, IPv4-mapped IPv6, gzip, zstd."""
        plain = csv(GOOD_ROW)
        quoted = ",".join(f'"{cell}"' for cell in GOOD_ROW.split(","))
        order = list(reversed(HEADER.split(",")))
        bodies = {
            "BOM": b"\xef\xbb\xbf" + plain,
            "CRLF": plain.replace(b"\n", b"\r\n"),
            "quotes": csv(quoted),
            "no last line end": plain.rstrip(b"\n"),
            "order": csv(",".join(reversed(GOOD_ROW.split(","))), header=",".join(order)),
            "capitals": csv(GOOD_ROW, header=HEADER.upper()),
            "own column": csv(GOOD_ROW + ",東京", header=HEADER + ",x_memo"),
            "mapped": csv(row(src_ip="::ffff:60.1.2.3")),
            "mapped both": csv(row(src_ip="::ffff:60.1.2.3", dst_ip="::ffff:198.51.100.7")),
            "both families": csv(GOOD_ROW, row(src_ip="2400:1234::1", dst_ip="2001:db8::7")),
            "gzip": gzip.compress(plain),
            "gzip members": gzip.compress(plain) + gzip.compress(GOOD_ROW.encode()),
            "zstd": zstandard.ZstdCompressor().compress(plain),
        }
        for name, body in bodies.items():
            answer = instance.push(carol, body, attack(mandate=f"m {name.replace(' ', '-')}"))
            assert answer.status_code == 202, (name, answer.text)
            assert answer.json()["rows_refused"] == 0, name

    def test_chunked(self, instance: Instance, carol: Party) -> None:
        """A push need not announce its length."""
        content = good_form(SOURCES)
        pieces = (content[start : start + 7] for start in range(0, len(content), 7))
        answer = instance.client.post("/v1/reports", content=pieces, headers=push_headers(carol))

        assert answer.status_code == 202, answer.text

    def test_a_key_of_128(self, instance: Instance, carol: Party) -> None:
        """The longest key is taken."""
        assert post(instance, carol, good_form(SOURCES), Idempotency_Key="~" * 128).status_code == 202

    def test_what_is_kept_of_refused_rows(self, instance: Instance, carol: Party) -> None:
        """Row, column and reason are kept; no refused value is, in any table, in any spelling."""
        body = csv(GOOD_ROW, row(last_seen="2026-11-20T09:04:59Z"), row(src_ip=BAD_ADDRESS), row(src_port="70123"))
        answer = instance.push(carol, body)
        assert answer.json()["rows_refused"] == 3
        assert instance.push(carol, csv(row(src_port="70123"))).status_code == 422
        assert instance.push(carol, csv(ROW), attack(target=f"{PLANTED}/x")).status_code == 422
        instance.work()

        planted = spellings(PLANTED) | {BAD_ADDRESS.encode(), b"70123", b"198.51.100.7"}
        hits = {place: found(planted, value) for place, value in stored_values(instance.database)}
        assert {place: forms for place, forms in hits.items() if forms} == {}
        assert [error["reason"] for error in answer.json()["errors"]] == [
            "time-reversed",
            "not-an-address",
            "port-range",
        ]
