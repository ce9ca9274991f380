from datetime import UTC, datetime

import orjson
import pytest

from hub.errors import BadEnvelope, TooLarge
from hub.intake.envelope import canonical_envelope, envelope_from_canonical, public_envelope, read_envelope
from hub.intake.vectors import VECTORS
from hub.vocabulary import DataClass, LegalBasis, Purpose, ReportKind, RequestedAction, Severity
from tests.unit.intake.building import ATTACK, INFECTED, VULNERABLE, envelope, members

EXAMPLES = pytest.mark.parametrize("base", [ATTACK, INFECTED, VULNERABLE], ids=["attack", "infected", "vulnerable"])


def refusal(raw: bytes | dict[str, object]) -> BadEnvelope:
    """Return the refusal of an envelope."""
    with pytest.raises(BadEnvelope) as caught:
        read_envelope(raw if isinstance(raw, bytes) else orjson.dumps(raw))
    return caught.value


def faults(base: dict[str, object], **changes: object) -> set[tuple[str, str]]:
    """Return place and code of every fault of a changed envelope."""
    return {(fault.where, fault.code) for fault in refusal(members(base, **changes)).faults}


class TestGood:
    """What is complete and fits together is taken."""

    def test_attack(self) -> None:
        """An attack has a target, a time, vectors and a request."""
        read = envelope(
            ATTACK, target="2001:DB8:0::1", vectors=["udp-flood", "scan", "scan"], severity="ongoing-attack"
        )

        assert read.kind is ReportKind.ATTACK
        assert read.legal_basis is LegalBasis.NECESSITY
        assert read.target == "2001:db8::1"
        assert read.vectors == ("scan", "udp-flood")
        assert read.start == datetime(2026, 3, 1, 10, tzinfo=UTC)
        assert read.requested_action is RequestedAction.BLOCK
        assert read.severity is Severity.ONGOING_ATTACK
        assert not read.reject_report
        assert not read.drill

    @pytest.mark.parametrize("base", [INFECTED, members(INFECTED, kind="likely-infected"), VULNERABLE])
    def test_peacetime(self, base: dict[str, object]) -> None:
        """Infected and vulnerable devices are reported without target or running attack; a warning is asked."""
        read = envelope(base)

        assert read.target is None
        assert read.start is None
        assert read.vectors == ()
        assert read.requested_action is RequestedAction.WARN
        assert read.severity is Severity.NORMAL

    @EXAMPLES
    @pytest.mark.parametrize("data_class", ["drill", "drill-short"])
    def test_drill(self, base: dict[str, object], data_class: str) -> None:
        """Every kind can be practised."""
        read = envelope(base, purpose="drill", data_class=data_class, legal_basis="consent-terms", consent="C-1")

        assert read.drill

    @pytest.mark.parametrize(
        ("target", "canonical"),
        [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:DB8::/32", "2001:db8::/32"),
        ],
    )
    def test_target(self, target: str, canonical: str) -> None:
        """A target is an address or a prefix, kept in canonical text."""
        assert envelope(target=target).target == canonical

    def test_options(self) -> None:
        """Zone, epoch columns and what to do with bad rows are read."""
        read = envelope(time_zone="Asia/Tokyo", epoch_columns=["last_seen", "first_seen"], on_error="reject-report")

        assert read.time_zone == "Asia/Tokyo"
        assert read.epoch_columns == {"first_seen", "last_seen"}
        assert read.reject_report

    def test_null_is_absent(self) -> None:
        """A member that is null counts as absent."""
        assert read_envelope(orjson.dumps({**ATTACK, "consent": None, "severity": None})) == envelope()

    @pytest.mark.parametrize("start", ["2026-03-01T19:00:00+09:00", "2026-03-01t10:00:00.0000009z"])
    def test_times(self, start: str) -> None:
        """Times may carry any offset, lower-case letters and more digits than are kept."""
        assert envelope(start=start).start == datetime(2026, 3, 1, 10, tzinfo=UTC)

    def test_repr_hides_the_target(self) -> None:
        """Printing an envelope shows no address."""
        assert "198.51.100.7" not in repr(envelope())


class TestIncomplete:
    """No purpose, no data: what is missing is named."""

    @pytest.mark.parametrize("name", ["kind", "legal_basis", "purpose", "data_class", "mandate"])
    @EXAMPLES
    def test_always(self, base: dict[str, object], name: str) -> None:
        """Kind, basis, purpose, class and mandate are never guessed."""
        assert faults(base, **{name: None}) == {(f"/{name}", "missing")}

    @pytest.mark.parametrize("name", ["target", "start", "end", "vectors", "requested_action"])
    def test_attack(self, name: str) -> None:
        """An attack needs target, start, end, vectors and a request."""
        assert faults(ATTACK, **{name: None}) == {(f"/{name}", "missing")}

    @pytest.mark.parametrize("kind", ["infected", "likely-infected"])
    @pytest.mark.parametrize("name", ["malware_family", "detection"])
    def test_infected(self, kind: str, name: str) -> None:
        """An infection needs its family and how it was detected."""
        assert faults(members(INFECTED, kind=kind), **{name: None}) == {(f"/{name}", "missing")}

    def test_vulnerable(self) -> None:
        """A vulnerable device needs the vulnerability."""
        assert faults(VULNERABLE, vulnerability=None) == {("/vulnerability", "missing")}

    def test_no_vector(self) -> None:
        """An empty list of vectors is none."""
        assert faults(ATTACK, vectors=[]) == {("/vectors", "missing")}

    @pytest.mark.parametrize("basis", ["consent-individual", "consent-terms"])
    def test_consent(self, basis: str) -> None:
        """A basis of consent needs the consent's reference."""
        assert faults(ATTACK, legal_basis=basis) == {("/consent", "missing")}

    def test_all_at_once(self) -> None:
        """Everything wrong is told in one answer, each with what was expected."""
        error = refusal({"kind": "attack", "legal_basis": "because", "target": 5, "epoch_columns": "first_seen"})

        assert {fault.where for fault in error.faults} == {
            "/legal_basis",
            "/purpose",
            "/data_class",
            "/mandate",
            "/requested_action",
            "/vectors",
            "/target",
            "/start",
            "/end",
            "/epoch_columns",
        }
        assert all(fault.expected for fault in error.faults)
        assert error.action

    def test_a_bad_kind_is_one_fault(self) -> None:
        """What rests on an unreadable member is not told as a fault of its own."""
        assert faults(INFECTED, kind="infectious") == {("/kind", "unknown-value")}


class TestContradictory:
    """What does not fit together is refused with the reason."""

    @pytest.mark.parametrize("basis", ["self-defence", "necessity"])
    @pytest.mark.parametrize("purpose", ["subscriber-notice", "device-remediation"])
    def test_danger_only(self, basis: str, purpose: str) -> None:
        """Self-defence and necessity excuse only the answer to an attack."""
        error = refusal(members(ATTACK, legal_basis=basis, purpose=purpose))

        assert [fault.where for fault in error.faults] == ["/purpose"]
        assert "danger" in error.faults[0].expected

    @pytest.mark.parametrize("basis", ["self-defence", "necessity"])
    def test_danger_may_be_practised(self, basis: str) -> None:
        """A drill may practise the grounds that real danger would give."""
        assert envelope(ATTACK, legal_basis=basis, purpose="drill", data_class="drill").drill

    @pytest.mark.parametrize("base", [members(INFECTED, kind="likely-infected"), INFECTED, VULNERABLE])
    def test_no_attack_to_respond_to(self, base: dict[str, object]) -> None:
        """Who reports no attack cannot ask for an answer to one."""
        assert faults(base, purpose="attack-response") == {("/purpose", "contradiction")}

    @pytest.mark.parametrize("basis", ["consent-individual", "consent-terms", "statute", "legitimate-business-act"])
    @pytest.mark.parametrize("purpose", ["attack-response", "subscriber-notice", "device-remediation"])
    def test_other_grounds(self, basis: str, purpose: str) -> None:
        """The other grounds carry every purpose; policies narrow them."""
        assert envelope(legal_basis=basis, purpose=purpose, consent="C-1").purpose == purpose

    @pytest.mark.parametrize("data_class", ["drill", "drill-short"])
    def test_real_purpose_with_drill_class(self, data_class: str) -> None:
        """Real data under a drill's class are refused with an explanation."""
        error = refusal(members(ATTACK, data_class=data_class))

        assert [(fault.where, fault.code) for fault in error.faults] == [("/data_class", "contradiction")]
        assert "exercise" in error.faults[0].expected

    @EXAMPLES
    def test_drill_with_real_class(self, base: dict[str, object]) -> None:
        """A drill under a real class is refused."""
        assert faults(base, purpose="drill", legal_basis="statute") == {("/data_class", "contradiction")}

    @EXAMPLES
    @pytest.mark.parametrize("data_class", [item.value for item in DataClass if not item.value.startswith("drill")])
    def test_class_fits_kind(self, base: dict[str, object], data_class: str) -> None:
        """Only the kind's own class fits it; the hub's own classes fit nothing."""
        if data_class == base["data_class"]:
            assert envelope(base).data_class == data_class
        else:
            assert faults(base, data_class=data_class) == {("/data_class", "contradiction")}

    def test_ends_before_it_starts(self) -> None:
        """An end before the start is refused, the same moment is not."""
        assert faults(ATTACK, end="2026-03-01T09:59:59.999999Z") == {("/end", "contradiction")}
        assert envelope(ATTACK, end=ATTACK["start"]).end == envelope().start


class TestMalformed:
    """What cannot be read is refused by name, without losing the rest."""

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("kind", "Attack", "unknown-value"),
            ("kind", 1, "unknown-value"),
            ("kind", ["attack"], "unknown-value"),
            ("legal_basis", "consent", "unknown-value"),
            ("mandate", "", "format"),
            ("mandate", " M-1", "format"),
            ("mandate", "M-1\n", "format"),
            ("mandate", "m" * 129, "format"),
            ("mandate", "委任状", "format"),
            ("mandate", {"id": 1}, "format"),
            ("mandate", "case 192.0.2.55", "holds-address"),
            ("mandate", "src:192.0.2.55/32", "holds-address"),
            ("mandate", "case 2001:db8::5", "holds-address"),
            ("detection", "honeypot-192.0.2.55", "holds-address"),
            ("consent", "-", "format"),
            ("malware_family", "Mirai/2", "format"),
            ("malware_family", "m" * 65, "format"),
            ("vulnerability", "CVE:2026", "format"),
            ("target", "198.51.100.7/24", "format"),
            ("target", "host.example", "format"),
            ("target", "fe80::1%eth0", "format"),
            ("start", "2026-03-01T10:00:00", "format"),
            ("start", "2026-03-01", "format"),
            ("start", "2026-02-30T10:00:00Z", "format"),
            ("start", 1772359200, "format"),
            ("time_zone", "JST", "format"),
            ("time_zone", "asia/tokyo", "format"),
            ("time_zone", "localtime", "format"),
            ("time_zone", "+09:00", "format"),
            ("time_zone", "../../etc/passwd", "format"),
            ("time_zone", "Asia/T\u014dky\u014d", "format"),
            ("epoch_columns", "first_seen", "type"),
            ("on_error", "ignore", "unknown-value"),
            ("severity", "critical", "unknown-value"),
            ("vectors", "scan", "type"),
        ],
    )
    def test_member(self, name: str, value: object, code: str) -> None:
        """A bad member is told by its JSON pointer."""
        assert faults(ATTACK, **{name: value}) == {(f"/{name}", code)}

    def test_items(self) -> None:
        """A bad item of a list is told by its place."""
        assert faults(ATTACK, vectors=["scan", "nuke", 5], epoch_columns=["src_ip"]) == {
            ("/vectors/1", "unknown-value"),
            ("/vectors/2", "unknown-value"),
            ("/epoch_columns/0", "unknown-value"),
        }

    @pytest.mark.parametrize("text", ["M-1", "contract::a", "RFC 2119", "v1.2.3", "a:b/c-1_2", "2026:03:01 12:00"])
    def test_references(self, text: str) -> None:
        """References as people write them are no addresses."""
        assert envelope(mandate=text).mandate == text

    def test_unknown_member(self) -> None:
        """A member nobody knows is refused, its name shown to the sender only."""
        error = refusal({**ATTACK, "mandat": "M", "\U0001f600": 1})

        assert [(fault.where, fault.code) for fault in error.faults] == [("", "unknown-member")] * 2
        assert {fault.got for fault in error.faults} == {'"mandat"', '"\\ud83d\\ude00"'}

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"attack"',
            b"{'kind': 'attack'}",
            b'{"kind": NaN}',
            b'{"kind": "attack"} {}',
            b"\xff\xfe{\x00}\x00",
            b'{"kind": "\xff"}',
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b'{"a": ' + b"9" * 5_000 + b"}",
        ],
        ids=lambda raw: repr(raw[:20]),
    )
    def test_not_an_object(self, raw: bytes) -> None:
        """What is not one JSON object is refused as a whole."""
        error = refusal(raw)

        assert error.expected == "one JSON object in UTF-8"
        assert not error.faults

    def test_twice(self) -> None:
        """A member that comes twice is refused, whichever was meant."""
        error = refusal(b'{"kind": "attack", "purpose": "drill", "kind": "infected"}')

        assert [(fault.code, fault.got) for fault in error.faults] == [("duplicate-member", '"kind"')]

    def test_lone_surrogates(self) -> None:
        """Escapes that make no character are refused like any other text."""
        for name in ("mandate", "target", "start", "time_zone", "kind"):
            raw = orjson.dumps({**ATTACK, name: "@"}).replace(b"@", b"\\ud800:")

            assert [fault.where for fault in refusal(raw).faults] == [f"/{name}"]

    def test_bom(self) -> None:
        """A byte order mark is ignored (RFC 8259 section 8.1)."""
        assert read_envelope(b"\xef\xbb\xbf" + orjson.dumps(ATTACK)) == envelope()

    def test_too_large(self) -> None:
        """An envelope past 64 KiB is refused unread."""
        with pytest.raises(TooLarge):
            read_envelope(orjson.dumps(ATTACK) + b" " * 65_536)

    def test_shown_values_are_short(self) -> None:
        """What was got is shown, but not at length."""
        error = refusal(members(ATTACK, mandate="é" * 10_000))

        assert error.faults[0].got is not None
        assert len(error.faults[0].got) <= 80
        assert error.faults[0].got.isascii()


class TestCanonical:
    """One envelope has one canonical form, and it can be read back."""

    @EXAMPLES
    def test_round_trip(self, base: dict[str, object]) -> None:
        """Reading the canonical form gives the same envelope."""
        read = envelope(base, time_zone="Asia/Tokyo", epoch_columns=["last_seen"], on_error="reject-report")

        assert envelope_from_canonical(canonical_envelope(read)) == read

    def test_one_form(self) -> None:
        """Order of members, spelling of times and addresses, and stated defaults make no difference."""
        spelt = {
            **dict(reversed(ATTACK.items())),
            "start": "2026-03-01T19:00:00.000000000+09:00",
            "target": "::ffff:198.51.100.7",
            "severity": "normal",
            "on_error": "reject-rows",
            "vectors": ["syn-flood", "syn-flood"],
        }

        assert canonical_envelope(read_envelope(orjson.dumps(spelt, option=orjson.OPT_INDENT_2))) == canonical_envelope(
            envelope()
        )

    def test_any_difference_shows(self) -> None:
        """Two envelopes that differ anywhere differ in canonical form."""
        changes: list[dict[str, object]] = [
            {},
            {"mandate": "M-9"},
            {"target": "198.51.100.0/24"},
            {"end": "2026-03-01T11:30:00.000001Z"},
            {"time_zone": "Asia/Tokyo"},
            {"epoch_columns": ["first_seen"]},
            {"on_error": "reject-report"},
            {"severity": "ongoing-attack"},
            {"detection": "sensor"},
        ]

        assert len({canonical_envelope(envelope(**change)) for change in changes}) == len(changes)

    def test_bytes(self) -> None:
        """The form is compact JSON with sorted members."""
        form = canonical_envelope(envelope(VULNERABLE))

        assert form == orjson.dumps(orjson.loads(form), option=orjson.OPT_SORT_KEYS)
        assert b"null" not in form

    def test_accepted_stays_accepted(self) -> None:
        """What was taken under older rules can still be opened."""
        older = orjson.dumps(members(INFECTED, detection=None))

        refusal(older)
        assert envelope_from_canonical(older).detection is None

    @pytest.mark.parametrize("raw", [b"", b"{}", b'{"kind": "attack"}'])
    def test_something_else(self, raw: bytes) -> None:
        """What is no canonical envelope is refused."""
        with pytest.raises(BadEnvelope):
            envelope_from_canonical(raw)


class TestPublic:
    """What may be stored in the clear holds no secret."""

    @EXAMPLES
    def test_members(self, base: dict[str, object]) -> None:
        """Neither the target nor the time of the attack is public; the rest is JSON-ready."""
        public = public_envelope(envelope(base))

        assert set(public) == {
            "kind",
            "legal_basis",
            "purpose",
            "data_class",
            "mandate",
            "consent",
            "requested_action",
            "severity",
            "vectors",
            "malware_family",
            "detection",
            "vulnerability",
        }
        assert orjson.loads(orjson.dumps(public)) == public
        assert public["vectors"] == base.get("vectors", [])

    def test_closed_lists(self) -> None:
        """Vectors are words, and every purpose and basis can be said."""
        assert all(word == word.lower() and " " not in word for word in VECTORS)
        assert {"udp-flood", "syn-flood", "dns-amplification", "scan", "other"} <= VECTORS
        assert {Purpose.DRILL, Purpose.ATTACK_RESPONSE} < set(Purpose)
