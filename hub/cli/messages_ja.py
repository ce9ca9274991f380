"""Messages in Japanese."""

from typing import Final

MESSAGES: Final[dict[str, str]] = {}
