from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub.errors import BadInput
from hub.sealing.signing import Signer, verify


class TestSigner:
    def test_signature_verifies(self, tmp_path: Path) -> None:
        """What a signer signs, anybody with its public text can check."""
        signer = Signer.generate(tmp_path / "signing.pem")

        assert verify(signer.public_text, b"receipt", signer.sign(b"receipt"))

    def test_key_survives_on_disk(self, tmp_path: Path) -> None:
        """A signer read back from its file signs the same."""
        signer = Signer.generate(tmp_path / "signing.pem")

        assert Signer.from_file(tmp_path / "signing.pem").sign(b"x") == signer.sign(b"x")

    def test_wrong_signatures_fail(self, tmp_path: Path) -> None:
        """Other data, another key, or anything that is no signature is refused, never an exception."""
        signer, stranger = Signer.generate(tmp_path / "a"), Signer.generate(tmp_path / "b")
        signature = signer.sign(b"receipt")

        assert not verify(signer.public_text, b"Receipt", signature)
        assert not verify(stranger.public_text, b"receipt", signature)
        assert not verify(signer.public_text, b"receipt", signature[:-4])
        assert not verify(signer.public_text, b"receipt", "no base64")
        assert not verify("short", b"receipt", signature)

    def test_never_replaces_a_key(self, tmp_path: Path) -> None:
        """A signing key that is there stays: members hold its public half."""
        Signer.generate(tmp_path / "signing.pem")

        with pytest.raises(BadInput, match="there already"):
            Signer.generate(tmp_path / "signing.pem")

    def test_refuses_a_file_others_may_read(self, tmp_path: Path) -> None:
        """Whoever reads the key can sign as the hub."""
        Signer.generate(tmp_path / "signing.pem")
        (tmp_path / "signing.pem").chmod(0o644)

        with pytest.raises(BadInput, match="its mode is 0644"):
            Signer.from_file(tmp_path / "signing.pem")

    @pytest.mark.parametrize("kind", ["text", "other-algorithm", "encrypted"])
    def test_refuses_other_content(self, tmp_path: Path, kind: str) -> None:
        """Only an unencrypted Ed25519 key is one."""
        other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
        path = tmp_path / "signing.pem"
        path.write_bytes({"text": b"hello", "other-algorithm": other, "encrypted": encrypted}[kind])
        path.chmod(0o600)

        with pytest.raises(BadInput, match="holds no Ed25519 key"):
            Signer.from_file(path)
