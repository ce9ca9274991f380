"""What the command line says, in English and Japanese.

The English sentence stands where it is said and is the key. One without a translation is said in English;
tests see to it that every sentence of ours has one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from hub.cli.help_ja import HELP
from hub.cli.messages_ja import MESSAGES

LANGUAGES: Final = ("en", "ja")


class Voice:
    """Speaks one language, chosen once when the command starts."""

    language = "en"

    def say(self, text: str, /, **values: object) -> str:
        """Return ``text`` in the chosen language, with ``values`` filled in."""
        spoken = MESSAGES.get(text, text) if self.language == "ja" else text
        return spoken.format(**values) if values else spoken

    def explain(self, text: str) -> str:
        """Return a paragraph of help in the chosen language."""
        return HELP.get(text, text) if self.language == "ja" else text


VOICE: Final = Voice()
say = VOICE.say


def language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the language of ``--lang``; without it the one of LC_ALL, else of LANG."""
    for place, argument in enumerate(arguments, start=1):
        name, _, value = argument.partition("=")
        chosen = value or "".join(arguments[place : place + 1])
        if name == "--lang" and chosen in LANGUAGES:
            return chosen
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return "ja" if locale.startswith("ja") else "en"
