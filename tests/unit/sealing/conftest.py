"""A key store on disk, under a clock that stands still."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.clock import SteppedClock
from hub.records import Bucket
from hub.sealing.keystore import KeyService
from hub.sealing.master import MasterKey
from hub.vocabulary import DataClass

NOW = datetime(2025, 12, 4, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> SteppedClock:
    """Stand still at :data:`NOW`."""
    return SteppedClock(NOW)


@pytest.fixture
def master() -> MasterKey:
    """Make a master key."""
    return MasterKey(os.urandom(32))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name the directory of the key store."""
    return tmp_path / "keys"


@pytest.fixture
def keys(root: Path, master: MasterKey, clock: SteppedClock) -> KeyService:
    """Initialise a key store."""
    service = KeyService(root, master, clock)
    service.initialise()
    return service


@pytest.fixture
def bucket(keys: KeyService) -> Bucket:
    """Make a bucket with a key, half an hour before its deadline."""
    made = Bucket(DataClass.ATTACK_TRAFFIC, NOW + timedelta(minutes=30))
    keys.ensure(made)
    return made
