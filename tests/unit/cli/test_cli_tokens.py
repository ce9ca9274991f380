import stat
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from hub.errors import NotAuthenticated
from hub.vocabulary import CapacityKind, Scope, Standing
from tests.support.instance import Instance
from tests.unit.cli.running import Kessetsu, log_of


def issued(kessetsu: Kessetsu, *more: object) -> dict[str, str]:
    """Issue a token onto the terminal."""
    ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--show", "--json", *more)
    assert ran.code == 0, ran.err
    facts: dict[str, str] = ran.document
    return facts


class TestIssue:
    def test_into_a_private_file(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """The file alone has the token, readable by its owner only; terminal and log have its id."""
        party = instance.party("Example Net")
        out = tmp_path / "example.token"

        ran = kessetsu(
            "token", "issue", "Example Net", "--capacity", "carrier", "--scope", "push", "--scope", "inbox",
            "--expires-in", "90d", "--label", "SOC gateway", "--out", out,
        )  # fmt: skip

        token = out.read_text().strip()
        caller = instance.hub.authenticate(token)
        assert (caller.member_id, caller.scopes) == (party.member_id, frozenset({Scope.PUSH, Scope.INBOX}))
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        assert token not in ran.out + ran.err
        act, subjects = log_of(instance)[-1]
        assert (act, subjects["credential"]) == ("token-issued", str(caller.credential_id))
        assert token not in str(log_of(instance))

    def test_shown_once(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """With --show standard output is the token and nothing else."""
        instance.party("Example Net")

        ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--show")

        assert instance.hub.authenticate(ran.out.strip()).scopes == {Scope.INBOX}
        assert "in force until" in ran.err

    def test_file_that_is_there(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """A token replaces no file, and none is issued that nobody has."""
        instance.party("Example Net")
        out = tmp_path / "there"
        out.write_text("something")

        ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--out", out)

        assert (ran.code, out.read_text()) == (1, "something")
        assert len(kessetsu("token", "list", "Example Net", "--json").document) == 1

    def test_no_token_no_file(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """Where issuing is refused, no empty file is left."""
        party = instance.party("Example Net")
        instance.standing(party, Standing.SUSPENDED)

        ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--out", tmp_path / "t")

        assert ran.code == 1
        assert "kessetsu member reinstate" in ran.err
        assert not (tmp_path / "t").exists()

    def test_directory_that_is_not_there(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """A path nobody can write to is said plainly, and nothing is issued."""
        instance.party("Example Net")

        ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--out", tmp_path / "a/b")

        assert ran.code == 1
        assert len(kessetsu("token", "list", "Example Net", "--json").document) == 1

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            (["--show", "--out", "t"], 2),
            ([], 2),
            (["--show", "--expires-in", "401d"], 1),
            (["--show", "--expires-in", "forever"], 2),
            (["--show", "--expires-in", "0d"], 2),
            (["--show", "--scope", "everything"], 2),
            (["--show", "--capacity", "maker"], 1),
        ],
    )
    def test_what_makes_no_sense(self, kessetsu: Kessetsu, instance: Instance, given: list[str], code: int) -> None:
        """One place for the token, a life within bounds, a capacity the member has."""
        instance.party("Example Net")

        assert kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", *given).code == code

    def test_several_capacities(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """Where a member acts in several roles, one must be named; the choice is listed."""
        party = instance.party("Example Net")
        kessetsu("member", "capacity", "add", "Example Net", "vendor")

        ran = kessetsu("token", "issue", "Example Net", "--scope", "inbox", "--label", "x", "--show", "--json")

        assert ran.code == 1
        assert str(party.capacity_id) in ran.error["expected"]
        assert instance.hub.authenticate(issued(kessetsu, "--capacity", "vendor")["token"]).kind is CapacityKind.VENDOR


class TestRotate:
    def test_both_work_for_a_while(self, kessetsu: Kessetsu, instance: Instance, tmp_path: Path) -> None:
        """The successor works at once; the old token ends with the overlap."""
        instance.party("Example Net")
        old = issued(kessetsu)
        out = tmp_path / "new.token"

        assert kessetsu("token", "rotate", old["id"], "--overlap", "1h", "--out", out).code == 0

        new = out.read_text().strip()
        assert instance.hub.authenticate(old["token"]).scopes == instance.hub.authenticate(new).scopes
        instance.clock.advance(timedelta(hours=1))
        with pytest.raises(NotAuthenticated):
            instance.hub.authenticate(old["token"])
        assert instance.hub.authenticate(new).scopes == {Scope.INBOX}
        assert log_of(instance)[-1][0] == "token-rotated"

    @pytest.mark.parametrize("how", ["revoked", "expired", "unknown"])
    def test_what_is_not_in_force(self, kessetsu: Kessetsu, instance: Instance, how: str) -> None:
        """A dead token has no successor."""
        instance.party("Example Net")
        old = issued(kessetsu, "--expires-in", "1h")
        if how == "revoked":
            kessetsu("token", "revoke", old["id"])
        if how == "expired":
            instance.clock.advance(timedelta(hours=1))

        assert kessetsu("token", "rotate", uuid4() if how == "unknown" else old["id"], "--show").code == 1


class TestRevoke:
    def test_ends_now(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A revoked token opens nothing from then on; a second time there is nothing to revoke."""
        instance.party("Example Net")
        token = issued(kessetsu)

        assert kessetsu("token", "revoke", token["id"]).code == 0

        with pytest.raises(NotAuthenticated):
            instance.hub.authenticate(token["token"])
        assert kessetsu("token", "revoke", token["id"]).code == 1
        assert log_of(instance)[-1][1]["credential"] == token["id"]


def test_list_knows_no_token(kessetsu: Kessetsu, instance: Instance) -> None:
    """The list shows what a token may do and until when, never its text."""
    instance.party("Example Net")
    instance.clock.advance(timedelta(seconds=1))
    token = issued(kessetsu)

    listed = kessetsu("token", "list", "Example Net", "--json")

    assert token["token"] not in listed.out
    newest = listed.document[0]
    assert (newest["id"], newest["label"], newest["scopes"], newest["in_force"]) == (token["id"], "x", ["inbox"], True)
