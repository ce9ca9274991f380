"""What revisions share."""

from typing import cast

import psycopg
from alembic import op

from migrations import directory


def run_sql(name: str) -> None:
    """Run a script of ``sql/``. A released one is never changed: a later revision brings another."""
    driver = cast("psycopg.Connection[object]", op.get_bind().connection.driver_connection)
    driver.execute((directory() / "sql" / name).read_text())
