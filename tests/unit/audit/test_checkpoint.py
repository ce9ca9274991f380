import base64
import hashlib
from pathlib import Path

import pytest

from hub.audit.checkpoint import ORIGIN, Checkpoint, verifier_key
from hub.sealing.signing import Signer, verify

POINT = Checkpoint(3, bytes(range(32)))


class TestCheckpoint:
    def test_opens_as_what_was_signed(self, signer: Signer) -> None:
        """A note read back says the size and root that were signed."""
        assert Checkpoint.opened(POINT.signed(signer), signer.public_text, verify) == POINT

    def test_form_of_the_body(self) -> None:
        """The body is origin, size and root, a line each (C2SP tlog-checkpoint)."""
        assert POINT.body == f"kessetsu/audit\n3\n{base64.b64encode(POINT.root).decode()}\n"

    def test_form_of_the_signature(self, signer: Signer) -> None:
        """The signature line names the key by name and id, and signs the whole body (C2SP signed-note)."""
        note = POINT.signed(signer)
        key = base64.b64decode(signer.public_text)
        key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + key).digest()[:4]
        body, _, line = note.partition("\n\n")
        dash, name, content = line.removesuffix("\n").split(" ")

        assert (dash, name) == ("\u2014", ORIGIN)
        assert base64.b64decode(content)[:4] == key_id
        assert verify(
            signer.public_text, body.encode() + b"\n", base64.b64encode(base64.b64decode(content)[4:]).decode()
        )
        typed_key = base64.b64encode(b"\x01" + key).decode()
        assert verifier_key(signer.public_text) == f"{ORIGIN}+{key_id.hex()}+{typed_key}"

    def test_others_may_sign_too(self, signer: Signer, tmp_path: Path) -> None:
        """A witness's line beside the hub's does not spoil a note."""
        witness = Signer.generate(tmp_path / "witness.pem")
        line = base64.b64encode(b"abcd" + base64.b64decode(witness.sign(POINT.body.encode()))).decode()
        note = POINT.signed(signer) + f"\u2014 witness.example {line}\n"

        assert Checkpoint.opened(note, signer.public_text, verify) == POINT

    def test_another_key_is_refused(self, signer: Signer, tmp_path: Path) -> None:
        """A note signed by anybody else says nothing."""
        stranger = Signer.generate(tmp_path / "stranger.pem")

        assert Checkpoint.opened(POINT.signed(stranger), signer.public_text, verify) is None

    @pytest.mark.parametrize(
        "change",
        [
            lambda note: note.replace("\n3\n", "\n4\n"),
            lambda note: note.replace("\n3\n", "\n03\n"),
            lambda note: note.replace("kessetsu/audit\n", "another/log\n", 1),
            lambda note: note.replace("\u2014 kessetsu/audit", "\u2014 another/log"),
            lambda note: note.replace("\n\n", "\n"),
            lambda note: note.replace("\n\n", "\nextension\n\n"),
            lambda note: note[:-1],
            lambda note: note[:-6] + "\n",
            lambda note: note.split("\n\n")[0] + "\n\n",
            lambda _: "",
        ],
        ids=["size", "spelling", "origin", "name", "no-gap", "extension", "no-end", "cut", "unsigned", "empty"],
    )
    def test_any_change_is_refused(self, signer: Signer, change: object) -> None:
        """A note that was changed anywhere says nothing."""
        assert callable(change)
        assert Checkpoint.opened(change(POINT.signed(signer)), signer.public_text, verify) is None

    def test_a_signed_text_that_is_no_checkpoint_is_refused(self, signer: Signer) -> None:
        """The hub signs receipts with the same key; none of its signatures passes for a checkpoint."""
        key_id = base64.b64decode(POINT.signed(signer).rsplit(" ", 1)[1])[:4]
        for body in ("receipt\n", f"{ORIGIN}\nmany\n{base64.b64encode(POINT.root).decode()}\n", f"{ORIGIN}\n3\n???\n"):
            line = base64.b64encode(key_id + base64.b64decode(signer.sign(body.encode()))).decode()

            assert Checkpoint.opened(f"{body}\n\u2014 {ORIGIN} {line}\n", signer.public_text, verify) is None
