"""Open gzip and zstd bodies, never further than a stated limit.

Output is taken in small steps and counted before more is asked for, so a body that unpacks to terabytes
costs no more memory than the limit, whatever its ratio.
"""

import zlib
from dataclasses import dataclass
from io import BytesIO

import zstandard

from hub.errors import BadRecords, TooLarge

GZIP_MAGIC = b"\x1f\x8b"
"""RFC 1952 section 2.3.1."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""RFC 8878 section 3.1.1."""

_SKIPPABLE_TAIL = b"\x2a\x4d\x18"
_SKIPPABLE_FIRST = range(0x50, 0x60)
_MAX_MEMBERS = 100_000
"""Gzip members or zstd frames of one body: bounds what empty ones can cost. At 64 KiB, as bgzip writes, 6 GiB."""
_MAX_BLOCKS = 1_000_000
"""Zstd blocks of one body, likewise."""
_INPUT_STEP = 65_536
_OUTPUT_STEP = 1_048_576
_MAX_WINDOW = 128 * 1_048_576
"""What ``zstd`` itself accepts without ``--long``."""
_FRAME_HEADER_MAXIMUM = 18
_BLOCK_HEADER = 3
_BLOCK_MAXIMUM = 131_072
"""RFC 8878 section 3.1.1.2.4: no block unpacks to more."""
_BLOCK_RAW, _BLOCK_RLE = 0, 1
_CHECKSUM = 4


def decompress(body: bytes | bytearray | memoryview, *, limit: int) -> bytes:
    """Return ``body`` decoded: gzip or zstd by their magic numbers, anything else unchanged.

    Several gzip members or zstd frames one after the other are one body; zstd's skippable frames hold nothing.

    Args:
        body: As received.
        limit: Most bytes the answer may have.

    Raises:
        TooLarge: where it would have more.
        BadRecords: where the stream is cut short, damaged, or followed by something else.
    """
    head = bytes(body[:4])
    if head[:2] == GZIP_MAGIC:
        return _gunzip(memoryview(body), _Output(limit))
    if head == ZSTD_MAGIC or _is_skippable(head):
        return _unzstd(memoryview(body), _Output(limit))
    if len(body) > limit:
        raise _too_large(limit)
    return bytes(body)


class _Output:
    """Bytes taken so far, never more than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = BytesIO()

    @property
    def step(self) -> int:
        """Most bytes worth asking for: one more than may still come tells that there are too many."""
        return min(_OUTPUT_STEP, self._limit - self._buffer.tell() + 1)

    def take(self, piece: bytes) -> None:
        if self._buffer.tell() + len(piece) > self._limit:
            raise _too_large(self._limit)
        self._buffer.write(piece)

    def whole(self) -> bytes:
        return self._buffer.getvalue()


def _gunzip(body: memoryview, output: _Output) -> bytes:
    position = 0
    for _ in range(_MAX_MEMBERS):
        position = _gunzip_member(body, position, output)
        if position == len(body):
            return output.whole()
        if bytes(body[position : position + 2]) != GZIP_MAGIC:
            raise _trailing("gzip")
    raise _too_many_parts("gzip")


def _gunzip_member(body: memoryview, position: int, output: _Output) -> int:
    """Inflate the member that begins at ``position``; return where it ends."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    pending: bytes | memoryview = b""
    try:
        while not inflater.eof:
            if not pending:
                pending = body[position : position + _INPUT_STEP]
                position += len(pending)
            piece = inflater.decompress(pending, output.step)
            if not piece and not pending and not inflater.eof:
                raise _cut_short("gzip")
            output.take(piece)
            pending = inflater.unconsumed_tail
    except zlib.error as error:
        raise _damaged("gzip") from error
    return position - len(inflater.unused_data)


def _unzstd(body: memoryview, output: _Output) -> bytes:
    frames = _Frames(body, zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW))
    for _ in range(_MAX_MEMBERS):
        head = bytes(body[frames.position : frames.position + 4])
        if not head:
            return output.whole()
        if _is_skippable(head):
            frames.skip()
        elif head == ZSTD_MAGIC:
            frames.unpack(output)
        else:
            raise _trailing("zstd")
    raise _too_many_parts("zstd")


def _is_skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE_TAIL and head[0] in _SKIPPABLE_FIRST


@dataclass(slots=True)
class _Frames:
    """The frames of a zstd body, fed to the decoder block by block.

    The decoder returns everything its input unpacks to at once, and four bytes may unpack to 128 KiB. Block
    boundaries (RFC 8878 section 3.1.1.2) tell how much input stays below one output step.
    """

    body: memoryview
    opener: zstandard.ZstdDecompressor
    position: int = 0
    blocks: int = 0

    def skip(self) -> None:
        """Stand after a skippable frame."""
        self._advance(4)
        size = int.from_bytes(self._advance(4), "little")
        self._advance(size)

    def unpack(self, output: _Output) -> None:
        """Decode a frame into ``output`` and stand after it."""
        decoder = self.opener.decompressobj()
        try:
            start = self.position
            checked = self._enter()
            last = False
            while not last:
                last = self._next_blocks()
                output.take(decoder.decompress(self.body[start : self.position]))
                start = self.position
            if checked:
                self._advance(_CHECKSUM)
                output.take(decoder.decompress(self.body[start : self.position]))
        except zstandard.ZstdError as error:
            raise _damaged("zstd") from error
        if not decoder.eof:
            raise _damaged("zstd")

    def _enter(self) -> bool:
        """Stand after the frame header; tell whether a checksum ends the frame."""
        head = bytes(self.body[self.position : self.position + _FRAME_HEADER_MAXIMUM])
        try:
            size = zstandard.frame_header_size(head)
            parameters = zstandard.get_frame_parameters(head)
        except zstandard.ZstdError as error:
            whole = len(head) == _FRAME_HEADER_MAXIMUM
            raise (_damaged if whole else _cut_short)("zstd") from error
        if parameters.window_size > _MAX_WINDOW:
            raise _wide_window()
        self._advance(size)
        return bool(parameters.has_checksum)

    def _next_blocks(self) -> bool:
        """Stand after as many blocks as fit one output step; tell whether the frame's last is among them."""
        room, last = _OUTPUT_STEP, False
        while room > 0 and not last:
            header = int.from_bytes(self._advance(_BLOCK_HEADER), "little")
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            self._advance(1 if kind == _BLOCK_RLE else size)
            room -= size if kind in (_BLOCK_RAW, _BLOCK_RLE) else _BLOCK_MAXIMUM
            self.blocks += 1
            if self.blocks > _MAX_BLOCKS:
                raise _too_many_parts("zstd")
        return last

    def _advance(self, size: int) -> memoryview:
        piece = self.body[self.position : self.position + size]
        if len(piece) < size:
            raise _cut_short("zstd")
        self.position += size
        return piece


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"Decoded, the body is larger than {limit} bytes.",
        expected=f"at most {limit} bytes after decompression",
        action="Split the records into several reports and push each with a key of its own.",
    )


def _too_many_parts(coding: str) -> TooLarge:
    return TooLarge(
        f"The {coding} body is made of too many small parts.",
        expected=f"at most {_MAX_MEMBERS} gzip members or zstd frames, and {_MAX_BLOCKS} zstd blocks",
        action="Compress the file in one go, without flushing after every row.",
    )


def _wide_window() -> TooLarge:
    return TooLarge(
        "The zstd body needs a larger window than the hub opens.",
        expected=f"a window of at most {_MAX_WINDOW} bytes",
        action="Compress the file again without '--long'.",
    )


def _cut_short(coding: str) -> BadRecords:
    return BadRecords(
        f"The {coding} body ends before its stream does.",
        expected=f"a complete {coding} stream",
        action="The transfer or the file was cut short: compress it again and send it with the same key.",
    )


def _damaged(coding: str) -> BadRecords:
    return BadRecords(
        f"The {coding} body is damaged.",
        expected=f"a {coding} stream whose checksums hold",
        action=f"Test the file with '{coding} -t', compress it again and send it with the same key.",
    )


def _trailing(coding: str) -> BadRecords:
    return BadRecords(
        f"Something that is not {coding} follows the {coding} stream.",
        expected="nothing but compressed data to the end of the body",
        action="Compress the file again; do not append to a compressed file.",
    )
