"""What all operations need: the hub's address, patience, the journal, and how to ask."""

import json
import re
from collections.abc import Mapping

from kessetsu_client.errors import BadArgument
from kessetsu_client.journal import Journal
from kessetsu_client.retrying import Patience, exchange
from kessetsu_client.wire import Answer, Request, Steps

JSON = "application/json"
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Base:
    """What every group of operations stands on."""

    url: str
    patience: Patience
    _journal: Journal

    def _get(
        self, path: str, params: Mapping[str, str | int | bool | None] | None = None, *, etag: str | None = None
    ) -> Steps[Answer]:
        headers = {"accept": JSON} | ({} if etag is None else {"if-none-match": etag})
        return self._exchange(Request("GET", path, params=_query(params or {}), headers=headers))

    def _post(
        self,
        path: str,
        content: Mapping[str, object] | None = None,
        *,
        key: str | None = None,
        repeatable: bool = True,
    ) -> Steps[Answer]:
        headers = {"accept": JSON} | ({} if key is None else {"idempotency-key": key})
        if content is not None:
            headers["content-type"] = JSON
        body = None if content is None else compact(content)
        return self._exchange(Request("POST", path, headers=headers, body=body, repeatable=repeatable))

    def _exchange(self, request: Request) -> Steps[Answer]:
        return exchange(request, self.patience)


def compact(content: Mapping[str, object]) -> bytes:
    """Write JSON, the same bytes for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def checked_id(identifier: str) -> str:
    """Return an identifier that can stand in a path as it is.

    Raises:
        BadArgument: where it cannot be one of the hub's.
    """
    if not _ID.fullmatch(identifier):
        raise BadArgument(
            f"{identifier[:80]!r} cannot be an id of the hub's.", action="Copy the id from a list or a receipt."
        )
    return identifier


def _query(params: Mapping[str, str | int | bool | None]) -> dict[str, str]:
    written = {True: "true", False: "false"}
    return {
        name: written[value] if isinstance(value, bool) else str(value)
        for name, value in params.items()
        if value is not None
    }
