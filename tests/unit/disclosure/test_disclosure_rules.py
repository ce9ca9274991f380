"""Doubtful rules stop the start."""

import shutil
from pathlib import Path

import pytest

from hub.disclosure.engine import PolicyEngine
from hub.disclosure.rules import SCHEMA_FILE, read_rules
from hub.errors import BadInput
from hub.vocabulary import Field
from sharing_policies import directory

GOOD = """
@id("a-rule")
@reason("Because.")
permit (principal, action == Action::"marks", resource);
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return a directory with the shipped schema and one good rule."""
    shutil.copy(directory() / SCHEMA_FILE, tmp_path)
    (tmp_path / "a.cedar").write_text(GOOD)
    return tmp_path


def test_good_rules_are_read(rules: Path) -> None:
    """Id, effect, fields and reasons come from the file."""
    (rule,) = read_rules(rules).rules.values()
    assert (rule.id, rule.permits, rule.file) == ("a-rule", True, "a.cedar")
    assert rule.fields == {Field.MARKS}
    assert (rule.reason, rule.reason_ja) == ("Because.", None)


def test_a_rule_without_action_speaks_of_every_field(rules: Path) -> None:
    """An open head means all fields."""
    (rules / "a.cedar").write_text('@id("b") @reason("B.") forbid (principal, action, resource);')
    assert read_rules(rules).rules["b"].fields == set(Field)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("// all of it commented out", "empty"),
        ("permit (", "bad-rule"),
        ('@reason("B.") permit (principal, action, resource);', "missing-id"),
        ('@id("") @reason("B.") permit (principal, action, resource);', "missing-id"),
        ('@id("Big Words") @reason("B.") permit (principal, action, resource);', "bad-id"),
        ('@id("evaluation-failed") @reason("B.") permit (principal, action, resource);', "bad-id"),
        ('@id("b") permit (principal, action, resource);', "missing-reason"),
        ('@id("b") @reason(" ") permit (principal, action, resource);', "missing-reason"),
        ('@id("b") @reasn("B.") @reason("B.") permit (principal, action, resource);', "unknown-annotation"),
        ('@id("a-rule") @reason("B.") permit (principal, action, resource);', "duplicate-id"),
        ('@id("b") @reason("B.") permit (principal == ?principal, action, resource);', "template"),
        ('@id("b") @reason("B.") permit (principal == Recipient::"x", action, resource);', "names-a-party"),
        ('@id("b") @reason("B.") permit (principal, action, resource == Parcel::"x");', "names-a-party"),
        (
            '@id("b") @reason("B.") permit (principal, action, resource) when { principal == Recipient::"x" };',
            "names-a-party",
        ),
        (
            '@id("b") @reason("B.") permit (principal, action, resource) when { action == Action::"marks" };',
            "field-in-condition",
        ),
        ('@id("b") @reason("B.") permit (principal, action == Action::"secret", resource);', "unknown-field"),
        ('@id("b") @reason("B.") permit (principal, action, resource) when { resource.price };', "not-in-schema"),
        ('@id("b") @reason("B.") permit (principal, action, resource) when { context.hour };', "not-in-schema"),
        (
            '@id("b") @reason("B.") permit (principal, action, resource) when { resource.kind == ReportKind::"war" };',
            "not-in-schema",
        ),
        (
            '@id("b") @reason("B.") permit (principal, action, resource) when { principal.kind == "carrier" };',
            "not-in-schema",
        ),
    ],
)
def test_bad_rules_are_refused(rules: Path, text: str, code: str) -> None:
    """A file with a wrong rule is refused and named, whatever else is right."""
    (rules / "b.cedar").write_text(text)
    with pytest.raises(BadInput) as refusal:
        read_rules(rules)
    assert code in {fault.code for fault in refusal.value.faults}
    assert refusal.value.action


def test_all_faults_are_told_at_once(rules: Path) -> None:
    """Whoever mends the rules sees everything that is wrong with them."""
    (rules / "b.cedar").write_text("permit (principal, action, resource);")
    with pytest.raises(BadInput) as refusal:
        read_rules(rules)
    assert {"missing-id", "missing-reason"} <= {fault.code for fault in refusal.value.faults}


def test_no_rules_at_all_are_refused(rules: Path) -> None:
    """An empty rule book is a mistake, not a decision to share nothing."""
    (rules / "a.cedar").unlink()
    with pytest.raises(BadInput, match="no-rules"):
        read_rules(rules)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    """A wrong path does not start a hub without rules."""
    with pytest.raises(BadInput, match="no-rules"):
        read_rules(tmp_path / "nowhere")


def test_a_missing_schema_is_refused(rules: Path) -> None:
    """Rules without a schema would be evaluated unchecked."""
    (rules / SCHEMA_FILE).unlink()
    with pytest.raises(BadInput, match="unreadable"):
        read_rules(rules)


def test_a_broken_schema_is_refused(rules: Path) -> None:
    """A schema that Cedar cannot read is no schema."""
    (rules / SCHEMA_FILE).write_text("entity {")
    with pytest.raises(BadInput, match="bad-schema"):
        read_rules(rules)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_an_unreadable_file_is_refused(rules: Path, content: bytes | None) -> None:
    """A file that is not text, or not a file, is not skipped."""
    path = rules / "b.cedar"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"b\.cedar: unreadable"):
        read_rules(rules)


def test_a_schema_that_lacks_a_word_is_refused(rules: Path) -> None:
    """A word of the vocabulary the schema does not know stops the start, not the first report that says it."""
    schema = rules / SCHEMA_FILE
    schema.write_text(schema.read_text().replace('"necessity"', '"need"'))
    with pytest.raises(BadInput, match="vocabulary"):
        PolicyEngine.load(rules)


def test_a_schema_that_lacks_a_field_is_refused(rules: Path) -> None:
    """Every field must be an action."""
    schema = rules / SCHEMA_FILE
    schema.write_text(schema.read_text().replace("    volumes,\n", ""))
    with pytest.raises(BadInput, match="vocabulary"):
        PolicyEngine.load(rules)


def test_a_schema_that_wants_more_is_refused(rules: Path) -> None:
    """An attribute the hub does not supply would leave every question unanswered."""
    schema = rules / SCHEMA_FILE
    schema.write_text(schema.read_text().replace("    drill: Bool,", "    drill: Bool,\n    mandate: Bool,"))
    with pytest.raises(BadInput, match="vocabulary"):
        PolicyEngine.load(rules)


class TestHash:
    """The hash of the rules stands for their exact text."""

    def test_same_text_same_hash(self, rules: Path) -> None:
        """Reading twice gives the same hash."""
        assert read_rules(rules).hash == read_rules(rules).hash

    def test_any_change_changes_it(self, rules: Path) -> None:
        """A comment, a file name or the schema: all of it counts."""
        hashes = {read_rules(rules).hash}
        (rules / "a.cedar").write_text(GOOD + "// a comment\n")
        hashes.add(read_rules(rules).hash)
        (rules / "a.cedar").rename(rules / "b.cedar")
        hashes.add(read_rules(rules).hash)
        with (rules / SCHEMA_FILE).open("a") as schema:
            schema.write("// a comment\n")
        hashes.add(read_rules(rules).hash)
        assert len(hashes) == 4

    def test_other_files_do_not_matter(self, rules: Path) -> None:
        """Retention limits and notes stand in the same directory."""
        before = read_rules(rules).hash
        (rules / "retention.toml").write_text("x = 1")
        assert read_rules(rules).hash == before

    def test_text_holds_every_file(self, rules: Path) -> None:
        """The text kept with decisions is enough to replay them."""
        text = read_rules(rules).text
        assert GOOD in text
        assert (rules / SCHEMA_FILE).read_text() in text
