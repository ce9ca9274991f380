import os
from pathlib import Path

import pytest

from kessetsu_client import BadConfiguration, Client, Settings, load_settings
from tests.unit.client.small_hub import TOKEN, Hub


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return a file that holds the token as it should."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Return the place of the settings file."""
    path = tmp_path / "config" / "kessetsu" / "client.toml"
    path.parent.mkdir(parents=True)
    return path


class TestSources:
    def test_the_environment_is_enough(self, hub: Hub, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Address and token file by environment make a client."""
        monkeypatch.setenv("KESSETSU_URL", hub.url)
        monkeypatch.setenv("KESSETSU_TOKEN_FILE", str(token_file))
        with Client.from_settings() as client:
            assert client.me().standing == "active"

    def test_the_file_is_enough(self, hub: Hub, token_file: Path, settings_file: Path, tmp_path: Path) -> None:
        """So does the settings file; a relative path counts from where the file is."""
        os.link(token_file, settings_file.parent / "token")
        settings_file.write_text(f'url = "{hub.url}"\ntoken_file = "token"\nreceipts = "{tmp_path / "r"}"\n')
        with Client.from_settings() as client:
            client.push(token_file, {"kind": "attack"})
        assert len(list((tmp_path / "r").glob("*.json"))) == 1

    def test_given_wins_over_environment_over_file(self, settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each value is told with its origin."""
        settings_file.write_text('url = "https://file"\ntoken_file = "/file"\nca_file = "/file"\n')
        monkeypatch.setenv("KESSETSU_URL", "https://environment")
        monkeypatch.setenv("KESSETSU_TOKEN_FILE", "/environment")
        settings = load_settings(given={"url": "https://given", "token_file": None})
        assert (settings.url, settings.token_file, settings.ca_file) == (
            "https://given",
            Path("/environment"),
            Path("/file"),
        )
        assert settings.origins == {
            "url": "--url",
            "token_file": "KESSETSU_TOKEN_FILE",
            "ca_file": str(settings_file),
        }

    def test_an_empty_variable_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An empty variable means none, as in a compose file that leaves it out."""
        monkeypatch.setenv("KESSETSU_CA_FILE", "")
        assert load_settings().ca_file is None

    def test_an_unknown_key_is_refused(self, settings_file: Path) -> None:
        """A misspelt setting that is passed over would be believed to be in force."""
        settings_file.write_text('ulr = "https://hub.example.jp/"\n')
        with pytest.raises(BadConfiguration, match="ulr"):
            load_settings()

    @pytest.mark.parametrize("content", ["url = ", "url = 5", "\xff"])
    def test_an_unreadable_file_is_told(self, settings_file: Path, content: str) -> None:
        """A broken settings file stops the command and names itself."""
        settings_file.write_bytes(content.encode("latin-1"))
        with pytest.raises(BadConfiguration, match=r"client\.toml"):
            load_settings()

    def test_a_file_asked_for_must_be_there(self, tmp_path: Path) -> None:
        """Without one by default there are no settings; one that was named is missed."""
        assert load_settings() == Settings()
        with pytest.raises(BadConfiguration):
            load_settings(file=tmp_path / "none.toml")

    def test_says_what_is_missing_and_where_to_put_it(self) -> None:
        """Nothing has a default."""
        with pytest.raises(BadConfiguration) as caught:
            load_settings().require_url()
        assert "KESSETSU_URL" in (caught.value.action or "")
        with pytest.raises(BadConfiguration) as caught:
            load_settings().read_token()
        assert "KESSETSU_TOKEN_FILE" in (caught.value.action or "")


class TestTokenFile:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
    def test_must_be_closed_to_others(self, token_file: Path, mode: int) -> None:
        """A token that others can read, or change, is not used; the remedy is named."""
        token_file.chmod(mode)
        with pytest.raises(BadConfiguration) as caught:
            Settings(token_file=token_file).read_token()
        assert f"chmod 600 {token_file}" in (caught.value.action or "")

    @pytest.mark.parametrize("content", [b"", b"\n", b"two tokens", b"a\nb", b"\xe6\x97\xa5", b"x" * 5000])
    def test_must_hold_one_token(self, token_file: Path, content: bytes) -> None:
        """What is no token is not sent, nor shown."""
        token_file.write_bytes(content)
        with pytest.raises(BadConfiguration, match="one token"):
            Settings(token_file=token_file).read_token()

    def test_must_be_a_file(self, tmp_path: Path) -> None:
        """A missing file, a directory and a pipe are told apart from a token without waiting."""
        os.mkfifo(tmp_path / "pipe", 0o600)
        for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
            with pytest.raises(BadConfiguration, match=path.name):
                Settings(token_file=path).read_token()
