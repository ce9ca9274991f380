"""What bytes a CSV file may be: UTF-8 text. What else it looks like is said by name, with the way out."""

import codecs

from hub.errors import BadRecords

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_STEP = 4 * 1_048_576
_SAMPLE = 65_536
_WINDOW = 1_024


def require_utf8(data: bytes) -> None:
    """Raise :class:`~hub.errors.BadRecords` unless ``data`` is UTF-8 without NUL characters; a BOM is welcome."""
    if data.startswith(_UTF16_MARKS) or _looks_like_utf16(data[:_WINDOW]):
        raise _unreadable(
            "The records look like UTF-16, which spreadsheets call 'Unicode text'.",
            "Save the file as 'CSV UTF-8', or convert it: iconv -f UTF-16 -t UTF-8",
        )
    if b"\0" in data:
        raise _unreadable("The records hold NUL characters.", "Export the file again as plain CSV text.")
    if data.isascii():
        return
    fault = _first_fault(data)
    if fault is not None:
        raise _not_utf8(data, fault)


def _looks_like_utf16(head: bytes) -> bool:
    """Tell whether every other byte is NUL, as in Latin text of two bytes a character."""
    half = len(head) // 2
    return half > 0 and half in (head[: 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0))


def _first_fault(data: bytes) -> int | None:
    """Return the offset of the first byte that is not UTF-8; decodes in steps to hold little at once."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    for start in range(0, len(data), _STEP):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(view[start : start + _STEP], final=start + _STEP >= len(data))
        except UnicodeDecodeError as error:
            return start - pending + error.start
    return None


def _not_utf8(data: bytes, fault: int) -> BadRecords:
    line = data.count(b"\n", 0, fault) + 1
    if _looks_like_shift_jis(data[fault : fault + _SAMPLE]):
        return _unreadable(
            f"The records look like Shift_JIS (Windows-31J): line {line} is not UTF-8.",
            "Save the file as 'CSV UTF-8', or convert it: iconv -f CP932 -t UTF-8",
        )
    return _unreadable(f"Line {line} of the records is not UTF-8.", "Export the file again as UTF-8 text.")


def _looks_like_shift_jis(sample: bytes) -> bool:
    """Tell whether ``sample`` is text in Windows-31J, perhaps cut within its last character."""
    try:
        text = codecs.getincrementaldecoder("cp932")().decode(sample)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\r\n\t" for character in text)


def _unreadable(message: str, action: str) -> BadRecords:
    return BadRecords(message, expected="CSV in UTF-8, with or without BOM", action=action)
