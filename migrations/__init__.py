"""What brings a database to the shape this version of the code expects, and who may do what in it."""

from pathlib import Path


def directory() -> Path:
    """Return the directory with Alembic's environment, the revisions and ``roles.sql``."""
    return Path(__file__).parent
