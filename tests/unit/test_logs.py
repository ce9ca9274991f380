import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from hub import logs
from hub.errors import BadInput, StorageFull
from hub.vocabulary import Field, Mark, ReportState, SourceOutcome

V4 = "198.51.100.77"
V6 = "2001:db8:51c::77"
PORT = "51617"
WHEN = "2025-03-04T05:06:07"
SECRETS = (V4, V6, PORT, WHEN, "198-51-100-77", "c633644d", "3325256781", "MjAwMTpkYjg", "tok_", "evil.example", "hush")
EVIDENCE_COLUMNS = (
    *("row", "src_hi", "src_lo", "src_port", "dst_hi", "dst_lo", "dst_port", "protocol", "first_seen", "last_seen"),
    *("packets", "bytes", "tcp_flags", "src_ip", "dst_ip", "source", "destination", "target", "address", "prefix"),
    *("mandate", "consent", "token", "password", "key", "body", "got", "message"),
)


class Capture(io.StringIO):
    """A stream, and what stands in it as parsed lines."""

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines logged so far."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def only(self) -> dict[str, Any]:
        """Return the single line logged."""
        (line,) = self.lines()
        return line


@contextlib.contextmanager
def configured(stream: io.StringIO) -> Iterator[None]:
    """Log to ``stream`` as a program would, then put everything back."""
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    raising, last = logging.raiseExceptions, logging.lastResort
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    try:
        logs.configure("test", stream)
        yield
    finally:
        logging.captureWarnings(capture=False)
        logging.setLogRecordFactory(factory)
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        root.handlers[:], logging.raiseExceptions, logging.lastResort = handlers, raising, last
        root.setLevel(level)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


@pytest.fixture
def out() -> Iterator[Capture]:
    """Log to memory as a program would."""
    stream = Capture()
    with configured(stream):
        yield stream


def nothing_leaked(text: str) -> bool:
    """Tell whether none of the planted secrets stands in ``text``."""
    return not any(secret.lower() in text.lower() for secret in SECRETS)


def log_by_event() -> None:
    """Put secrets into the words themselves."""
    structlog.get_logger().warning(f"source {V4}:{PORT} seen {WHEN}")
    structlog.get_logger().warning("source %s and %s", V4, V6)
    structlog.get_logger().warning(V4)


def log_by_known_key() -> None:
    """Put secrets under keys that may be said."""
    say = structlog.get_logger().info
    say("report-received", reason=V4, kind=V6, task=f"{V4}.x", error=f"got {V4}", code=WHEN, logger="198-51-100-77")
    say("report-received", route=f"/v1/lookup/{V4}", method=f"GET {V6}", where=f"{V4}:{PORT}:x", bucket=V4)
    say("report-received", policy_ids=[V4, V6], frames=(f"{V6}:1:x",), causes={V4}, request_id=V4, job_id=V6)
    say("report-received", records={V4: 1}, count=V4.encode(), rows=bytearray(V4, "ascii"), received_at=WHEN)
    say("report-received", version=V4, sqlstate=V6, report_id=uuid5(NAMESPACE_URL, V4), state=IPv4Address(V4))
    say("report-received", route="/v1/198-51-100-77", reason="tok_" + "a" * 43, count=int(IPv6Address(V6)))


def log_by_unknown_key() -> None:
    """Put secrets under keys nobody allowed, or into keys."""
    structlog.get_logger().info("push", src_ip=V4, target=V6, port=int(PORT), address_number=int(IPv4Address(V4)))
    structlog.get_logger().info("push", **{V4: 1, f"ip {V6}": 2, WHEN: 3})
    structlog.get_logger().info(
        "push", evidence=[V4], first_seen=datetime.fromisoformat(WHEN + "+00:00"), stack_info=V4
    )


def log_by_exception() -> None:
    """Put secrets into messages, arguments, notes, causes and locals."""
    hidden = V6
    try:
        try:
            int(V4)
        except ValueError as cause:
            cause.add_note(f"while reading {V6}")
            raise BadInput(f"bad source {V4}", got=hidden, expected=WHEN) from cause
    except BadInput as error:
        structlog.get_logger().exception("push-failed")
        structlog.get_logger().error("push-failed", exc_info=error, reason=error, code=error)
        structlog.get_logger().error(error)
        logging.getLogger("library").exception("failed: %s", V4)


def log_by_group() -> None:
    """Put secrets into a group of exceptions."""
    structlog.get_logger().error("push-failed", exc_info=ExceptionGroup(V4, [ValueError(V4), KeyError(V6)]))


def log_by_database() -> None:
    """Put secrets into a statement's parameters and let the database refuse it."""
    engine = sa.create_engine("sqlite://", echo=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a TEXT PRIMARY KEY)"))
        try:
            connection.execute(sa.text("INSERT INTO t VALUES (:a), (:a)"), {"a": f"{V4} {V6}"})
        except IntegrityError:
            structlog.get_logger().exception("store-failed")
            logging.getLogger("sqlalchemy.engine").exception("failed")
    engine.dispose()


def log_by_library() -> None:
    """Put secrets through the standard library's logging, every way it offers."""
    for name in ("uvicorn.error", "uvicorn.access", "procrastinate.worker", "alembic", "asyncio", f"peer.{V4}"):
        logger = logging.getLogger(name)
        logger.warning(f"from {V4}:{PORT}")  # noqa: G004 -- the habit of libraries is what is tested
        logger.error("from %s at %s", V6, WHEN, extra={"client": V4, "job": {"args": V6}}, stack_info=True)
        logger.critical({"client": V4})
        logger.warning("%d", V4)


def log_by_own_handler() -> None:
    """Log through a logger that a library wires to an output of its own."""
    logger = logging.getLogger("stubborn")
    logger.propagate = False
    logger.warning("from %s", V4)
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.handlers[0].setFormatter(logging.Formatter("%(message)s %(args)s %(exc_info)s %(stack_info)s"))
    logger.error("from %s", V4, exc_info=ValueError(V6))
    logger.handlers.clear()


def log_by_warning() -> None:
    """Put secrets into a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"odd source {V4}", stacklevel=1)


def log_by_thread() -> None:
    """Let a thread die of a secret."""

    def die() -> None:
        raise RuntimeError(V4)

    thread = threading.Thread(target=die, name=V4)
    thread.start()
    thread.join()


def log_by_forgotten_task() -> None:
    """Let asyncio find an exception nobody asked for."""

    async def die() -> None:
        raise RuntimeError(V6)

    async def forget() -> None:
        task = asyncio.ensure_future(die())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(forget())


def log_by_context() -> None:
    """Put secrets into the context of all lines."""
    with structlog.contextvars.bound_contextvars(request_id=V4, client=V6, task=f"job {V4}"):
        structlog.get_logger().info("request", route=None)


WAYS = [
    log_by_event,
    log_by_known_key,
    log_by_unknown_key,
    log_by_exception,
    log_by_group,
    log_by_database,
    log_by_library,
    log_by_own_handler,
    log_by_warning,
    log_by_thread,
    log_by_forgotten_task,
    log_by_context,
]


class TestNothingSealedIsPrinted:
    @pytest.mark.parametrize("way", WAYS)
    def test_no_way_of_logging_prints_a_secret(
        self, out: Capture, capfd: pytest.CaptureFixture[str], way: Callable[[], None]
    ) -> None:
        """Whatever a programmer or a library does, no address, port or time of an event reaches a line or a stream."""
        way()
        beside = capfd.readouterr()

        assert out.lines(), "the way logged nothing, so it proves nothing"
        assert nothing_leaked(out.getvalue())
        assert nothing_leaked(beside.out + beside.err)

    @pytest.mark.parametrize("key", [*EVIDENCE_COLUMNS, *(field.value for field in Field if field is not Field.MARKS)])
    def test_no_name_of_evidence_is_a_key_that_may_be_said(self, key: str) -> None:
        """A number under such a key would be evidence even though numbers are harmless elsewhere."""
        assert logs.seal(None, "info", {key: 77})[key] == "<int>"

    @given(st.text(), st.text())
    def test_text_passes_only_as_a_word_of_ours(self, key: str, value: str) -> None:
        """Any text with a digit run, dot, colon, space or capital is withheld under every ordinary key."""
        line = logs.seal(None, "info", {"reason": value, key + "_id": value})

        for shown in line.values():
            assert shown in ("<str>", 1) or (
                shown == value and not set(value) & set(".: /%@=+ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            )

    @given(st.ip_addresses())
    def test_no_address_is_a_word(self, address: IPv4Address | IPv6Address) -> None:
        """An address in any of its usual spellings is withheld under every key there is."""
        spellings = [str(address), address.exploded, address.reverse_pointer, str(address).replace(".", "-")]
        for key in logs.KEYS:
            for spelling in spellings:
                assert logs.seal(None, "info", {key: spelling})[key] == "<str>"

    def test_prompted_by_a_broken_stream_nothing_is_printed_elsewhere(
        self, out: Capture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A full disk under the log stops neither the program nor the seal."""
        out.close()
        structlog.get_logger().info(V4)
        logging.getLogger("library").error(V4)

        assert capfd.readouterr() == ("", "")


class TestWhatIsSaid:
    def test_a_line_says_who_when_and_what(self, out: Capture) -> None:
        """Ids, counts, times, codes and members of our word lists are what a log is for."""
        report = uuid4()
        structlog.get_logger().info(
            "report-released",
            report_id=report,
            parcels=41,
            drill=True,
            duration_ms=12.5,
            state=ReportState.RELEASED,
            outcome=SourceOutcome.NON_MEMBER,
            deadline=datetime(2026, 1, 2, 3, tzinfo=UTC),
            wait_seconds=timedelta(minutes=1),
            policy_ids=("need-to-know", "drill"),
            reason=None,
        )
        line = out.only()

        assert list(line)[:4] == ["event", "level", "timestamp", "program"]
        assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
        assert line == {
            "event": "report-released",
            "level": "info",
            "program": "test",
            "report_id": str(report),
            "parcels": 41,
            "drill": True,
            "duration_ms": 12.5,
            "state": "released",
            "outcome": "non_member",
            "deadline": "2026-01-02T03:00:00Z",
            "wait_seconds": 60.0,
            "policy_ids": ["need-to-know", "drill"],
            "reason": None,
        }

    def test_what_is_withheld_leaves_its_type(self, out: Capture) -> None:
        """A programmer who sees the type knows what to mend."""
        structlog.get_logger().info("odd", note="free text", peer=object(), marks=Mark.SPOOFABLE, count=[b"x"])
        line = out.only()

        assert (line["note"], line["peer"], line["marks"], line["count"]) == (
            "<str>",
            "<object>",
            "<Mark>",
            ["<bytes>"],
        )

    def test_an_exception_is_its_types_code_and_our_frames(self, out: Capture) -> None:
        """Enough to find the line that failed; nothing of what it failed on."""
        try:
            try:
                int(V4)
            except ValueError as cause:
                raise StorageFull("no room") from cause
        except StorageFull:
            structlog.get_logger().exception("push-failed")
        line = out.only()

        assert line["error"] == "hub.errors.StorageFull"
        assert line["error_code"] == "storage-full"
        assert line["causes"] == ["ValueError"]
        assert line["frames"][0].startswith("tests/unit/test_logs.py:")
        assert line["frames"][0].endswith(":test_an_exception_is_its_types_code_and_our_frames")

    def test_a_library_s_line_keeps_who_and_where(self, out: Capture) -> None:
        """The text is dropped; the place tells which text it was."""
        logging.getLogger("procrastinate.worker").error("job %s failed", V4)
        line = out.only()

        assert (line["event"], line["logger"], line["level"]) == ("library-message", "procrastinate.worker", "error")
        assert line["where"].startswith("test_logs:")

    def test_requests_and_jobs_are_named_in_every_line(self, out: Capture) -> None:
        """What belongs together can be found together, and ends with its context."""
        request = uuid4()
        with logs.request_context(request), logs.job_context(7, "hub.jobs.process"):
            structlog.get_logger().info("step")
            logging.getLogger("library").warning("x")
        structlog.get_logger().info("after")
        inside, library, after = out.lines()

        assert (inside["request_id"], inside["job_id"], inside["task"]) == (str(request), 7, "hub.jobs.process")
        assert library["request_id"] == str(request)
        assert "request_id" not in after

    @pytest.mark.parametrize(
        ("route", "shown"),
        [
            ("/v1/parcels/{parcel_id}/outcomes", "/v1/parcels/{parcel_id}/outcomes"),
            ("/", "/"),
            ("/taxii2/", "/taxii2/"),
            ("/v1/openapi.json", "/v1/openapi.json"),
            ("/.well-known/{name}", "/.well-known/{name}"),
            (None, "/unmatched"),
            (f"/v1/parcels/{UUID(int=2**127)}", "<str>"),
            ("/v1/parcels?since=2025", "<str>"),
        ],
    )
    def test_a_request_is_logged_by_its_template(self, out: Capture, route: str | None, shown: str) -> None:
        """Method, template and status; a path that holds values does not pass."""
        logs.log_request("GET", route, 200, 3.14159)
        line = out.only()

        assert (line["method"], line["route"], line["status"], line["duration_ms"]) == ("GET", shown, 200, 3.1)
        assert line["level"] == "info"

    def test_the_server_s_own_faults_are_errors(self, out: Capture) -> None:
        """A refusal is the caller's matter, a 500 is ours."""
        logs.log_request("POST", "/v1/reports", 422, 1)
        logs.log_request("POST", "/v1/reports", 503, 1)

        assert [line["level"] for line in out.lines()] == ["info", "error"]

    def test_on_a_terminal_the_same_line_is_for_eyes(self) -> None:
        """Colour changes nothing about the seal."""

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stream = Terminal()
        with configured(stream):
            log_by_known_key()
            log_by_exception()

        assert "report-received" in stream.getvalue()
        assert nothing_leaked(stream.getvalue())

    def test_every_way_is_under_test(self) -> None:
        """A way that is written down is also run."""
        assert {way.__name__ for way in WAYS} == {name for name in globals() if name.startswith("log_by_")}


class TestTheWholeProcess:
    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run ``program`` in a process of its own."""
        root = Path(__file__).resolve().parents[2]
        environ = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environ, timeout=60
        )

    def test_an_exception_nobody_catches_dies_silent(self) -> None:
        """The interpreter's own traceback would print the message."""
        done = self.run(
            "from hub.logs import configure\n"
            "configure('doomed')\n"
            "class Odd:\n"
            f"    def __del__(self): raise ValueError('{V6}')\n"
            "Odd()\n"
            f"raise ValueError('{V4}')\n"
        )

        assert done.returncode == 1
        assert nothing_leaked(done.stdout + done.stderr)
        first, last = [json.loads(line) for line in done.stderr.splitlines()]
        assert (first["event"], first["error"]) == ("uncaught-error", "ValueError")
        assert (last["event"], last["level"], last["program"]) == ("uncaught-error", "critical", "doomed")

    def test_uvicorn_says_nothing_of_paths(self) -> None:
        """The web server's own access lines hold whole paths; with our options there are none."""
        done = self.run(
            "import asyncio, urllib.request, uvicorn\n"
            "from hub.logs import UVICORN, configure\n"
            "configure('api')\n"
            "async def app(scope, receive, send):\n"
            "    if scope['type'] != 'http': return\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'ok'})\n"
            "async def main():\n"
            "    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan='off', **UVICORN))\n"
            "    task = asyncio.create_task(server.serve())\n"
            "    while not server.started: await asyncio.sleep(0.01)\n"
            "    port = server.servers[0].sockets[0].getsockname()[1]\n"
            f"    url = f'http://127.0.0.1:{{port}}/v1/lookup/{V4}?x={V6}'\n"
            "    print((await asyncio.to_thread(urllib.request.urlopen, url)).status)\n"
            "    server.should_exit = True\n"
            "    await task\n"
            "asyncio.run(main())\n"
        )

        assert (done.returncode, done.stdout.strip()) == (0, "200")
        assert nothing_leaked(done.stderr)

    def test_memory_never_becomes_a_file(self) -> None:
        """No core dump by limit, and none by the kernel's pipe either; children inherit the limit."""
        done = self.run(
            "import ctypes, resource, subprocess, sys\n"
            "from hub.logs import forbid_core_dumps\n"
            "forbid_core_dumps()\n"
            "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
            "sys.stdout.flush()\n"
            "subprocess.run(['sh', '-c', 'ulimit -c'], check=True)\n"
        )

        assert done.stdout.splitlines() == ["(0, 0) 0", "0"]
        assert done.returncode == 0


def test_the_seal_is_not_in_the_way_of_tests() -> None:
    """Tests that look at what a program says see the line before the seal."""
    with capture_logs() as lines:
        structlog.get_logger().info("report-released", parcels=1)

    assert lines == [{"event": "report-released", "log_level": "info", "parcels": 1}]
