"""A small hub on loopback that keeps to the members' contract, writes down what it was sent, and fails on demand."""

import hashlib
import json
import re
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

Ask = Callable[..., Any]
"""Calls an operation by name; see the fixture of that name."""
Run = Callable[..., tuple[int, str, str]]
"""Runs a command line: exit code, stdout, stderr."""

TOKEN = "token-of-member-a"
DEADLINE = "2099-02-01T00:00:00Z"
NOW = "2026-01-31T00:00:00Z"


@dataclass(frozen=True)
class Say:
    """Answer this, after the request was read; nothing is stored."""

    status: int
    content: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/problem+json"
    unread: bool = False
    """Answer before the body is read, and close."""


@dataclass(frozen=True)
class Cut:
    """Reset the connection after so many bytes of the body."""

    after: int = 0


@dataclass(frozen=True)
class LoseAnswer:
    """Do what was asked, then hang up."""


@dataclass(frozen=True)
class Truncate:
    """Announce the whole body, send the first half, hang up."""


@dataclass(frozen=True)
class Slow:
    """Wait between reading pieces of the body, in seconds."""

    seconds: float


Fault = Say | Cut | LoseAnswer | Truncate | Slow


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes


@dataclass
class Parcel:
    """A parcel of the caller's inbox."""

    parcel_id: str
    records: bytes = b"row,src_ip\r\n1,192.0.2.1\r\n2,192.0.2.2\r\n"
    state: str = "released"
    drill: bool = False
    acknowledged_at: str | None = None
    outcomes: dict[str, list[object]] = field(default_factory=dict)

    def listed(self) -> dict[str, object]:
        """Return it as the list shows it."""
        return {
            "parcel_id": self.parcel_id,
            "kind": "attack",
            "data_class": "attack-traffic",
            "drill": self.drill,
            "severity": "normal",
            "record_count": 2,
            "deadline": DEADLINE,
            "date_added": NOW,
            "acknowledged_at": self.acknowledged_at,
            "state": self.state,
            "recalled_rows": [],
        }


@dataclass
class Hub:
    """What the small hub holds and what it was asked."""

    seen: list[Seen] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    reports: dict[str, tuple[str, dict[str, object]]] = field(default_factory=dict)
    """By Idempotency-Key: digest of the content, receipt."""
    parcels: dict[str, Parcel] = field(default_factory=dict)
    recalls: list[dict[str, object]] = field(default_factory=list)
    holdings: list[dict[str, object]] = field(default_factory=list)
    refused_rows: int = 0
    url: str = ""
    lock: Lock = field(default_factory=Lock)

    def keys(self) -> list[str | None]:
        """Return the Idempotency-Key of every POST, in order of arrival."""
        return [request.headers["idempotency-key"] for request in self.seen if request.method == "POST"]


class Hangup(Exception):
    """End the connection without another byte."""


def problem(status: int, code: str, **members: object) -> Say:
    """Return a problem document as the hub writes it."""
    headers = {"retry-after": "0"} if status in {429, 503, 507} else {}
    title = f"Refused as {code}."
    content = {"type": f"about:{code}", "title": title, "status": status, "code": code, "request_id": "r-1"} | members
    return Say(status, content, headers)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self._serve()

    def do_POST(self) -> None:
        """Answer."""
        self._serve()

    def _serve(self) -> None:
        with self.hub.lock:
            fault = self.hub.faults.popleft() if self.hub.faults else None
        try:
            self._answer(fault)
        except (Hangup, ConnectionError):
            self.close_connection = True
            # With a zero linger time closing resets the connection, as a cut line does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)

    def _answer(self, fault: Fault | None) -> None:
        if isinstance(fault, Say) and fault.unread:
            self._write_down(b"")
            self.close_connection = True
            self._write(fault)
            return
        self._write_down(self._read(fault))
        if isinstance(fault, Say):
            self._write(fault)
            return
        answer = self._do()
        if isinstance(fault, LoseAnswer):
            raise Hangup
        self._write(answer, truncate=isinstance(fault, Truncate))

    def _read(self, fault: Fault | None) -> bytes:
        left, body = int(self.headers.get("content-length", "0")), bytearray()
        if isinstance(fault, Cut):
            self._write_down(self.rfile.read(min(fault.after, left)))
            raise Hangup
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                self._write_down(bytes(body))
                raise Hangup
            body += piece
            left -= len(piece)
            if isinstance(fault, Slow):
                time.sleep(fault.seconds)
        return bytes(body)

    def _write_down(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.body = body
        self.seen = Seen(self.command, parts.path, query, self.headers, body)
        self.hub.seen.append(self.seen)

    def _write(self, answer: Say, *, truncate: bool = False) -> None:
        content = answer.content
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(answer.status)
        if content is not None:
            self.send_header("content-type", answer.media_type)
        self.send_header("content-length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if truncate else body)
        if truncate:
            self.wfile.flush()
            self.close_connection = True

    def _do(self) -> Say:
        if self.headers["authorization"] != f"Bearer {TOKEN}":
            return problem(401, "not-authenticated")
        for method, pattern, act in ROUTES:
            match = re.fullmatch(pattern, self.seen.path)
            if match and method == self.command:
                return act(self, *match.groups())
        return problem(404, "not-found")

    def _parcel(self, parcel_id: str) -> Parcel | Say:
        parcel = self.hub.parcels.get(parcel_id)
        if parcel is None:
            return problem(404, "not-found")
        return parcel if parcel.state == "released" else problem(410, "gone")

    def push(self) -> Say:
        """Take a push: two parts, in order, once per key."""
        parts = multipart(self.headers["content-type"], self.body)
        if [name for name, _, _ in parts] != ["envelope", "records"]:
            return problem(400, "bad-envelope", expected="envelope, then records")
        key = self.headers["idempotency-key"]
        if not key or not re.fullmatch(r"[!-~]{1,128}", key):
            return problem(400, "bad-input", expected="an Idempotency-Key")
        digest = hashlib.sha256(parts[0][2] + parts[1][2]).hexdigest()
        with self.hub.lock:
            earlier = self.hub.reports.get(key)
            if earlier is not None and earlier[0] != digest:
                return problem(409, "conflict")
            receipt = self._receipt(parts[1][2]) if earlier is None else earlier[1]
            self.hub.reports[key] = (digest, receipt)
        return ok(receipt | {"replayed": earlier is not None}, 202, {"location": f"/v1/reports/{receipt['report_id']}"})

    def _receipt(self, records: bytes) -> dict[str, object]:
        refused = self.hub.refused_rows
        return {
            "report_id": str(uuid4()),
            "member_id": "member-a",
            "received_at": NOW,
            "rows_taken": records.count(b"\n") - 1 - refused,
            "rows_refused": refused,
            "errors": [{"row": 2, "column": "src_ip", "reason": "not-an-address"}] * bool(refused),
            "reasons": {"src_ip:not-an-address": refused} if refused else {},
            "content_sha256": hashlib.sha256(records).hexdigest(),
            "deadline": DEADLINE,
            "signature": "c2lnbmF0dXJl",
        }

    def reports(self) -> Say:
        """List reports in pages of two."""
        start = int(self.seen.query.get("cursor", "0"))
        listed = [status(receipt) for _, receipt in self.hub.reports.values()]
        more = str(start + 2) if len(listed) > start + 2 else None
        return ok({"reports": listed[start : start + 2], "next": more})

    def report(self, report_id: str) -> Say:
        """Show one report."""
        found = [receipt for _, receipt in self.hub.reports.values() if receipt["report_id"] == report_id]
        return ok(status(found[0])) if found else problem(404, "not-found")

    def withdraw(self, _report_id: str) -> Say:
        """Withdraw one."""
        return ok({"recalls": 3}, 202)

    def inbox(self) -> Say:
        """List the inbox in pages of two, or 304."""
        etag = f'"{len(self.hub.parcels)}"'
        if self.headers.get("if-none-match") == etag:
            return Say(304, headers={"etag": etag})
        start = int(self.seen.query.get("since", "0"))
        listed = [parcel.listed() for parcel in self.hub.parcels.values()][start:]
        more = str(start + 2) if len(listed) > 2 else None
        page = {"parcels": listed[:2], "next": more, "cursor": str(start + len(listed[:2]))}
        return ok(page, headers={"etag": etag})

    def parcel(self, parcel_id: str) -> Say:
        """Show one parcel, in whatever state."""
        parcel = self.hub.parcels.get(parcel_id)
        if parcel is None:
            return problem(404, "not-found")
        why = {
            "field": "source_address",
            "granted": True,
            "policy": "p1",
            "reason": "Yours.",
            "reason_ja": "貴社の網",
        }
        no = {
            "field": "reporter",
            "granted": False,
            "policy": None,
            "reason": "Not\x1b[2J needed.",
            "reason_ja": "不要",
        }
        header = {"vectors": ["syn-flood"], "requested_action": "block"}
        return ok(parcel.listed() | {"fields": ["source_address"], "explanation": [why, no], "header": header})

    def records(self, parcel_id: str) -> Say:
        """Give the records, labelled as asked."""
        parcel = self._parcel(parcel_id)
        if isinstance(parcel, Say):
            return parcel
        return Say(200, parcel.records, media_type=self.headers["accept"])

    def acknowledge(self, parcel_id: str) -> Say:
        """Acknowledge; the first time counts."""
        parcel = self._parcel(parcel_id)
        if isinstance(parcel, Say):
            return parcel
        parcel.acknowledged_at = parcel.acknowledged_at or NOW
        return ok({"acknowledged_at": parcel.acknowledged_at})

    def answer(self, parcel_id: str) -> Say:
        """Record outcomes once per key."""
        parcel = self._parcel(parcel_id)
        if isinstance(parcel, Say):
            return parcel
        outcomes = json.loads(self.body)["outcomes"]
        parcel.outcomes[self.headers["idempotency-key"]] = outcomes
        return ok({"recorded": sum(2 if item["rows"] == "all" else len(item["rows"]) for item in outcomes)})

    def answers(self, parcel_id: str) -> Say:
        """List outcomes."""
        stated = [item for outcomes in self.hub.parcels[parcel_id].outcomes.values() for item in outcomes]
        return ok({"outcomes": stated, "open": 1})

    def recalls(self) -> Say:
        """List recalls, open ones only where asked."""
        wanted = [item for item in self.hub.recalls if not (self.seen.query.get("state") and item["confirmed_at"])]
        return ok({"recalls": wanted})

    def confirm(self, recall_id: str) -> Say:
        """Confirm a recall."""
        found = [item for item in self.hub.recalls if item["recall_id"] == recall_id]
        for item in found:
            item["confirmed_at"] = NOW
        return ok(found[0]) if found else problem(404, "not-found")

    def list_holdings(self) -> Say:
        """List holdings."""
        return ok({"holdings": self.hub.holdings})

    def declare(self) -> Say:
        """Propose a holding."""
        proposed = json.loads(self.body) | {"holding_id": str(uuid4()), "state": "proposed"}
        self.hub.holdings.append(proposed)
        return ok(proposed, 201)

    def certificates(self) -> Say:
        """List one certificate."""
        certificate = {"certificate_id": "c-1", "statement": {"deadline": DEADLINE}, "signature": "x"}
        return ok({"certificates": [certificate], "public_key": "k"})

    def me(self) -> Say:
        """Tell who is calling."""
        scopes = ["push", "inbox"]
        caller = {"member_id": "m-1", "member": "会員A", "capacity_id": "k-1", "capacity": "carrier"}
        return ok(caller | {"standing": "active", "scopes": scopes, "token_expires_at": DEADLINE})


ROUTES: list[tuple[str, str, Callable[..., Say]]] = [
    ("POST", "/v1/reports", Handler.push),
    ("GET", "/v1/reports", Handler.reports),
    ("GET", "/v1/reports/([^/]+)", Handler.report),
    ("POST", "/v1/reports/([^/]+)/withdrawal", Handler.withdraw),
    ("GET", "/v1/inbox", Handler.inbox),
    ("GET", "/v1/inbox/([^/]+)", Handler.parcel),
    ("GET", "/v1/inbox/([^/]+)/records", Handler.records),
    ("POST", "/v1/inbox/([^/]+)/acknowledgement", Handler.acknowledge),
    ("POST", "/v1/inbox/([^/]+)/outcomes", Handler.answer),
    ("GET", "/v1/inbox/([^/]+)/outcomes", Handler.answers),
    ("GET", "/v1/recalls", Handler.recalls),
    ("POST", "/v1/recalls/([^/]+)/confirmation", Handler.confirm),
    ("GET", "/v1/holdings", Handler.list_holdings),
    ("POST", "/v1/holdings", Handler.declare),
    ("GET", "/v1/certificates", Handler.certificates),
    ("GET", "/v1/me", Handler.me),
]


def ok(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Say:
    """Return a success."""
    return Say(status, content, headers or {}, "application/json")


def status(receipt: Mapping[str, object]) -> dict[str, object]:
    """Return a report as its sender sees it, with a suppressed count."""
    kept = {name: receipt[name] for name in ("report_id", "received_at", "rows_taken", "rows_refused", "deadline")}
    more = {"kind": "attack", "state": "released", "drill": False, "hold_reason": None}
    return kept | more | {"delivered": {"records": 12, "recipients": None}}


def multipart(content_type: str, body: bytes) -> list[tuple[str, str, bytes]]:
    """Read multipart/form-data strictly: name, media type and content of each part."""
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    pieces = body.split(b"\r\n" + boundary)
    if not body.startswith(boundary + b"\r\n") or pieces[-1] != b"--\r\n":
        raise Hangup
    parts = []
    for piece in [pieces[0][len(boundary) :], *pieces[1:-1]]:
        head, _, content = piece[2:].partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="([^"]*)"', head)
        media = re.search(rb"(?i)content-type: *([^\r]*)", head)
        assert name
        assert media
        parts.append((name[1].decode(), media[1].decode(), content))
    return parts


class Server(ThreadingHTTPServer):
    """Waits for its connections when it is closed."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: faults are on purpose."""


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """Run a small hub on a free port of loopback."""
    hub = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    with Server(("127.0.0.1", 0), handler) as server:
        hub.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}/"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
