import base64
import os
from pathlib import Path

import pytest

from hub.errors import BadInput
from hub.sealing.master import MasterKey

NAME = "attack-traffic/20251204T100000Z"


def _write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _good_text() -> bytes:
    return base64.b64encode(os.urandom(32)) + b"\n"


class TestGenerate:
    def test_key_survives_on_disk(self, tmp_path: Path) -> None:
        """What a new key wrapped, the key read back from its file unwraps."""
        wrapped = MasterKey.generate(tmp_path / "master.key").wrap(NAME, b"k" * 32)

        assert MasterKey.from_file(tmp_path / "master.key").unwrap(NAME, wrapped) == b"k" * 32

    def test_file_is_private_whatever_the_umask(self, tmp_path: Path) -> None:
        """A new key file has mode 0600 even where the umask would allow more."""
        before = os.umask(0)
        try:
            MasterKey.generate(tmp_path / "master.key")
        finally:
            os.umask(before)

        assert (tmp_path / "master.key").stat().st_mode & 0o7777 == 0o600

    def test_never_replaces_a_key(self, tmp_path: Path) -> None:
        """A key file that is there stays as it is: replacing it would destroy all it wrapped."""
        path = _write(tmp_path / "master.key", _good_text())
        before = path.read_bytes()

        with pytest.raises(BadInput, match="there already"):
            MasterKey.generate(path)
        assert path.read_bytes() == before

    def test_two_keys_differ(self, tmp_path: Path) -> None:
        """Keys are random."""
        one, two = MasterKey.generate(tmp_path / "a"), MasterKey.generate(tmp_path / "b")

        assert one.fingerprint != two.fingerprint
        with pytest.raises(ValueError, match="this master key"):
            two.unwrap(NAME, one.wrap(NAME, b"k" * 32))


class TestFromFile:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o700, 0o444, 0o4600])
    def test_refuses_a_file_others_may_reach(self, tmp_path: Path, mode: int) -> None:
        """Any mode but 0600 and 0400 is refused, and the error says how to mend it."""
        path = _write(tmp_path / "master.key", _good_text(), mode)

        with pytest.raises(BadInput, match=f"its mode is {mode:04o}") as refusal:
            MasterKey.from_file(path)
        assert "chmod 600" in (refusal.value.action or "")

    def test_accepts_a_read_only_file(self, tmp_path: Path) -> None:
        """Mode 0400 is as good as 0600."""
        path = _write(tmp_path / "master.key", _good_text(), 0o400)

        assert MasterKey.from_file(path).fingerprint == MasterKey.from_file(path).fingerprint

    def test_accepts_a_link_to_a_good_file(self, tmp_path: Path) -> None:
        """What counts is the file that is opened; secret mounts are often symbolic links."""
        path = _write(tmp_path / "real", _good_text())
        (tmp_path / "master.key").symlink_to(path)

        assert MasterKey.from_file(tmp_path / "master.key").fingerprint == MasterKey.from_file(path).fingerprint

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_refuses_a_file_of_another_account(self, tmp_path: Path) -> None:
        """A key file that another account owns could be changed by it."""
        path = _write(tmp_path / "master.key", _good_text())
        os.chown(path, 12345, -1)

        with pytest.raises(BadInput, match="belongs to user 12345"):
            MasterKey.from_file(path)

    def test_refuses_a_directory(self, tmp_path: Path) -> None:
        """A directory is no key."""
        with pytest.raises(BadInput, match="not a regular file"):
            MasterKey.from_file(tmp_path)

    def test_refuses_a_pipe_without_waiting(self, tmp_path: Path) -> None:
        """A named pipe is refused at once instead of waiting for a writer."""
        os.mkfifo(tmp_path / "master.key", 0o600)

        with pytest.raises(BadInput, match="not a regular file"):
            MasterKey.from_file(tmp_path / "master.key")

    def test_refuses_a_missing_file(self, tmp_path: Path) -> None:
        """There is no default key, and the error says how to make one."""
        with pytest.raises(BadInput, match="No such file") as refusal:
            MasterKey.from_file(tmp_path / "master.key")
        assert "kessetsu init" in (refusal.value.action or "")

    @pytest.mark.parametrize(
        "content",
        [b"", b"\n", b"not base64 at all!", base64.b64encode(os.urandom(31)), base64.b64encode(os.urandom(33))],
        ids=["empty", "blank", "garbled", "short", "long"],
    )
    def test_refuses_other_content(self, tmp_path: Path, content: bytes) -> None:
        """Anything but base64 of 32 bytes is refused without showing it."""
        path = _write(tmp_path / "master.key", content)

        with pytest.raises(BadInput, match="holds no master key") as refusal:
            MasterKey.from_file(path)
        assert refusal.value.got is None


class TestWrap:
    def test_bound_to_its_name(self) -> None:
        """A key wrapped for one bucket does not open as another's."""
        master = MasterKey(os.urandom(32))
        wrapped = master.wrap(NAME, b"k" * 32)

        with pytest.raises(ValueError, match="for this name"):
            master.unwrap("attack-traffic/20251204T110000Z", wrapped)

    def test_same_key_wraps_differently_each_time(self) -> None:
        """Nonces are fresh."""
        master = MasterKey(os.urandom(32))

        assert master.wrap(NAME, b"k" * 32) != master.wrap(NAME, b"k" * 32)

    def test_does_not_print_itself(self) -> None:
        """Neither ``repr`` nor ``str`` of a master key shows key material."""
        raw = os.urandom(32)

        assert raw.hex() not in repr(vars(MasterKey(raw)))
        assert base64.b64encode(raw).decode() not in str(MasterKey(raw))
