"""A request's head is bounded in size and time, whatever follows it is not."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from hub.cli.acts import bounded_http
from hub.cli.acts.bounded_http import MOST_HEAD_BYTES, BoundedHttp


async def echo_length(
    _scope: uvicorn._types.Scope, receive: uvicorn._types.ASGIReceiveCallable, send: uvicorn._types.ASGISendCallable
) -> None:
    """Answer with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Serve with a patience of half a second."""
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(echo_length, http=BoundedHttp, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    listener.close()


def sent(address: tuple[str, int], *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts with pauses and return everything answered until the connection is closed or silent."""
    with socket.create_connection(address, timeout=3) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n"


def test_bodies_are_as_long_as_they_are(address: tuple[str, int]) -> None:
    """The bound is on heads: a body of many times the size, sent slowly, is taken."""
    body = b"x" * (4 * MOST_HEAD_BYTES)
    answer = sent(address, HEAD % len(body) + b"\r\n", body[:1000], body[1000:], pause=0.6)

    assert answer.endswith(str(len(body)).encode())


@pytest.mark.parametrize("filler", [b"a" * 1000, b"X-A: " + b"a" * 1000 + b"\r\n"])
def test_large_head_is_refused(address: tuple[str, int], filler: bytes) -> None:
    """Headers without end, in one line or many, end with 400 and a closed connection."""
    answer = sent(address, HEAD % 0 + b"X: ", *[filler] * (MOST_HEAD_BYTES // 1000 + 70))

    assert answer.startswith(b"HTTP/1.1 400 ") or answer == b""
    assert not answer.startswith(b"HTTP/1.1 200")


def test_large_request_line_is_refused(address: tuple[str, int]) -> None:
    """A path without end is refused just so."""
    answer = sent(address, b"GET /", *[b"a" * 8192] * 12)

    assert answer.startswith(b"HTTP/1.1 400 ") or answer == b""


def test_slow_head_is_cut_off(address: tuple[str, int]) -> None:
    """Who sends a byte now and then does not keep a connection."""
    started = time.monotonic()
    answer = sent(address, *[bytes([byte]) for byte in b"GET / HTTP/1.1\r\n"], pause=0.1)

    assert answer == b""
    assert time.monotonic() - started < 3


def test_silent_connection_is_cut_off(address: tuple[str, int]) -> None:
    """Who connects and says nothing is not waited for."""
    assert sent(address) == b""


def test_second_request_of_a_connection(address: tuple[str, int]) -> None:
    """The count begins anew with each request: many small ones pass."""
    one = b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\nContent-Length: 1\r\n\r\nx"
    last = HEAD % 1 + b"\r\nx"

    assert sent(address, one, one, one, last).count(b"HTTP/1.1 200") == 4
