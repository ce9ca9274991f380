import json

import pytest

from hub.sealing.canonical import canonical_json
from hub.vocabulary import DataClass


class TestCanonicalJson:
    def test_sorts_keys_by_utf16(self) -> None:
        """Keys stand in the order of their UTF-16 code units (RFC 8785, 3.2.3), which is not that of code points."""
        keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]

        spelled = canonical_json(dict.fromkeys(keys))

        assert list(json.loads(spelled)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

    def test_escapes_only_what_must_be(self) -> None:
        """Control characters have their short or lower-case escapes; all else stands as UTF-8 (RFC 8785, 3.2.2.2)."""
        text = "\u20ac$\u000f\u000aA'B\"\\/\u007f結"

        assert canonical_json(text) == '"\u20ac$\\u000f\\nA\'B\\"\\\\/\u007f結"'.encode()

    def test_values_have_one_spelling(self) -> None:
        """No spaces; booleans and null by name; nested values in order."""
        value = {"b": [True, None, -0, (1, "x")], "a": {"d": 2, "c": DataClass.DRILL}}

        assert canonical_json(value) == b'{"a":{"c":"drill","d":2},"b":[true,null,0,[1,"x"]]}'

    @pytest.mark.parametrize("value", [1.5, float("nan"), b"bytes", {1: "x"}, object(), {"a": {1, 2}}])
    def test_refuses_what_has_no_one_spelling(self, value: object) -> None:
        """Floats, bytes, sets and keys that are no strings are refused."""
        with pytest.raises(TypeError):
            canonical_json(value)

    @pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800"])
    def test_refuses_what_readers_would_see_differently(self, value: object) -> None:
        """Integers past 2^53 - 1 and lone surrogates are refused."""
        with pytest.raises(ValueError, match=r"2\^53|surrogates"):
            canonical_json(value)

    def test_limit_is_inside(self) -> None:
        """The largest exact integer passes."""
        assert canonical_json([2**53 - 1, -(2**53 - 1)]) == b"[9007199254740991,-9007199254740991]"
