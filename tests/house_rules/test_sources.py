import functools

import pytest

from tests.house_rules import rules
from tests.house_rules.rules import RULES, Rule, Source

BAD: list[tuple[Rule, str, str]] = [
    (rules.waivers_carry_a_reason, "hub/x.py", "import os  # noqa: F401\n"),
    (rules.waivers_carry_a_reason, "tests/x.py", "x = 1  # type: ignore[misc]\n"),
    (rules.waivers_carry_a_reason, "hub/x.py", "x = 1  # type: ignore[misc]  # x\n"),
    (rules.waivers_carry_a_reason, "hub/x.py", "if x:  # pragma: no cover\n    y()\n"),
    (rules.only_programs_print, "hub/flow.py", "def f():\n    print(1)\n"),
    (rules.only_programs_print, "clients/kessetsu_client/push.py", "print('x')\n"),
    (rules.only_logs_knows_logging, "hub/x.py", "import logging\nlog = logging.getLogger(__name__)\n"),
    (rules.only_logs_knows_logging, "api/x.py", "from logging import getLogger\nlog = getLogger()\n"),
    (rules.log_lines_can_be_said, "hub/x.py", "log.info('got it')\n"),
    (rules.log_lines_can_be_said, "hub/x.py", "log.info(f'got-{x}')\n"),
    (rules.log_lines_can_be_said, "hub/x.py", "self._log.warning('got', src_ip=1)\n"),
    (rules.log_lines_can_be_said, "api/x.py", "structlog.get_logger().error('got', target=x)\n"),
    (rules.files_stay_readable, "hub/x.py", "x = 1\n" * 601),
    (rules.functions_stay_short, "hub/x.py", "def f():\n" + "    x = 1\n" * 60),
    (rules.functions_stay_short, "api/x.py", "class A:\n  async def f():\n" + "    x = 1\n" * 60),
    (rules.nothing_is_unfinished, "hub/x.py", "x = 1  # TODO later\n"),
    (rules.nothing_is_unfinished, "docs/x.md", "FIXME\n"),
    (rules.nothing_is_unfinished, "hub/x.py", "raise NotImplementedError\n"),
    (rules.no_machine_is_named, "README.md", "see /home/alice/notes\n"),
    (rules.no_machine_is_named, "Makefile", "cd /root/hub\n"),
    (rules.no_machine_is_named, "requirements.lock", "--index-url https://pypi.org/simple\n"),
    (rules.only_the_store_knows_sqlalchemy, "hub/flow.py", "import sqlalchemy as sa\n"),
    (rules.only_the_store_knows_sqlalchemy, "api/x.py", "def f():\n    from sqlalchemy.exc import DBAPIError\n"),
    (rules.only_the_store_commits, "hub/flow.py", "connection.commit()\n"),
    (rules.only_the_store_commits, "api/x.py", "unit.session.rollback()\n"),
    (
        rules.tests_use_the_real_thing,
        "tests/unit/test_x.py",
        "from unittest import mock\nimport unittest.mock\n",
    ),
    (rules.tests_use_the_real_thing, "tests/unit/test_x.py", "from unittest.mock import patch\n"),
    (rules.the_clock_is_handed_in, "hub/intake/x.py", "from datetime import datetime\nx = datetime.now(UTC)\n"),
]
GOOD: list[tuple[Rule, str, str]] = [
    (rules.waivers_carry_a_reason, "hub/x.py", "x = 1  # noqa: F401 -- the caller reads it\n"),
    (rules.waivers_carry_a_reason, "hub/x.py", "x = 1  # type: ignore[misc]  # the stubs are wrong here\n"),
    (rules.waivers_carry_a_reason, "hub/x.py", "x = 1  # noqa: F401 - as above\n"),
    (rules.waivers_carry_a_reason, "hub/x.py", "x = 'a # noqa in a text'\n"),
    (rules.only_programs_print, "hub/cli/main.py", "print(1)\n"),
    (rules.only_programs_print, "hub/demo/show.py", "print(1)\n"),
    (rules.only_logs_knows_logging, "hub/logs.py", "logging.getLogger()\n"),
    (rules.only_logs_knows_logging, "hub/x.py", "import structlog\nlog = structlog.get_logger()\n"),
    (rules.log_lines_can_be_said, "hub/x.py", "log.exception('job-failed', report_id=x, parcels=3, exc_info=e)\n"),
    (rules.log_lines_can_be_said, "hub/x.py", "catalog.error('free text', src_ip=1)\n"),
    (rules.files_stay_readable, "hub/x.py", "x = 1\n" * 600),
    (rules.functions_stay_short, "hub/x.py", "def f():\n" + "    x = 1\n" * 59),
    (rules.nothing_is_unfinished, "hub/x.py", "todo_list = []\n"),
    (rules.no_machine_is_named, "README.md", "curl https://hub.example/v1/inbox; ls /etc/kessetsu /run/work\n"),
    (rules.no_machine_is_named, "README.md", "see docs/work/ and ./root/\n"),
    (rules.only_the_store_knows_sqlalchemy, "hub/store/x.py", "import sqlalchemy as sa\n"),
    (rules.only_the_store_commits, "hub/store/unit.py", "connection.commit()\n"),
    (rules.tests_use_the_real_thing, "tests/unit/test_x.py", "from tests.support import database\n"),
    (rules.the_clock_is_handed_in, "hub/intake/x.py", "x = clock.now()\n"),
]


@functools.cache
def sources() -> tuple[Source, ...]:
    """Read the project once."""
    return tuple(rules.tracked())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps(rule: Rule) -> None:
    """The whole project keeps every house rule; the failure lists where it does not."""
    findings = [f"{source.path}:{line}: {wrong}" for source in sources() for line, wrong in rule(source)]

    assert not findings, (rule.__doc__ or "") + "\n\n".join(findings)


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_bad_sample_is_found(rule: Rule, path: str, text: str) -> None:
    """A rule that finds nothing wrong in a bad sample protects nothing."""
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_a_good_sample_passes(rule: Rule, path: str, text: str) -> None:
    """A rule that cries at good code would soon be waived."""
    assert not list(rule(Source(path, text)))


def test_every_rule_is_listed_and_sampled() -> None:
    """A rule that is written runs, and has been seen to find something."""
    written = {
        value
        for name, value in vars(rules).items()
        if callable(value)
        and getattr(value, "__annotations__", {}).get("source") is Source
        and not name.startswith("_")
    }

    assert set(RULES) == written
    assert {rule for rule, _, _ in BAD} == {rule for rule, _, _ in GOOD} == written


def test_the_project_is_seen() -> None:
    """The rules look at the real tree; an empty list would make all of them pass."""
    assert {"hub/vocabulary.py", "pyproject.toml", "Makefile", "LICENSE"} <= {source.path for source in sources()}
