"""What the client's tests share: the small hub, files to push, and one way to call both clients."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from kessetsu_client import AsyncClient, Client, Envelope, Patience
from kessetsu_client.cli import main
from tests.unit.client import small_hub


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests off the account that runs them."""
    for name in ("KESSETSU_URL", "KESSETSU_TOKEN_FILE", "KESSETSU_CA_FILE", "KESSETSU_TOKEN", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def hub() -> Iterator[small_hub.Hub]:
    """Run a small hub with three parcels."""
    with small_hub.running() as running:
        running.parcels |= {name: small_hub.Parcel(name) for name in ("p-1", "p-2", "p-3")}
        yield running


@pytest.fixture
def attack(tmp_path: Path) -> Path:
    """Return a file of three records."""
    path = tmp_path / "attack.csv"
    rows = "".join(f"192.0.2.{number},2026-01-31T00:00:00Z\n" for number in (1, 2, 3))
    path.write_text(f"src_ip,first_seen\n{rows}")
    return path


@pytest.fixture
def envelope() -> Envelope:
    """Return a complete statement on an attack."""
    return Envelope("attack", "self-defence", "attack-response", "attack-traffic", "M-1", target="198.51.100.7")


@pytest.fixture(params=["blocking", "awaiting"])
def ask(request: pytest.FixtureRequest, hub: small_hub.Hub) -> small_hub.Ask:
    """Call one operation by name, on each kind of client in turn; patience is short."""

    def call(
        operation: str, *args: object, token: str = small_hub.TOKEN, within: float = 5.0, **kwargs: object
    ) -> object:
        patience = Patience(within, first_pause=0.01, longest_pause=0.05)
        if request.param == "awaiting":
            return asyncio.run(_await(AsyncClient(hub.url, token, patience=patience), operation, args, kwargs))
        with Client(hub.url, token, patience=patience) as client:
            answer = getattr(client, operation)(*args, **kwargs)
            return list(answer) if inspect.isgenerator(answer) else answer

    return call


async def _await(client: AsyncClient, operation: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    async with client:
        answer = getattr(client, operation)(*args, **kwargs)
        return [item async for item in answer] if inspect.isasyncgen(answer) else await answer


@pytest.fixture
def run(
    hub: small_hub.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> small_hub.Run:
    """Run one command line against the small hub: exit code, stdout, stderr."""
    token_file = tmp_path / "token"
    token_file.write_text(small_hub.TOKEN)
    token_file.chmod(0o600)
    monkeypatch.setenv("KESSETSU_URL", hub.url)
    monkeypatch.setenv("KESSETSU_TOKEN_FILE", str(token_file))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        code = main.run(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return command
