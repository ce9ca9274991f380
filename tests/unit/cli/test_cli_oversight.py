from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.instance import Instance, csv_of
from tests.unit.cli.running import Kessetsu


@pytest.fixture
def delivered(instance: Instance) -> Instance:
    """Give a hub that has delivered two records."""
    instance.prefixes({"5.6.7.0/24": 64500})
    instance.party("Holder Net", systems=[64500])
    instance.push(instance.party("Reporter Net"), csv_of(["5.6.7.1", "5.6.7.2"]))
    instance.work()
    return instance


class TestRetention:
    @pytest.mark.usefixtures("delivered")
    def test_what_dies_when(self, kessetsu: Kessetsu) -> None:
        """Parcels and records are counted by class and deadline, with whether their key is there."""
        rows = kessetsu("retention", "preview", "--json").document

        parcels = [row for row in rows if row["parcels"]]
        assert [
            (row["data_class"], row["parcels"], row["records"], row["key_lives"], row["due"]) for row in parcels
        ] == [("attack-traffic", 1, 2, True, False)]

    def test_certificates_of_what_died(self, kessetsu: Kessetsu, delivered: Instance) -> None:
        """After the deadline nothing is due any more, and the certificate says when key and rows went."""
        delivered.clock.advance(timedelta(days=400))
        assert any(row["due"] for row in kessetsu("retention", "preview", "--json").document)
        delivered.erase()

        assert kessetsu("retention", "preview").out == "Nothing is kept.\n"
        found = kessetsu("retention", "certificates", "--json").document
        whole = [one for one in found if one["data_class"] == "attack-traffic"]
        assert [(one["parcels"], one["records"]) for one in whole] == [(1, 2)]
        assert whole[0]["key_destroyed_at"] <= whole[0]["rows_dropped_at"]
        assert whole[0]["statement"]["certificate_id"] == whole[0]["id"]
        assert len(kessetsu("retention", "certificates", "--limit", "1", "--json").document) == 1


class TestAuditVerify:
    def test_a_whole_log(self, kessetsu: Kessetsu, delivered: Instance) -> None:
        """Every entry and checkpoint is counted; well ends with 0."""
        delivered.number_log()

        ran = kessetsu("audit", "verify", "--json")

        assert ran.code == 0
        assert (ran.document["well"], ran.document["faults"]) == (True, [])
        assert ran.document["entries"] > 0
        assert ran.document["checkpoints"] == 1
        assert "The log is whole." in kessetsu("audit", "verify").out

    @pytest.mark.parametrize(
        "tampering",
        [
            "UPDATE audit_entries SET body = replace(encode(body, 'escape'), 'released', 'recalled')::bytea",
            "DELETE FROM audit_leaves WHERE leaf = 0",
            "UPDATE audit_checkpoints SET root = sha256('x')",
            "UPDATE audit_checkpoints SET note = replace(note, 'kessetsu', 'another')",
        ],
    )
    def test_a_log_somebody_changed(self, kessetsu: Kessetsu, delivered: Instance, tampering: str) -> None:
        """A changed entry, a missing number, another root or signature is found, and the exit code says so."""
        delivered.number_log()
        with delivered.database.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(tampering)

        ran = kessetsu("audit", "verify")

        assert ran.code == 3
        assert ran.out.startswith("- ")
        assert "call the officer" in ran.err

    def test_a_checkpoint_kept_elsewhere(self, kessetsu: Kessetsu, delivered: Instance, tmp_path: Path) -> None:
        """A log that was written anew does not cover the checkpoint somebody kept."""
        delivered.number_log()
        with delivered.database.connect() as connection:
            (note,) = connection.execute("SELECT note FROM audit_checkpoints").fetchone() or ("",)
        (tmp_path / "kept.txt").write_text(note, encoding="utf-8")
        assert kessetsu("audit", "verify", "--checkpoint", tmp_path / "kept.txt").code == 0
        with delivered.database.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("DELETE FROM audit_checkpoints")
            connection.execute("DELETE FROM audit_leaves")

        assert kessetsu("audit", "verify").code == 0
        assert kessetsu("audit", "verify", "--checkpoint", tmp_path / "kept.txt").code == 3


class TestStatus:
    def test_counts_what_waits(self, kessetsu: Kessetsu, delivered: Instance) -> None:
        """Without a worker it is not well, and the counts are those of the database."""
        delivered.number_log()

        ran = kessetsu("status", "--json")

        facts = ran.document
        assert ran.code == 3
        assert (facts["database"], facts["schema"], facts["keys"], facts["worker"]) == (
            "ok", "ok", "ok", "unavailable",
        )  # fmt: skip
        assert (facts["reports"], facts["parcels_unacknowledged"]) == ({"released": 1}, 1)
        assert (facts["log_entries_unnumbered"], facts["erasures_due"]) == (0, 0)
        assert facts["checkpoint_size"] > 0

    def test_a_worker_that_lives(self, kessetsu: Kessetsu, delivered: Instance) -> None:
        """A sign of life lately is a worker."""
        with delivered.database.connect() as connection:
            connection.execute("INSERT INTO jobs.procrastinate_workers DEFAULT VALUES")

        ran = kessetsu("status", "--json")

        assert (ran.code, ran.document["worker"], ran.document["well"]) == (0, "ok", True)

    def test_what_is_late(self, kessetsu: Kessetsu, delivered: Instance) -> None:
        """Parcels past their deadline and keys to destroy are counted."""
        delivered.clock.advance(timedelta(days=400))

        facts = kessetsu("status", "--json").document

        assert facts["erasures_late"] == 1
        assert facts["erasures_due"] >= 1
        assert facts["well"] is False

    def test_a_key_store_that_is_not_there(self, kessetsu: Kessetsu, instance: Instance) -> None:
        """A volume that is not mounted shows as what it is."""
        instance.settings.keys.store.rename(instance.home / "elsewhere")

        assert kessetsu("status", "--json").document["keys"] == "unavailable"

    def test_a_database_that_is_not_there(self, kessetsu: Kessetsu, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a database the rest is still told."""
        monkeypatch.setenv("KESSETSU_DATABASE__NAME", "nowhere")

        ran = kessetsu("status", "--json")

        assert ran.code == 3
        assert (ran.document["database"], ran.document["keys"]) == ("unavailable", "ok")
        assert kessetsu("member", "list").code == 3
