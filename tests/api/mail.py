"""A reporter, recipients, and what passes between them."""

from typing import Any
from uuid import uuid4

import httpx
import polars as pl

from hub.frames import from_arrow
from hub.vocabulary import CapacityKind
from tests.support.instance import Instance, Party, attack, csv_of

BOBS = ["60.1.2.3", "60.1.2.4", "2400:1234::7"]
ARROW = "application/vnd.apache.arrow.stream"


def members_of(instance: Instance) -> dict[str, Party]:
    """Add a reporter, two recipients, and the first one's delegate."""
    instance.prefixes({"60.1.0.0/16": 64500, "2400:1234::/32": 64500, "106.5.0.0/16": 64501})
    bob = instance.party("Bob Cable", systems=[64500])
    return {
        "alice": instance.party("Alice Net"),
        "bob": bob,
        "carol": instance.party("Carol Telecom", systems=[64501]),
        "dora": instance.party("Dora Security", CapacityKind.DELEGATE, operator=bob),
    }


def deliver(
    instance: Instance, alice: Party, sources: list[str] | None = None, *, seal_only: bool = False, **envelope: Any
) -> str:
    """Push a report of its own and process it; returns its id."""
    answer = instance.push(alice, csv_of(sources or BOBS), {**attack(), "mandate": f"m-{uuid4()}", **envelope})
    assert answer.status_code == 202, answer.text
    if not seal_only:
        assert instance.work() == 1
    report_id: str = answer.json()["report_id"]
    return report_id


def newest(instance: Instance, party: Party) -> str:
    """Return the path of a party's newest parcel."""
    return f"/v1/inbox/{instance.inbox(party)[-1]['parcel_id']}"


def get(instance: Instance, party: Party, path: str, **headers: str) -> httpx.Response:
    """Ask as a party."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return instance.client.get(path, headers={**party.headers, **given})


def answer(instance: Instance, party: Party, path: str, outcomes: list[dict[str, Any]], key: str) -> httpx.Response:
    """Report outcomes as a party."""
    headers = {**party.headers, "Idempotency-Key": key}
    return instance.client.post(f"{path}/outcomes", json={"outcomes": outcomes}, headers=headers)


def read_all(url: str, party: Party, path: str) -> tuple[dict[str, Any], list[dict[str, Any]], str, pl.DataFrame]:
    """Read a parcel's description and its records in all forms."""
    with httpx.Client(base_url=url, headers=party.headers, trust_env=False) as client:
        return (
            client.get(path).json(),
            client.get(f"{path}/records").json()["records"],
            client.get(f"{path}/records", headers={"Accept": "text/csv"}).text,
            from_arrow(client.get(f"{path}/records", headers={"Accept": ARROW}).content),
        )
