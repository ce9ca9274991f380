"""A secret leaves only under the stored grant it was made from."""

import copy
import dataclasses
import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from uuid import uuid4

import orjson
import pytest

from hub.disclosure.secret_body import SecretBody, mark_secret, open_secret
from hub.errors import NotPermitted
from hub.records import Grant
from hub.vocabulary import Field, Relation

FIELDS = frozenset({Field.SOURCE_ADDRESS, Field.TIMES})
SECRET = b"198.51.100.77"


@pytest.fixture
def grant() -> Grant:
    """Return a stored grant."""
    return Grant(uuid4(), uuid4(), Relation.HOLDER, FIELDS, ("a-rule",), "00", datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def body(grant: Grant) -> SecretBody:
    """Return a secret made under the grant."""
    return mark_secret(grant, FIELDS, "text/csv", SECRET)


class TestMaking:
    """Only a grant makes a secret body."""

    def test_it_carries_whom_and_what_it_is_for(self, grant: Grant, body: SecretBody) -> None:
        """Parcel and capacity come from the grant, never from the caller."""
        assert (body.parcel_id, body.capacity_id) == (grant.parcel_id, grant.capacity_id)
        assert (body.fields, body.media_type) == (FIELDS, "text/csv")

    def test_nobody_else_makes_one(self, grant: Grant) -> None:
        """The constructor is closed to everybody outside its module."""
        with pytest.raises(NotPermitted):
            SecretBody(
                object(),
                parcel_id=grant.parcel_id,
                capacity_id=grant.capacity_id,
                fields=FIELDS,
                media_type="text/csv",
                _content=SECRET,
            )

    @pytest.mark.parametrize(
        "fields", [FIELDS | {Field.REPORTER}, frozenset({Field.TIMES}), frozenset()], ids=["more", "no-source", "none"]
    )
    def test_fields_beyond_the_grant_are_refused(self, grant: Grant, fields: frozenset[Field]) -> None:
        """Content with more than was granted, or with no source, is a mistake upstream."""
        with pytest.raises(NotPermitted):
            mark_secret(grant, fields, "text/csv", SECRET)


class TestOpening:
    """The edge opens it for the grant as it is stored then, and for nobody else."""

    def test_the_grantee_gets_the_bytes(self, grant: Grant, body: SecretBody) -> None:
        """Whole content comes as one chunk."""
        assert list(open_secret(body, grant, grant.capacity_id)) == [SECRET]

    def test_a_stream_stays_a_stream(self, grant: Grant) -> None:
        """Chunks come one by one."""
        streamed = mark_secret(grant, FIELDS, "text/csv", iter([b"a", b"b"]))
        assert list(open_secret(streamed, grant, grant.capacity_id)) == [b"a", b"b"]

    def test_no_grant_no_bytes(self, grant: Grant, body: SecretBody) -> None:
        """A grant that is gone opens nothing."""
        with pytest.raises(NotPermitted):
            open_secret(body, None, grant.capacity_id)

    def test_another_caller_gets_nothing(self, grant: Grant, body: SecretBody) -> None:
        """The caller's own capacity is compared, not only the grant's."""
        with pytest.raises(NotPermitted):
            open_secret(body, grant, uuid4())

    @pytest.mark.parametrize("part", ["parcel_id", "capacity_id"])
    def test_another_grant_opens_nothing(self, grant: Grant, body: SecretBody, part: str) -> None:
        """A grant on another parcel or to another capacity is not this one."""
        other = replace(grant, **{part: uuid4()})
        with pytest.raises(NotPermitted):
            open_secret(body, other, other.capacity_id)

    def test_a_grant_that_shrank_opens_nothing(self, grant: Grant, body: SecretBody) -> None:
        """Content with a field the stored grant no longer has does not leave."""
        with pytest.raises(NotPermitted):
            open_secret(body, replace(grant, fields=frozenset({Field.SOURCE_ADDRESS})), grant.capacity_id)

    def test_the_check_comes_before_the_first_byte(self, grant: Grant) -> None:
        """A refused stream is not even started."""
        drawn = []

        def stream() -> Iterator[bytes]:
            drawn.append(1)
            yield SECRET

        streamed = mark_secret(grant, FIELDS, "text/csv", stream())
        with pytest.raises(NotPermitted):
            open_secret(streamed, None, grant.capacity_id)
        assert drawn == []


class TestLeaking:
    """Between making and opening it shows nothing of itself."""

    def test_repr_is_empty_of_content(self, body: SecretBody) -> None:
        """What tracebacks and debuggers show holds no secret."""
        assert repr(body) == "SecretBody(withheld)"
        assert repr([body]) == "[SecretBody(withheld)]"

    @pytest.mark.parametrize(
        "attempt",
        [
            str,
            "{}".format,
            "%s".__mod__,
            bytes,
            list,
            vars,
            json.dumps,
            orjson.dumps,
            pickle.dumps,
            copy.copy,
            copy.deepcopy,
            dataclasses.asdict,
        ],
        ids=lambda attempt: getattr(attempt, "__name__", "?"),
    )
    def test_it_becomes_nothing_else(self, body: SecretBody, attempt: object) -> None:
        """No conversion, serialiser or copy takes it."""
        assert callable(attempt)
        with pytest.raises(TypeError):
            attempt(body)

    def test_it_does_not_change(self, body: SecretBody) -> None:
        """Its addressee cannot be swapped."""
        with pytest.raises(TypeError):
            body.capacity_id = uuid4()

    def test_a_log_line_holds_nothing(
        self, body: SecretBody, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Logging it loses the line rather than the secret."""
        written = StringIO()
        logger = logging.getLogger("test-secret-body")
        handler = logging.StreamHandler(written)
        monkeypatch.setattr(logger, "propagate", False)
        logger.addHandler(handler)
        try:
            logger.warning("sent %s", body)
            logger.warning("sent %r", body)
        finally:
            logger.removeHandler(handler)
        shown = written.getvalue() + "".join(capsys.readouterr())
        assert SECRET.decode() not in shown
        assert "SecretBody(withheld)" in written.getvalue()
