"""What was granted at sealing and is still allowed today is shown; nothing else is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

import sharing_policies
from api.app import create_app
from hub.settings import PolicySettings
from hub.vocabulary import Field, Standing
from hub.wiring import Hub
from tests.api.mail import BOBS, deliver, get, newest, read_all
from tests.support.instance import Instance, Party, serving


class TestShownToday:
    """What is shown is what was granted at sealing and is still allowed today."""

    def test_explanation(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Each field is explained in both languages, by the policy that decided it."""
        deliver(instance, cast["alice"])
        detail = get(instance, cast["bob"], newest(instance, cast["bob"])).json()
        explained = {reason["field"]: reason for reason in detail["explanation"]}

        assert set(explained) == {field.value for field in Field}
        assert {name for name, reason in explained.items() if reason["granted"]} == set(detail["fields"])
        assert explained["source_address"]["policy"] == "operator-finds-attacking-subscriber"
        assert "subscriber" in explained["source_address"]["reason"]
        assert "加入者" in explained["source_address"]["reason_ja"]
        assert not explained["reporter"]["granted"]
        assert all(reason["reason"] and reason["reason_ja"] for reason in explained.values())
        assert len(detail["policy_hash"]) == 64

    def test_a_narrower_policy_works_at_once(self, instance: Instance, cast: dict[str, Party], tmp_path: Path) -> None:
        """Under narrower rules, parcels sealed before show less: in the description and in every form."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        before = get(instance, cast["bob"], f"{path}/records").json()["records"][0]
        with under(instance, tmp_path, NO_PORTS) as url:
            detail, rows, table, arrow = read_all(url, cast["bob"], path)

        assert {"src_port", "dst_port", "packets", "bytes"} <= set(before)
        gone = {"src_port", "dst_port", "packets", "bytes"}
        for shown in (rows[0], dict.fromkeys(table.splitlines()[0].split(",")), dict.fromkeys(arrow.columns)):
            assert set(shown) == set(before) - gone
        assert not {"source_port", "destination_port", "volumes"} & set(detail["fields"])
        assert "40000" not in table
        assert len(rows) == len(BOBS)

    def test_the_explanation_is_of_today(self, instance: Instance, cast: dict[str, Party], tmp_path: Path) -> None:
        """A field that today's rules withhold is not explained as granted."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        with under(instance, tmp_path, NO_PORTS) as url:
            detail, *_ = read_all(url, cast["bob"], path)

        granted = {reason["field"] for reason in detail["explanation"] if reason["granted"]}
        assert granted == set(detail["fields"])

    def test_a_wider_policy_opens_nothing_sealed_before(
        self, instance: Instance, cast: dict[str, Party], tmp_path: Path
    ) -> None:
        """What was not granted at sealing stays withheld whatever the rules say later."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        with under(instance, tmp_path, EVERYTHING) as url:
            detail, rows, *_ = read_all(url, cast["bob"], path)

        assert not {"reporter", "destination_address"} & set(detail["fields"])
        assert "dst_ip" not in rows[0]

    def test_no_policy_no_secret(self, instance: Instance, cast: dict[str, Party], tmp_path: Path) -> None:
        """Where today's rules forbid the source address, there is nothing to read."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        with under(instance, tmp_path, NOTHING) as url:
            read = httpx.get(f"{url}{path}/records", headers=cast["bob"].headers, trust_env=False)

        assert read.status_code == 404
        assert "60.1.2.3" not in read.text

    def test_agreements_that_ended(self, instance: Instance, cast: dict[str, Party]) -> None:
        """Without agreements in force a parcel shows nothing, though it was granted; nor does it to the delegate."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        with instance.database.connect() as connection:
            connection.execute(
                "UPDATE agreements SET ended_at = %s WHERE member_id = %s",
                (instance.clock.now(), cast["bob"].member_id),
            )
        for name in ("bob", "dora"):
            assert get(instance, cast[name], f"{path}/records").status_code == 404
            assert get(instance, cast[name], path).status_code == 404
            assert get(instance, cast[name], "/v1/inbox").json()["parcels"] == []

    def test_the_operators_suspension_is_its_delegates(self, instance: Instance, cast: dict[str, Party]) -> None:
        """A delegate reads nothing while its operator is suspended."""
        deliver(instance, cast["alice"])
        path = newest(instance, cast["bob"])
        instance.standing(cast["bob"], Standing.SUSPENDED)

        assert get(instance, cast["dora"], f"{path}/records").status_code == 404


NO_PORTS = """
@id("no-ports")
@reason("Ports and volumes are withheld for this test.")
@reason_ja("この試験ではポート番号と通信量を提供しません。")
forbid (
    principal,
    action in [Action::"source_port", Action::"destination_port", Action::"volumes"],
    resource
);
"""
NOTHING = """
@id("nothing-at-all")
@reason("Nothing is told to anybody in this test.")
@reason_ja("この試験では何も提供しません。")
forbid (principal, action, resource);
"""
EVERYTHING = """
@id("everything-to-everybody")
@reason("Everything is told in this test.")
@reason_ja("この試験ではすべてを提供します。")
permit (principal, action, resource);
"""


@contextmanager
def under(instance: Instance, directory: Path, rule: str) -> Iterator[str]:
    """Serve the same hub under our rules and one more."""
    policies = directory / "policies"
    shutil.copytree(sharing_policies.directory(), policies, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    (policies / "one_more.cedar").write_text(rule)
    settings = instance.settings.model_copy(update={"policies": PolicySettings(directory=policies)})
    with serving(create_app(Hub.of(settings, instance.hub.store, instance.clock))) as url:
        yield url
