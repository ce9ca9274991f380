"""One hub for a whole module: tests that do not disturb each other share it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.api.mail import members_of
from tests.support.database import Cluster
from tests.support.instance import Instance, Party


@pytest.fixture(scope="module")
def shared(database_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Give an empty hub that lives as long as the module's tests."""
    with database_cluster.fresh() as database, closing(Instance(database, tmp_path_factory.mktemp("hub"))) as made:
        yield made


@pytest.fixture
def cast(instance: Instance) -> dict[str, Party]:
    """Give a reporter, a recipient, and the recipient's delegate."""
    return members_of(instance)
