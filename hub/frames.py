"""Frames as bytes: Arrow IPC streams, zstd-compressed, as they stand inside sealed chunks."""

from io import BytesIO

import polars as pl


def to_arrow(frame: pl.DataFrame) -> bytes:
    """Return ``frame`` as an Arrow IPC stream, zstd-compressed."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression="zstd")
    return buffer.getvalue()


def from_arrow(data: bytes) -> pl.DataFrame:
    """Read a frame that :func:`to_arrow` wrote."""
    return pl.read_ipc_stream(BytesIO(data))
