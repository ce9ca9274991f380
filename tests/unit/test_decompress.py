import gzip
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
import zstandard

from hub.decompress import decompress
from hub.errors import BadRecords, TooLarge

PLAIN = b"src_ip,first_seen\n" + b"192.0.2.1,2026-03-01T00:00:00Z\n" * 20_000
NOISE = os.urandom(400_000)
SKIPPABLE = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
EMPTY_FRAME = zstandard.ZstdCompressor(write_content_size=False).compress(b"")
LIMIT = 2_000_000

Compress = Callable[[bytes], bytes]


def zstd(data: bytes, **options: bool | int) -> bytes:
    """Compress in one frame."""
    return zstandard.ZstdCompressor(**options).compress(data)


def zstd_stream(data: bytes) -> bytes:
    """Compress without knowing the size and without a checksum, as a pipe does."""
    return zstd(data, write_content_size=False, write_checksum=False)


def zstd_checked(data: bytes) -> bytes:
    """Compress with size and checksum, as the zstd program does."""
    return zstd(data, write_checksum=True, level=3)


CODINGS = pytest.mark.parametrize("compress", [gzip.compress, zstd_stream, zstd_checked])


class TestOpened:
    """What was compressed comes back."""

    @CODINGS
    @pytest.mark.parametrize("data", [b"", b"x", PLAIN, NOISE], ids=["empty", "one", "rows", "noise"])
    def test_whole(self, compress: Compress, data: bytes) -> None:
        """A whole stream gives exactly what went in."""
        assert decompress(compress(data), limit=LIMIT) == data

    @CODINGS
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_buffer(self, compress: Compress, kind: Callable[[bytes], bytes]) -> None:
        """Bytes are taken from whatever holds them."""
        assert decompress(kind(compress(PLAIN)), limit=LIMIT) == PLAIN

    @CODINGS
    def test_one_after_the_other(self, compress: Compress) -> None:
        """Several members or frames are one body (RFC 1952 section 2.2, RFC 8878 section 3)."""
        body = compress(PLAIN[:1_000]) + compress(b"") + compress(PLAIN[1_000:])

        assert decompress(body, limit=LIMIT) == PLAIN

    def test_skippable_frames(self) -> None:
        """Skippable frames hold nothing, first, between or last."""
        body = SKIPPABLE + zstd(PLAIN[:50]) + SKIPPABLE + zstd(PLAIN[50:]) + SKIPPABLE

        assert decompress(body, limit=LIMIT) == PLAIN
        assert decompress(SKIPPABLE, limit=LIMIT) == b""

    @pytest.mark.parametrize("data", [b"", b"\x1f", b"(\xb5/", PLAIN])
    def test_plain_is_left_alone(self, data: bytes) -> None:
        """What has no magic number is not compressed."""
        assert decompress(data, limit=LIMIT) == data

    @pytest.mark.parametrize("level", [1, 9, 19])
    def test_every_block_kind(self, level: int) -> None:
        """Raw, run-length and compressed blocks of every level come back."""
        data = NOISE + bytes(300_000) + PLAIN

        assert decompress(zstd(data, level=level), limit=LIMIT) == data


class TestLimit:
    """Nothing is opened past the limit, whatever its ratio."""

    @CODINGS
    def test_exactly(self, compress: Compress) -> None:
        """The limit itself is allowed, one byte more is not."""
        body = compress(PLAIN)

        assert decompress(body, limit=len(PLAIN)) == PLAIN
        with pytest.raises(TooLarge):
            decompress(body, limit=len(PLAIN) - 1)

    def test_plain(self) -> None:
        """The limit holds for plain bodies, too."""
        with pytest.raises(TooLarge, match="larger than 10 bytes"):
            decompress(b"x" * 11, limit=10)

    @CODINGS
    def test_spread_over_parts(self, compress: Compress) -> None:
        """Many small parts count together."""
        with pytest.raises(TooLarge):
            decompress(compress(b"x" * 1_000) * 20, limit=19_999)

    @pytest.mark.parametrize("coding", ["gzip", "zstd"])
    def test_bomb_costs_no_memory(self, coding: str) -> None:
        """A body that unpacks to 1 GiB is refused by a process that could not hold half of it."""
        answer = subprocess.run(
            [sys.executable, "-c", BOMB, coding],
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20)),
        )

        assert answer.stdout.strip() == "TooLarge", answer.stderr

    @pytest.mark.parametrize(
        "body",
        [
            gzip.compress(b"") * 100_001,
            EMPTY_FRAME * 100_001,
            SKIPPABLE * 100_001,
            EMPTY_FRAME[:-3] + b"\0\0\0" * 1_000_001 + b"\1\0\0",
        ],
        ids=["members", "frames", "skippable", "blocks"],
    )
    def test_swarms_of_nothing(self, body: bytes) -> None:
        """Endless empty parts are refused before they cost time."""
        with pytest.raises(TooLarge, match="too many small parts"):
            decompress(body, limit=LIMIT)

    def test_window(self) -> None:
        """A frame that wants a window of gigabytes is refused, not tried."""
        frame = b"\x28\xb5\x2f\xfd" + bytes([0b0000_0000, 21 << 3]) + b"\1\0\0" + bytes(20)

        with pytest.raises(TooLarge, match="window"):
            decompress(frame, limit=LIMIT)


BOMB = """
import sys, zlib, zstandard
from hub.decompress import decompress
from hub.errors import TooLarge
block, times = bytes(1 << 20), 1024
packer = zlib.compressobj(level=1, wbits=31) if sys.argv[1] == "gzip" else zstandard.ZstdCompressor().compressobj()
body = b"".join([packer.compress(block) for _ in range(times)] + [packer.flush()])
try:
    decompress(body, limit=1 << 20)
except TooLarge:
    print("TooLarge")
"""


class TestBroken:
    """A broken stream is refused with what is wrong with it, never half taken."""

    @CODINGS
    @pytest.mark.parametrize("data", [b"", PLAIN, NOISE], ids=["empty", "rows", "noise"])
    def test_cut_anywhere(self, compress: Compress, data: bytes) -> None:
        """A stream cut after any byte is refused as cut short."""
        body = compress(data)
        cuts = {4, 5, 8, 12, *range(max(4, len(body) - 12), len(body)), *range(4, len(body), len(body) // 20 + 1)}
        for cut in sorted(cuts):
            if cut < len(body):
                with pytest.raises(BadRecords, match="ends before its stream does"):
                    decompress(body[:cut], limit=LIMIT)

    @pytest.mark.parametrize("compress", [gzip.compress, zstd_checked])
    def test_flipped(self, compress: Compress) -> None:
        """A changed byte is noticed, at the latest by the checksum."""
        body = bytearray(compress(PLAIN + NOISE[:1_000]))
        for place in range(20, len(body), len(body) // 40):
            body[place] ^= 0x55
            with pytest.raises((BadRecords, TooLarge)):
                decompress(body, limit=LIMIT)
            body[place] ^= 0x55

        assert decompress(body, limit=LIMIT) == PLAIN + NOISE[:1_000]

    @CODINGS
    @pytest.mark.parametrize("garbage", [b"\0", b"x", b"\n\n", b"PK\3\4 and more", NOISE[:5_000]])
    def test_followed_by_something_else(self, compress: Compress, garbage: bytes) -> None:
        """What follows the stream is not silently dropped."""
        with pytest.raises(BadRecords, match="follows the"):
            decompress(compress(PLAIN) + garbage, limit=LIMIT)

    def test_not_gzip_after_all(self) -> None:
        """Two bytes do not make a stream."""
        with pytest.raises(BadRecords, match="gzip body is damaged"):
            decompress(b"\x1f\x8bsrc_ip,first_seen\n", limit=LIMIT)

    def test_reserved_block(self) -> None:
        """A block of the reserved kind is damage (RFC 8878 section 3.1.1.2.2)."""
        with pytest.raises(BadRecords, match="damaged"):
            decompress(EMPTY_FRAME[:-3] + b"\7\0\0", limit=LIMIT)

    def test_skippable_cut(self) -> None:
        """A skippable frame shorter than it says is cut short."""
        for cut in range(4, len(SKIPPABLE)):
            with pytest.raises(BadRecords, match="ends before"):
                decompress(SKIPPABLE[:cut], limit=LIMIT)

    def test_errors_tell_what_to_do(self) -> None:
        """Every refusal says what was expected and what to do next."""
        for body in (zlib.compress(PLAIN, wbits=31)[:-1], zstd(PLAIN) + b"x", b"\x1f\x8bxx"):
            with pytest.raises(BadRecords) as refusal:
                decompress(body, limit=LIMIT)

            assert refusal.value.expected
            assert refusal.value.action
