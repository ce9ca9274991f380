import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.errors import BadInput, Fault
from hub.settings import MIB, Settings, secret_fault, write_settings

REQUIRED = """
home = "state"

[database]
embedded = false
host = "/run/postgresql"
owner_password_file = "secrets/owner"
api_password_file = "secrets/api"
worker_password_file = "secrets/worker"
operator_password_file = "secrets/operator"

[keys]
store = "keys"
master_key_file = "secrets/master"
signing_key_file = "secrets/signing"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a settings file with what has no default, and nothing else."""
    path = tmp_path / "kessetsu.toml"
    path.write_text(REQUIRED, encoding="utf-8")
    path.chmod(0o600)
    return path


def append(file: Path, text: str) -> None:
    """Add lines to the settings file."""
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def faults(path: Path | None, environ: dict[str, str] | None = None) -> dict[str, Fault]:
    """Return why these settings are refused, by the name told; they must be refused."""
    with pytest.raises(BadInput) as caught:
        Settings.load(path, environ or {})
    return {fault.where: fault for fault in caught.value.faults}


class TestLoading:
    def test_what_the_file_leaves_out_has_the_stated_default(self, file: Path) -> None:
        """Defaults are part of the contract: members are told these limits."""
        settings = Settings.load(file, {})

        assert settings.database.port == 5432
        assert settings.database.name == "kessetsu"
        assert settings.database.pool_size == 10
        assert settings.database.superuser_password_file is None
        assert settings.policies.directory is None
        assert settings.intake.max_body_bytes == 256 * MIB
        assert settings.intake.max_decoded_bytes == 768 * MIB
        assert settings.intake.max_rows == 2_000_000
        assert settings.intake.max_errors == 1_000
        assert settings.intake.max_bytes_in_flight == 512 * MIB
        assert settings.intake.upload_timeout_seconds == 300
        assert (settings.api.host, settings.api.port, settings.api.threads) == ("127.0.0.1", 8443, 16)
        assert (settings.worker.threads, settings.worker.concurrency) == (1, 2)
        assert (settings.worker.heartbeat_seconds, settings.worker.stalled_after_seconds) == (5, 20)
        assert settings.statistics.minimum_cell == 5
        assert settings.demo_only is False

    def test_the_environment_wins_over_the_file(self, file: Path) -> None:
        """A variable overrides its key and leaves the others of the section alone."""
        append(file, "[api]\nport = 9000\nthreads = 3\n")

        settings = Settings.load(file, {"KESSETSU_API__PORT": "9443", "KESSETSU_DATABASE__EMBEDDED": "false"})

        assert (settings.api.port, settings.api.threads) == (9443, 3)

    def test_the_file_may_be_named_by_the_environment(self, file: Path) -> None:
        """``KESSETSU_CONFIG`` names the file where no path is given."""
        assert Settings.load(None, {"KESSETSU_CONFIG": str(file)}) == Settings.load(file, {})

    def test_a_path_given_wins_over_the_named_one(self, file: Path, tmp_path: Path) -> None:
        """What stands on the command line is asked for now; the variable may be a left-over."""
        settings = Settings.load(file, {"KESSETSU_CONFIG": str(tmp_path / "absent.toml")})

        assert settings.home == tmp_path / "state"

    def test_the_environment_alone_is_enough(self, file: Path) -> None:
        """A container needs no file."""
        whole = Settings.load(file, {})
        environ = {
            "KESSETSU_HOME": str(whole.home),
            "KESSETSU_DATABASE__EMBEDDED": "no",
            "KESSETSU_DATABASE__HOST": "/run/postgresql",
            "KESSETSU_DATABASE__OWNER_PASSWORD_FILE": str(whole.database.owner_password_file),
            "KESSETSU_DATABASE__API_PASSWORD_FILE": str(whole.database.api_password_file),
            "KESSETSU_DATABASE__WORKER_PASSWORD_FILE": str(whole.database.worker_password_file),
            "KESSETSU_DATABASE__OPERATOR_PASSWORD_FILE": str(whole.database.operator_password_file),
            "KESSETSU_KEYS__STORE": str(whole.keys.store),
            "KESSETSU_KEYS__MASTER_KEY_FILE": str(whole.keys.master_key_file),
            "KESSETSU_KEYS__SIGNING_KEY_FILE": str(whole.keys.signing_key_file),
        }

        assert Settings.load(None, environ) == whole

    @pytest.mark.usefixtures("file")
    def test_relative_paths_count_from_where_they_are_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file means the same from every directory; a variable means the directory it is typed in."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)

        settings = Settings.load(Path("../kessetsu.toml"), {"KESSETSU_KEYS__STORE": "store"})

        assert settings.keys.master_key_file.resolve() == tmp_path / "secrets/master"
        assert settings.keys.store == elsewhere / "store"

    def test_settings_are_frozen(self, file: Path) -> None:
        """Nobody changes a limit while the program runs."""
        settings = Settings.load(file, {})

        with pytest.raises(ValidationError):
            settings.intake.max_rows = 5


class TestRefusing:
    @pytest.mark.parametrize(
        ("text", "where", "meant"),
        [
            ("[api]\nprot = 1\n", "api.prot", "api.port"),
            ("[apy]\nport = 1\n", "apy", "api"),
            ("[statistics]\nminimum_cells = 9\n", "statistics.minimum_cells", "statistics.minimum_cell"),
        ],
    )
    def test_an_unknown_key_in_the_file_is_refused_with_what_was_meant(
        self, file: Path, text: str, where: str, meant: str
    ) -> None:
        """A misspelt limit would otherwise silently be the default."""
        append(file, text)

        fault = faults(file)[where]

        assert fault.code == "unknown"
        assert f"did you mean {meant}?" in fault.expected

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("KESSETSU_API__PROT", "KESSETSU_API__PORT"),
            ("KESSETSU_API_PORT", "KESSETSU_API__PORT"),
            ("KESSETSU_INTAKE__MAXROWS", "KESSETSU_INTAKE__MAX_ROWS"),
            ("KESSETSU_CONFIGURATION", "KESSETSU_CONFIG"),
        ],
    )
    def test_an_unknown_variable_is_refused_with_what_was_meant(self, file: Path, name: str, meant: str) -> None:
        """The environment is held to the same rule as the file."""
        assert f"did you mean {meant}?" in faults(file, {name: "1"})[name].expected

    def test_our_variables_that_are_no_settings_pass(self, file: Path) -> None:
        """Clients and tests share the prefix."""
        others = ("DATA", "URL", "TOKEN_FILE", "CA_FILE", "TEST_ANYTHING")

        Settings.load(file, {f"KESSETSU_{name}": "x" for name in others} | {"PATH": "/bin"})

    def test_every_fault_is_told_at_once(self, file: Path) -> None:
        """Who has three things wrong need not start the program three times."""
        append(file, '[api]\nport = 70000\n[intake]\nmax_rows = 0\n[worker]\nthreads = "many"\n')

        assert set(faults(file)) == {"api.port", "intake.max_rows", "worker.threads"}

    def test_what_is_missing_is_named_with_its_meaning(self, tmp_path: Path) -> None:
        """No secret has a default: a path left out stops the start."""
        file = tmp_path / "kessetsu.toml"
        file.write_text('home = "x"\n[database]\nembedded = false\nhost = "db"\n', encoding="utf-8")
        found = faults(file)

        assert found["database.api_password_file"].expected == "password of the role the API uses"
        assert found["keys"].code == "missing"

    def test_a_wrong_variable_is_named_as_variable(self, file: Path) -> None:
        """Who set a variable looks for its name, not for a key of the file."""
        fault = faults(file, {"KESSETSU_API__PORT": "high"})["KESSETSU_API__PORT"]

        assert fault.got == "'high'"

    def test_an_empty_variable_is_refused(self, file: Path) -> None:
        """Empty may mean none, false or forgotten; nobody can tell."""
        assert faults(file, {"KESSETSU_HOME": ""})["KESSETSU_HOME"].code == "empty"

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ('[api]\ntls_certificate_file = "a.pem"\n', "api"),
            ('[api]\npublic_url = "hub.example"\n', "api.public_url"),
            ('[api]\npublic_url = "https://hub.example/"\n', "api.public_url"),
            ("[intake]\nmax_bytes_in_flight = 5\n", "intake"),
            ("[worker]\nheartbeat_seconds = 15\n", "worker"),
            ("[statistics]\nminimum_cell = 1\n", "statistics.minimum_cell"),
            ("[intake]\nmax_rows = true\n", "intake.max_rows"),
        ],
    )
    def test_values_that_cannot_work_are_refused(self, file: Path, text: str, where: str) -> None:
        """What would fail at the first push fails at the start."""
        append(file, text)

        assert set(faults(file)) == {where}

    @pytest.mark.parametrize(
        ("name", "host"),
        [("relative", "run/pg"), ("too long for a socket", "/" + "x" * 95)],
    )
    def test_a_socket_directory_must_be_usable(self, file: Path, name: str, host: str) -> None:
        """PostgreSQL cannot listen on a socket whose path does not fit."""
        assert "KESSETSU_DATABASE__HOST" in faults(file, {"KESSETSU_DATABASE__HOST": host}), name

    def test_an_embedded_server_needs_its_superuser(self, file: Path) -> None:
        """Without it the program could neither create nor stop its server."""
        found = faults(file, {"KESSETSU_DATABASE__EMBEDDED": "true"})

        assert "superuser_password_file" in found["database"].expected

    @pytest.mark.parametrize("text", ["home = \n", "a = 1\na = 2\n"])
    def test_a_file_that_is_no_toml_says_where(self, file: Path, text: str) -> None:
        """The line is named."""
        file.write_text(text, encoding="utf-8")

        with pytest.raises(BadInput, match="line"):
            Settings.load(file, {})

    def test_sections_and_keys_are_not_mixed_up(self, tmp_path: Path) -> None:
        """A section given as a value, or a value as a section, is a fault and not a crash."""
        file = tmp_path / "kessetsu.toml"
        file.write_text("api = 5\n[home]\nx = 1\n", encoding="utf-8")
        assert faults(file)["api"].code == "not-a-section"

        file.write_text(REQUIRED.replace('home = "state"', "home = {x = 1}"), encoding="utf-8")
        assert "home" in faults(file)

    def test_a_missing_file_says_what_to_do(self, tmp_path: Path) -> None:
        """The next step is part of the error."""
        with pytest.raises(BadInput) as caught:
            Settings.load(tmp_path / "absent.toml", {})

        assert "kessetsu init" in str(caught.value.action)

    def test_a_file_everybody_can_write_is_refused(self, file: Path) -> None:
        """Who writes the settings decides which key wraps the secrets."""
        file.chmod(0o646)

        with pytest.raises(BadInput, match="everybody can write"):
            Settings.load(file, {})


class TestDemoOnly:
    @pytest.mark.parametrize("value", ["false", "0", "true"])
    def test_the_environment_cannot_undo_it(self, file: Path, value: str) -> None:
        """A demo's instance stays one, whatever is exported around it."""
        file.write_text("demo_only = true\n" + REQUIRED, encoding="utf-8")

        assert Settings.load(file, {}).demo_only is True
        assert "KESSETSU_DEMO_ONLY" in faults(file, {"KESSETSU_DEMO_ONLY": value})

    def test_the_environment_may_narrow_a_real_instance(self, file: Path) -> None:
        """Towards safety is always allowed."""
        assert Settings.load(file, {"KESSETSU_DEMO_ONLY": "true"}).demo_only is True


class TestSecretFiles:
    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_a_private_file_is_taken(self, tmp_path: Path, mode: int) -> None:
        """0600 and 0400 are the two modes of a secret."""
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(mode)

        assert secret_fault("keys.master_key_file", path) is None

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o700, 0o601])
    def test_any_other_mode_is_refused(self, tmp_path: Path, mode: int) -> None:
        """A bit more for anybody is a bit too many."""
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(mode)
        fault = secret_fault("keys.master_key_file", path)

        assert fault is not None
        assert fault.code == "mode"
        assert f"{mode:04o}" in str(fault.got)

    def test_absent_empty_and_odd_files_are_told_apart(self, tmp_path: Path) -> None:
        """Each fault has its own remedy."""
        empty = tmp_path / "empty"
        empty.touch(mode=0o600)
        directory = tmp_path / "directory"
        directory.mkdir()

        found = [secret_fault("k", path) for path in (None, tmp_path / "absent", empty, directory)]

        assert [fault and fault.code for fault in found] == ["missing", "unreadable", "empty", "not-a-file"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_another_account_s_file_is_refused(self, tmp_path: Path) -> None:
        """Its owner could change the key under us."""
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(0o600)
        os.chown(path, 12345, 12345)
        fault = secret_fault("k", path)

        assert fault is not None
        assert fault.code == "owner"

    def test_a_program_checks_what_it_needs_all_at_once(self, file: Path, tmp_path: Path) -> None:
        """All missing files are named together, and only those asked for."""
        settings = Settings.load(file, {})
        with pytest.raises(BadInput) as caught:
            settings.check_secrets("database.api_password_file", "keys.master_key_file")

        assert [fault.where for fault in caught.value.faults] == ["database.api_password_file", "keys.master_key_file"]
        assert str(tmp_path) not in caught.value.message

    def test_a_secret_is_read_without_the_line_s_end(self, file: Path, tmp_path: Path) -> None:
        """Editors add a line feed; a password has none."""
        (tmp_path / "secrets").mkdir()
        path = tmp_path / "secrets/api"
        path.write_bytes(b"hush\n")
        path.chmod(0o600)

        assert Settings.load(file, {}).read_secret("database.api_password_file") == b"hush"

    def test_only_paths_are_secrets(self, file: Path) -> None:
        """A slip in the name of a key is a mistake in the program."""
        with pytest.raises(TypeError):
            Settings.load(file, {}).check_secrets("database.port")


class TestWriting:
    def test_what_is_written_loads_as_the_same(self, file: Path, tmp_path: Path) -> None:
        """Changed values, odd characters and the demo's mark survive."""
        changed: dict[str, Any] = {
            "KESSETSU_HOME": str(tmp_path / 'a "quoted" \\ 結節\x7f'),
            "KESSETSU_DEMO_ONLY": "true",
            "KESSETSU_INTAKE__MAX_ROWS": "1000000",
            "KESSETSU_API__PUBLIC_URL": "https://hub.example",
        }
        settings = Settings.load(file, changed)
        written = tmp_path / "written.toml"

        write_settings(written, settings)

        assert Settings.load(written, {}) == settings
        assert stat.S_IMODE(written.stat().st_mode) == 0o600

    def test_every_key_is_explained(self, file: Path, tmp_path: Path) -> None:
        """An operator reads what a key means where it stands; defaults stay commented out."""
        written = tmp_path / "written.toml"
        write_settings(written, Settings.load(file, {}))
        lines = written.read_text(encoding="utf-8").splitlines()

        keys = [number for number, line in enumerate(lines) if " = " in line and not line.startswith("# Settings")]
        assert all(lines[number - 1].startswith("# ") for number in keys)
        assert "# port = 8443" in lines
        assert "# public_url = ..." in lines
        assert "embedded = false" in lines

    def test_an_existing_file_is_left_alone(self, file: Path) -> None:
        """Nobody's settings are overwritten by a second init."""
        before = file.read_bytes()
        with pytest.raises(BadInput, match="exist already"):
            write_settings(file, Settings.load(file, {}))

        assert file.read_bytes() == before
