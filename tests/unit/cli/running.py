"""What tests of the command line share: a command's outcome, and the log it wrote."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.support.instance import Instance


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Return standard error as a JSON problem."""
        told: dict[str, Any] = json.loads(self.err)
        return told


Kessetsu: TypeAlias = Callable[..., Ran]


def log_of(instance: Instance) -> list[tuple[str, dict[str, str]]]:
    """Return act and subjects of every log entry, in order of insertion."""
    with instance.database.connect() as connection:
        rows = connection.execute("SELECT act, body FROM audit_entries ORDER BY position").fetchall()
    return [(act, json.loads(body)["subjects"]) for act, body in rows]
