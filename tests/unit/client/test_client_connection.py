import ast
import asyncio
import inspect
import ssl
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import kessetsu_client
from hub import vocabulary
from kessetsu_client import AsyncClient, BadConfiguration, Client, ConnectionFailed, Patience, words
from kessetsu_client.once import Listing, Operation
from tests.unit.client.small_hub import TOKEN, Cut, Hub, running

CLIENTS = Path(kessetsu_client.__file__).parents[1]


def operations(kind: type) -> dict[str, object]:
    """Return everything public that a client can be asked."""
    found = inspect.getmembers_static(kind, lambda member: isinstance(member, Operation | Listing))
    return dict(found)


class TestOneImplementation:
    def test_both_clients_have_the_same_methods(self) -> None:
        """Whatever is public on one client is public on the other."""
        blocking, awaiting = (
            {name for name in dir(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)
        )
        assert blocking == awaiting

    def test_both_clients_share_each_operation(self) -> None:
        """An operation is one object: there is no second copy that could differ."""
        assert operations(Client) == operations(AsyncClient)
        assert set(operations(Client)) == {
            "push", "report_list", "report_iter", "report_get", "withdraw",
            "inbox_list", "inbox_iter", "inbox_show", "inbox_get", "inbox_ack",
            "outcome_report", "outcomes", "recalls", "confirm_recall",
            "holdings", "declare_holding", "certificates", "me",
        }  # fmt: skip

    def test_each_operation_is_documented_and_keeps_its_signature(self) -> None:
        """Help and completion see the operation, not the machinery around it."""
        client = Client("http://127.0.0.1/", TOKEN)
        for name in operations(Client):
            method = getattr(client, name)
            assert method.__doc__, name
            assert method.__name__ == name
            assert "self" not in inspect.signature(method).parameters
        assert list(inspect.signature(client.withdraw).parameters) == ["report_id", "reason"]

    def test_an_awaiting_client_does_not_hold_up_the_loop(self, hub: Hub, tmp_path: Path) -> None:
        """While a file is pushed slowly, the loop goes on turning."""
        big = tmp_path / "big.csv"
        big.write_bytes(b"x" * 20_000_000)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        async def push() -> None:
            ticking = asyncio.create_task(tick())
            async with AsyncClient(hub.url, TOKEN) as client:
                await client.push(big, {"kind": "attack"})
            ticking.cancel()

        asyncio.run(push())
        assert len(hub.reports) == 1
        assert ticks > 5

    def test_a_cancelled_push_keeps_its_key(self, hub: Hub, attack: Path) -> None:
        """Cancelling is one more way to fail; repeating is safe after it too."""
        hub.faults += [Cut()] * 1000

        async def push(within: float) -> None:
            async with AsyncClient(hub.url, TOKEN, patience=Patience(60, first_pause=0.02)) as client:
                await asyncio.wait_for(client.push(attack, {"kind": "attack"}), within)

        with pytest.raises(TimeoutError):
            asyncio.run(push(0.3))
        hub.faults.clear()
        asyncio.run(push(10))
        assert len(set(hub.keys())) == 1
        assert len(hub.reports) == 1


class TestDistribution:
    def test_pulls_in_no_server_part(self) -> None:
        """A member's machine needs neither the hub nor its libraries."""
        code = (
            "import sys, kessetsu_client, kessetsu_client.client, kessetsu_client.cli.main\n"
            "heavy = {'hub', 'api', 'polars', 'pyarrow', 'pandas', 'numpy', 'cryptography', 'sqlalchemy', 'fastapi'}\n"
            "print(sorted(heavy & set(sys.modules)))"
        )
        done = run_python("-c", code)
        assert done.stdout.strip() == "[]"

    def test_imports_only_what_it_declares(self) -> None:
        """Every import is the standard library, the client itself, or a declared dependency."""
        declared = {"click", "httpx", "rich"}
        content = tomllib.loads((CLIENTS / "pyproject.toml").read_text())
        assert {name.partition(">")[0] for name in content["project"]["dependencies"]} == declared
        allowed = declared | {"kessetsu_client"} | sys.stdlib_module_names
        for path in (CLIENTS / "kessetsu_client").rglob("*.py"):
            assert imported(path) <= allowed, path

    def test_states_one_version(self) -> None:
        """What the program says of itself is what is installed."""
        content = tomllib.loads((CLIENTS / "pyproject.toml").read_text())
        assert content["project"]["version"] == kessetsu_client.VERSION

    def test_offers_every_public_name(self) -> None:
        """Names are imported when first used, and all of them can be."""
        for name in kessetsu_client.__all__:
            assert getattr(kessetsu_client, name) is not None
        with pytest.raises(AttributeError):
            _ = kessetsu_client.NoSuchThing  # type: ignore[attr-defined]  # that is what is tested

    @pytest.mark.parametrize("module", ["kessetsu_client", "kessetsu_client.cli.main"])
    def test_help_needs_no_network_library(self, module: str) -> None:
        """Start-up stays short because httpx, rich and asyncio wait until they are needed."""
        code = f"import sys, {module}; print(sorted({{'httpx', 'rich', 'asyncio', 'ssl'}} & set(sys.modules)))"
        assert run_python("-c", code).stdout.strip() == "[]"

    def test_a_command_loads_no_more_than_it_needs(self) -> None:
        """What a command imports is paid at every call of a script; colours and bars are not for scripts."""
        code = (
            "import sys; from kessetsu_client.cli.main import run\n"
            "run(['--url', 'http://127.0.0.1:9/', '--token-file', sys.argv[1], '--patience', '0', 'me'])\n"
            "print(sorted({'httpx', 'rich', 'pygments'} & set(sys.modules)))"
        )
        with NamedTemporaryFile("w") as token_file:
            token_file.write(TOKEN)
            token_file.flush()
            assert run_python("-c", code, token_file.name).stdout.strip() == "['httpx']"

    def test_speaks_the_hubs_words(self) -> None:
        """The word lists a member chooses from are the hub's own."""
        assert tuple(vocabulary.ReportKind) == words.KINDS
        assert tuple(vocabulary.LegalBasis) == words.LEGAL_BASES
        assert tuple(vocabulary.Purpose) == words.PURPOSES
        assert tuple(vocabulary.RequestedAction) == words.ACTIONS
        assert tuple(vocabulary.Severity) == words.SEVERITIES
        assert tuple(vocabulary.OutcomeCode) == words.OUTCOMES
        hubs_own = {vocabulary.DataClass.INTAKE, vocabulary.DataClass.HELD}
        assert set(words.DATA_CLASSES) == set(vocabulary.DataClass) - hubs_own
        assert set(words.WITHDRAWAL_REASONS) < set(vocabulary.RecallReason)
        assert set(words.PARCEL_STATES) == set(vocabulary.ParcelState) - {vocabulary.ParcelState.SEALED}


class TestAddress:
    @pytest.mark.parametrize(
        "url",
        [
            "http://hub.example.jp/",
            "http://127.0.0.1.example.jp/",
            "http://localhost.example.jp/",
            "ftp://hub.example.jp/",
            "hub.example.jp",
            "https://",
            "https://user:secret@hub.example.jp/",
            "https://hub.example.jp/?token=x",
            "https://hub.example.jp:99999/",
            "",
        ],
    )
    def test_refuses_what_would_leak_or_is_no_address(self, url: str) -> None:
        """A token goes out encrypted, or not off this machine; the refusal does not repeat a password."""
        with pytest.raises(BadConfiguration) as caught:
            Client(url, TOKEN)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "base"),
        [
            ("https://hub.example.jp", "https://hub.example.jp/"),
            ("https://hub.example.jp/kessetsu/", "https://hub.example.jp/kessetsu/"),
            ("http://127.8.0.1:8000", "http://127.8.0.1:8000/"),
            ("http://[::1]:8000/", "http://[::1]:8000/"),
            ("http://localhost/", "http://localhost/"),
        ],
    )
    def test_takes_https_and_loopback(self, url: str, base: str) -> None:
        """A path before /v1 is kept."""
        assert Client(url, TOKEN).url == base

    @pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "日本"])
    def test_refuses_a_token_that_is_none(self, token: str) -> None:
        """A token that would break a header is found here, and not repeated."""
        with pytest.raises(BadConfiguration):
            Client("https://hub.example.jp/", token)

    def test_never_shows_the_token(self) -> None:
        """A client that is printed or logged does not give its token away."""
        assert TOKEN not in repr(Client("https://hub.example.jp/", TOKEN))

    def test_a_path_before_v1_is_used(self, hub: Hub) -> None:
        """A hub behind a gateway's path is asked there."""
        with (
            Client(f"{hub.url}gateway", TOKEN, patience=Patience(0)) as client,
            pytest.raises(Exception, match="not-f"),
        ):
            client.me()
        assert hub.seen[0].path == "/gateway/v1/me"

    def test_a_proxy_does_not_see_what_stays_on_this_machine(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        """Plain http to loopback carries the token; a proxy from the environment is passed by."""
        with running() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            with Client(hub.url, TOKEN) as client:
                client.me()
            assert not proxy.seen
        assert len(hub.seen) == 1

    def test_a_hub_that_is_not_there_is_named_so(self) -> None:
        """Nothing was sent, so even what must not be repeated could be."""
        with running() as gone:
            url = gone.url
        with Client(url, TOKEN, patience=Patience(0)) as client, pytest.raises(ConnectionFailed) as caught:
            client.me()
        assert not caught.value.sent
        assert caught.value.action


class TestTls:
    def test_trusts_the_authority_it_is_given_and_no_other(self, tmp_path: Path) -> None:
        """A hub with its own authority is reached with ca_file, and never without."""
        certificate = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with running(context) as hub:
            with Client(hub.url, TOKEN, ca_file=certificate) as client:
                assert client.me().standing == "active"
            with Client(hub.url, TOKEN) as client, pytest.raises(ConnectionFailed) as caught:
                client.me()
            assert caught.value.hopeless
            assert "KESSETSU_CA_FILE" in (caught.value.action or "")
            assert len(hub.seen) == 1

    def test_says_which_certificates_cannot_be_used(self, tmp_path: Path) -> None:
        """A wrong path or file is a matter of settings, told before anything is sent."""
        (tmp_path / "empty.pem").touch()
        for name in ("missing.pem", "empty.pem"):
            with pytest.raises(BadConfiguration, match=name):
                Client("https://hub.example.jp/", TOKEN, ca_file=tmp_path / name)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an interpreter that finds the client and nothing else of this repository."""
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(CLIENTS)},
        cwd="/",
    )


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def self_signed(directory: Path) -> Path:
    """Make a certificate for loopback, key and all in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "hub.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
