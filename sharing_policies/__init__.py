"""Who may know what: rules, their schema and their scenarios, as data that travels inside the wheel."""

from pathlib import Path


def directory() -> Path:
    """Return the directory the rules shipped with this version stand in."""
    return Path(__file__).parent
