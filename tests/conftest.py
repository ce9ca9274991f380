"""Fixtures of the whole suite, each defined beside what it sets up."""

from tests.support.database import database, database_cluster
from tests.support.instance import instance

__all__ = ["database", "database_cluster", "instance"]
