"""The demonstration, run as its user runs it and looked at from outside."""

import base64
import json
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.sealing.canonical import canonical_json
from tests.house_rules.rules import ROOT

SIZE = 5_000
ENOUGH = 240.0
"""Seconds: the demo promises two minutes on an idle machine, and this one runs other tests beside it."""


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[bytes]
    directory: Path
    output: Path

    @property
    def said(self) -> str:
        """What it has shown so far."""
        return self.output.read_text()

    def wait_for(self, what: Path | str) -> None:
        """Wait until a file is there, or something has been said."""
        end = time.monotonic() + ENOUGH
        while not (what.exists() if isinstance(what, Path) else what in self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.1)

    def end(self, number: signal.Signals) -> int:
        """Tell it to end and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def start(directory: Path, *options: str) -> Demo:
    """Start a demo in a directory of its own."""
    output = directory / "output"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory), "LC_ALL": "C.UTF-8"}
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.demo", "--size", str(SIZE), *options],
            cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Demo(process, directory, output)


def processes_naming(*places: Path) -> list[list[str]]:
    """Return the command lines of processes that name one of these places."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(str(place) in part for place in places for part in line):
            found.append(line)
    return found


def database_of(home: Path) -> Path:
    """Return where the embedded database of an instance has its data."""
    return Path(json.loads((home / "database" / "places.json").read_text())["data"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo to the point where it stays up."""
    demo = start(tmp_path_factory.mktemp("demo"), "--keep")
    try:
        demo.wait_for(demo.directory / ".demo" / "access.json")
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def access(demo: Demo) -> dict[str, Any]:
    """Read what the demo leaves for scripts."""
    document: dict[str, Any] = json.loads((demo.directory / ".demo" / "access.json").read_text())
    return document


@pytest.fixture(scope="module")
def http(access: dict[str, Any]) -> Iterator[httpx.Client]:
    """Give a client that trusts the demo's certificate and nothing else."""
    context = ssl.create_default_context(cafile=access["ca_file"])
    with httpx.Client(base_url=access["base_url"], verify=context, trust_env=False, timeout=30) as client:
        yield client


class TestKeptDemo:
    """A demo that is kept can be driven by scripts, forgets on time, and leaves nothing behind."""

    def test_every_promise_shown_was_kept(self, demo: Demo) -> None:
        """The demo marks a promise that was not kept, and none is marked."""
        assert demo.said.count("✓") >= 15
        assert "✗" not in demo.said

    def test_access_file_is_private_and_whole(self, demo: Demo, access: dict[str, Any]) -> None:
        """It holds tokens, so only its owner reads it; what does not exist is not promised."""
        file = demo.directory / ".demo" / "access.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert set(access) == {"base_url", "taxii_url", "ca_file", "members", "people"}
        assert access["taxii_url"] is None
        kinds = {member["kind"] for member in access["members"]}
        assert kinds == {"carrier", "vendor", "delegate", "maker", "researcher", "authority"}
        assert len({member["token"] for member in access["members"]}) == len(access["members"]) > 100

    def test_tokens_speak_for_whom_the_file_says(self, http: httpx.Client, access: dict[str, Any]) -> None:
        """Every kind of member can be driven with the file alone."""
        for member in {member["kind"]: member for member in access["members"]}.values():
            me = http.get("/v1/me", headers=bearer(member)).json()
            assert (me["member"], me["capacity"], me["capacity_id"]) == (
                member["name"],
                member["capacity"],
                member["capacity_id"],
            )

    def test_what_was_delivered_is_gone(self, demo: Demo, http: httpx.Client, access: dict[str, Any]) -> None:
        """The carriers shown had parcels; after the deadline nobody can read them, and nothing sealed is left."""
        parcels = [
            (member, parcel["parcel_id"])
            for member in shown_at_work(demo, access)
            for parcel in http.get("/v1/inbox?state=erased", headers=bearer(member)).json()["parcels"]
        ]
        assert parcels
        for member, parcel_id in parcels:
            assert http.get(f"/v1/inbox/{parcel_id}/records", headers=bearer(member)).status_code == 410
        assert list((demo.directory / ".demo" / "hub" / "keys").rglob("*.key")) == []

    def test_printed_certificate_is_signed(self, demo: Demo, http: httpx.Client, access: dict[str, Any]) -> None:
        """The certificate on the screen is one that the hub signed and any recipient gets."""
        printed = re.search(r"certificate_id: ([0-9a-f-]{36})", demo.said)
        assert printed is not None
        answers = [
            http.get("/v1/certificates", headers=bearer(member)).json() for member in shown_at_work(demo, access)
        ]
        [(certificate, key), *_] = [
            (certificate, answer["public_key"])
            for answer in answers
            for certificate in answer["certificates"]
            if certificate["certificate_id"] == printed[1]
        ]
        public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
        public_key.verify(base64.b64decode(certificate["signature"]), canonical_json(certificate["statement"]))

    def test_only_drills_are_taken(self, http: httpx.Client, access: dict[str, Any]) -> None:
        """An instance that a demo made takes no real report, whoever sends it."""
        [reporter] = [member for member in access["members"] if member["name"] == "Drill Reporter"]
        assert push(http, reporter, purpose="attack-response", data_class="attack-traffic").status_code == 422
        assert push(http, reporter, purpose="drill", data_class="drill").status_code == 202

    def test_it_removes_itself(self, demo: Demo, http: httpx.Client) -> None:
        """Told to end, it ends well; no process, no file and no token of it is left."""
        http.close()  # a TLS peer that keeps silent would be waited for
        home = demo.directory / ".demo" / "hub"
        data = database_of(home)
        assert processes_naming(home, data)

        assert demo.end(signal.SIGTERM) == 0, demo.said
        assert not (demo.directory / ".demo").exists()
        assert not data.exists()
        assert processes_naming(home, data) == []


class TestInterruptedDemo:
    """Ctrl-C at any moment cleans up."""

    def test_ctrl_c_while_the_hub_starts(self, tmp_path: Path) -> None:
        """Interrupted while processes are being started, it leaves neither processes nor directories."""
        demo = start(tmp_path)
        demo.wait_for("$ kessetsu up")
        [base] = tmp_path.glob("kessetsu-demo-*")
        data = database_of(base / "hub")

        assert demo.end(signal.SIGINT) == 130, demo.said
        assert list(tmp_path.iterdir()) == [demo.output]
        assert not data.exists()
        assert processes_naming(base, data) == []


def shown_at_work(demo: Demo, access: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the real carriers that the demo named on the screen."""
    carriers = [member for member in access["members"] if member["asn"] and not member["name"].startswith("Drill ")]
    return [member for member in carriers if f"(AS{member['asn']})" in demo.said]


def bearer(member: dict[str, Any]) -> dict[str, str]:
    """Return what a member's requests carry."""
    return {"Authorization": f"Bearer {member['token']}"}


def push(http: httpx.Client, member: dict[str, Any], *, purpose: str, data_class: str) -> httpx.Response:
    """Push one record as ``member``."""
    now = datetime.now(UTC)
    envelope = {
        "kind": "attack",
        "legal_basis": "legitimate-business-act",
        "purpose": purpose,
        "data_class": data_class,
        "mandate": "from-outside",
        "requested_action": "warn",
        "vectors": ["scan"],
        "target": "198.51.100.7",
        "start": (now - timedelta(minutes=1)).isoformat(),
        "end": now.isoformat(),
    }
    seen = (now - timedelta(seconds=30)).isoformat()
    records = f"src_ip,protocol,first_seen\n60.32.0.1,tcp,{seen}\n"
    files = {
        "envelope": ("envelope.json", json.dumps(envelope), "application/json"),
        "records": ("records.csv", records, "text/csv"),
    }
    return http.post("/v1/reports", files=files, headers={**bearer(member), "Idempotency-Key": f"{purpose}-1"})
