from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import sharing_policies
from hub.errors import BadEnvelope, BadInput, BadRecords
from hub.records import Bucket
from hub.retention.policy import CEILINGS, RetentionPolicy
from hub.vocabulary import DataClass, Purpose

SHIPPED = sharing_policies.directory() / "retention.toml"
EVENT = datetime(2025, 12, 4, 9, 41, 17, 250_000, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def policy() -> RetentionPolicy:
    """Load the policy that is shipped."""
    return RetentionPolicy.load(SHIPPED)


class TestShipped:
    def test_caps_what_the_design_caps(self, policy: RetentionPolicy) -> None:
        """Intake lives at most 24 h, held reports 72 h, drills 24 h, short drills 30 s by the second."""
        maximum = {each: policy.rules[each].maximum for each in DataClass}

        assert maximum[DataClass.INTAKE] == timedelta(hours=24)
        assert maximum[DataClass.HELD] == timedelta(hours=72)
        assert maximum[DataClass.DRILL] == timedelta(hours=24)
        assert maximum[DataClass.DRILL_SHORT] == timedelta(seconds=30)
        assert policy.rules[DataClass.DRILL_SHORT].granularity == timedelta(seconds=1)

    def test_no_limit_passes_its_maximum(self, policy: RetentionPolicy) -> None:
        """Every purpose of every class stays within the maximum."""
        for rule in policy.rules.values():
            assert all(limit <= rule.maximum for limit in rule.limits.values())

    def test_every_member_class_serves_a_purpose(self, policy: RetentionPolicy) -> None:
        """Members' classes have limits; the hub's own have none, because no member may choose them."""
        without = {each for each in DataClass if not policy.rules[each].limits}

        assert without == {DataClass.INTAKE, DataClass.HELD}

    def test_drills_and_the_real_thing_do_not_mix(self, policy: RetentionPolicy) -> None:
        """A drill class serves drills only, and no other class serves them."""
        for each in DataClass:
            drill = each in {DataClass.DRILL, DataClass.DRILL_SHORT}
            assert all((purpose is Purpose.DRILL) == drill for purpose in policy.rules[each].limits)


class TestDeadline:
    def test_runs_from_the_earliest_event_down_to_the_hour(self, policy: RetentionPolicy) -> None:
        """A deadline is the earliest event plus the limit, rounded down to the hour."""
        deadline = policy.deadline_of(DataClass.ATTACK_TRAFFIC, Purpose.ATTACK_RESPONSE, EVENT)

        assert deadline == datetime(2025, 12, 18, 9, 0, tzinfo=UTC)

    def test_short_drills_count_seconds(self, policy: RetentionPolicy) -> None:
        """A short drill dies 30 s after its earliest event, rounded down to the second."""
        deadline = policy.deadline_of(DataClass.DRILL_SHORT, Purpose.DRILL, EVENT)

        assert deadline == EVENT.replace(microsecond=0) + timedelta(seconds=30)

    def test_never_later_than_the_limit(self, policy: RetentionPolicy) -> None:
        """Whatever the minute of the event, nothing lives longer than its limit."""
        limit = policy.limit_of(DataClass.INFECTED_HOST, Purpose.SUBSCRIBER_NOTICE)
        for minute in range(0, 120, 7):
            event = EVENT + timedelta(minutes=minute)
            deadline = policy.deadline_of(DataClass.INFECTED_HOST, Purpose.SUBSCRIBER_NOTICE, event)
            assert limit - HOUR < deadline - event <= limit

    @pytest.mark.parametrize(
        ("data_class", "purpose"),
        [
            (DataClass.INFECTED_HOST, Purpose.ATTACK_RESPONSE),
            (DataClass.DRILL, Purpose.SUBSCRIBER_NOTICE),
            (DataClass.ATTACK_TRAFFIC, Purpose.DRILL),
            (DataClass.INTAKE, Purpose.ATTACK_RESPONSE),
            (DataClass.HELD, Purpose.DRILL),
        ],
    )
    def test_purpose_not_listed_is_refused(
        self, policy: RetentionPolicy, data_class: DataClass, purpose: Purpose
    ) -> None:
        """A class serves the purposes listed for it and no other; the hub's own classes serve nobody's."""
        with pytest.raises(BadEnvelope, match="may not serve the purpose"):
            policy.deadline_of(data_class, purpose, EVENT)


class TestTimeLeft:
    def test_refuses_what_is_past(self, policy: RetentionPolicy) -> None:
        """Data as good as past their deadline on arrival are refused with what to do; nothing of them is repeated."""
        of = (DataClass.DRILL_SHORT, Purpose.DRILL)
        event = EVENT.replace(microsecond=0)
        assert policy.deadline_ahead(*of, event, event + timedelta(seconds=25)) == event + timedelta(seconds=30)

        with pytest.raises(BadRecords, match="too old") as refusal:
            policy.deadline_ahead(*of, event, event + timedelta(seconds=26))
        assert "Leave out the older records" in (refusal.value.action or "")
        assert refusal.value.got is None

    def test_says_from_when_records_would_do(self, policy: RetentionPolicy) -> None:
        """A refusal names the earliest event and limit, and the time from which records would be taken is exact."""
        of = (DataClass.ATTACK_TRAFFIC, Purpose.ATTACK_RESPONSE)
        now = EVENT + timedelta(days=20)

        with pytest.raises(BadRecords, match=r"earliest event is of 2025-12-04 09:41:17 UTC.*live 14 days") as refusal:
            policy.deadline_ahead(*of, EVENT, now)
        said = (refusal.value.expected or "").split(" at ")[1].split(" UTC")[0]
        kept_from = datetime.strptime(said, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        assert policy.deadline_ahead(*of, kept_from, now) > now
        with pytest.raises(BadRecords):
            policy.deadline_ahead(*of, kept_from - timedelta(microseconds=1), now)

    @pytest.mark.parametrize("now", [EVENT.replace(minute=0, second=0, microsecond=0), EVENT.replace(minute=59)])
    def test_that_time_is_exact_at_the_edge_of_an_hour_too(self, policy: RetentionPolicy, now: datetime) -> None:
        """On the hour and just before it, the time named is still the first that is taken."""
        of = (DataClass.DRILL, Purpose.DRILL)
        with pytest.raises(BadRecords) as refusal:
            policy.deadline_ahead(*of, now - timedelta(days=2), now)
        said = (refusal.value.expected or "").split(" at ")[1].split(" UTC")[0]
        kept_from = datetime.strptime(said, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)

        assert policy.deadline_ahead(*of, kept_from, now) - now >= policy.minimum_left
        with pytest.raises(BadRecords):
            policy.deadline_ahead(*of, kept_from - timedelta(microseconds=1), now)


class TestWaiting:
    def test_intake_waits_a_day_at_most(self, policy: RetentionPolicy) -> None:
        """Between receipt and release a report lives 24 h, rounded down to the hour."""
        bucket = policy.intake_bucket(EVENT, EVENT + timedelta(days=30))

        assert bucket == Bucket(DataClass.INTAKE, datetime(2025, 12, 5, 9, 0, tzinfo=UTC))

    def test_held_waits_three_days_at_most(self, policy: RetentionPolicy) -> None:
        """A held report lives 72 h from receipt, rounded down to the hour."""
        bucket = policy.held_bucket(EVENT, EVENT + timedelta(days=30))

        assert bucket == Bucket(DataClass.HELD, datetime(2025, 12, 7, 9, 0, tzinfo=UTC))

    def test_never_past_the_reports_own_deadline(self, policy: RetentionPolicy) -> None:
        """Waiting does not lengthen a life: an earlier deadline of the report wins."""
        soon = EVENT.replace(microsecond=0) + timedelta(seconds=20)

        assert policy.intake_bucket(EVENT, soon) == Bucket(DataClass.INTAKE, soon)
        assert policy.held_bucket(EVENT, soon) == Bucket(DataClass.HELD, soon)


class TestLoad:
    def _changed(self, tmp_path: Path, old: str, new: str) -> Path:
        text = SHIPPED.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "retention.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    @pytest.mark.parametrize(
        ("old", "new", "where"),
        [
            ('attack-response = "14 d"', 'attack-response = "31 d"', "attack-traffic.limits.attack-response"),
            ('attack-response = "14 d"', 'attack-respond = "14 d"', "attack-traffic.limits.attack-respond"),
            ('attack-response = "14 d"', 'drill = "14 d"', "attack-traffic.limits.drill"),
            ('attack-response = "14 d"', "attack-response = 14", "attack-traffic.limits.attack-response"),
            ('attack-response = "14 d"', 'attack-response = "2 weeks"', "attack-traffic.limits.attack-response"),
            ('attack-response = "14 d"', 'attack-response = "1 h"', "attack-traffic.limits.attack-response"),
            ('attack-response = "14 d"', 'attack-response = "0 d"', "attack-traffic.limits.attack-response"),
            (
                'maximum = "24 h"\ngranularity = "1 h"\n\n# The',
                'maximum = "25 h"\ngranularity = "1 h"\n\n# The',
                "intake.maximum",
            ),
            ('maximum = "72 h"', 'maximum = "4 d"', "held.maximum"),
            ('maximum = "72 h"', 'maximum = "72 h"\nlimit = "72 h"', "held.limit"),
            ('maximum = "72 h"', 'maximum = "72 h"\nlimits.drill = "1 h"', "held.limits"),
            ('granularity = "1 h"', 'granularity = "1 d"', "attack-traffic.granularity"),
            ('granularity = "1 h"', "", "attack-traffic.granularity"),
            ('minimum_left = "5 s"', "", "minimum_left"),
            ('minimum_left = "5 s"', 'minimum_left = "5 s"\nextend = "1 d"', "extend"),
            ("[infected-host]", "[infected-hosts]", "infected-hosts"),
            ("[infected-host]", "[infected-hosts]", "infected-host.maximum"),
            ('[held]\nmaximum = "72 h"\ngranularity = "1 h"', "", "held"),
            ("[drill.limits]", "[drill.limit]", "drill.limits"),
        ],
    )
    def test_what_is_wrong_stops_the_start(self, tmp_path: Path, old: str, new: str, where: str) -> None:
        """A limit above the maximum, a maximum above the ceiling, an unknown or missing key: refused by its name."""
        with pytest.raises(BadInput) as refusal:
            RetentionPolicy.load(self._changed(tmp_path, old, new))
        assert where in {fault.where for fault in refusal.value.faults}
        assert where in refusal.value.message

    def test_all_faults_at_once(self, tmp_path: Path) -> None:
        """An operator sees everything that is wrong in one go."""
        path = self._changed(tmp_path, 'maximum = "72 h"', 'maximum = "4 d"')
        path.write_text(path.read_text().replace('"14 d"', '"31 d"'))

        with pytest.raises(BadInput) as refusal:
            RetentionPolicy.load(path)
        assert len(refusal.value.faults) == 2

    @pytest.mark.parametrize("content", [b"", b"[attack-traffic\n", b"\xff\xfe"])
    def test_no_policy_no_start(self, tmp_path: Path, content: bytes) -> None:
        """An empty or broken file is refused; there are no limits by default."""
        (tmp_path / "retention.toml").write_bytes(content)

        with pytest.raises(BadInput):
            RetentionPolicy.load(tmp_path / "retention.toml")

    def test_missing_file(self, tmp_path: Path) -> None:
        """A missing file is refused."""
        with pytest.raises(BadInput, match="No such file"):
            RetentionPolicy.load(tmp_path / "retention.toml")

    def test_a_shorter_policy_is_taken(self, tmp_path: Path) -> None:
        """Less is always allowed."""
        policy = RetentionPolicy.load(self._changed(tmp_path, 'response = "14 d"', 'response = "1 d"'))

        assert policy.limit_of(DataClass.ATTACK_TRAFFIC, Purpose.ATTACK_RESPONSE) == timedelta(days=1)

    def test_ceilings_cannot_be_changed_at_run_time(self) -> None:
        """What no policy may exceed, no program may either."""
        with pytest.raises(TypeError):
            CEILINGS[DataClass.INTAKE] = timedelta(days=2)  # type: ignore[index]  # the fault tested here
