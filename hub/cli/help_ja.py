"""Help texts in Japanese, by paragraph."""

from typing import Final

HELP: Final[dict[str, str]] = {}
