"""What the command line says, in English and Japanese.

The English sentence stands where it is said and is the key; a sentence without a translation is said in English.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from kessetsu_client.cli.catalogue_ja import HELP, MESSAGES

LANGUAGES: Final = ("en", "ja")


class Voice:
    """The language spoken, chosen once at the start of a command."""

    language = "en"

    def say(self, text: str, /, **values: object) -> str:
        """Say ``text`` in the chosen language, with ``values`` put in."""
        spoken = MESSAGES.get(text, text) if self.language == "ja" else text
        return spoken.format(**values) if values else spoken

    def explain(self, text: str) -> str:
        """Say a paragraph of help in the chosen language."""
        return HELP.get(text, text) if self.language == "ja" else text


VOICE: Final = Voice()
say = VOICE.say


def language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Choose the language: ``--lang``, else the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    for place, argument in enumerate(arguments):
        value = argument.partition("=")[2] if argument.startswith("--lang=") else None
        if argument == "--lang":
            value = next(iter(arguments[place + 1 : place + 2]), None)
        if value in LANGUAGES:
            return value
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "ja" if locale.lower().startswith("ja") else "en"
