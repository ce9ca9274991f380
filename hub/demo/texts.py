"""What the demo says. The English sentence stands where it is said and is the key of the Japanese one."""

from collections.abc import Mapping
from typing import Final

from hub.demo.texts_ja import MESSAGES

LANGUAGES: Final = ("en", "ja")


class Voice:
    """The language spoken, chosen once at the start."""

    language = "en"

    def say(self, text: str, /, **values: object) -> str:
        """Return ``text`` in the chosen language, with ``values`` filled in."""
        spoken = MESSAGES.get(text, text) if self.language == "ja" else text
        return spoken.format(**values) if values else spoken


VOICE: Final = Voice()
say = VOICE.say


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language of the first of LC_ALL, LC_MESSAGES and LANG that is set."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "ja" if locale.lower().startswith("ja") else "en"
