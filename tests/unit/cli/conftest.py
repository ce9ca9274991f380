"""The command line run in this process against a hub with a real database, with the hub's clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from hub.cli.catalogue import VOICE
from hub.cli.main import run
from hub.cli.session import Session
from hub.settings import write_settings
from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, Ran


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak English whatever the machine's language is, and whatever a test before this one chose."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(VOICE, "language", "en")


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kessetsu:
    """Run commands without an instance, in an empty directory."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("KESSETSU_CONFIG", raising=False)

    def kessetsu(*arguments: object) -> Ran:
        code = run([str(one) for one in arguments], Session())
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return kessetsu


@pytest.fixture
def kessetsu(
    instance: Instance, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kessetsu]:
    """Run commands on the test's hub."""
    settings = instance.home / "kessetsu.toml"
    write_settings(settings, instance.settings)
    monkeypatch.setenv("KESSETSU_CONFIG", str(settings))

    def kessetsu(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(one) for one in arguments], Session(clock=instance.clock))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    with structlog.testing.capture_logs():  # the API in this process logs requests to standard output
        yield kessetsu
