"""Whether the live schema is the one that ``hub.store.tables`` declares."""

from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.schema import CreateSchema

from hub.store.tables import metadata

_SCRATCH = "drift_check"
_IGNORED = {"alembic_version"}


def check_drift(engine: Engine, declared: MetaData = metadata) -> list[str]:
    """Return the differences between the schema and the tables declared, one line each; empty is well.

    The declared tables are made in a scratch schema in a transaction that is rolled back, and both are then
    read from PostgreSQL's own catalogues, so that everything it knows of a table is compared: columns, types,
    defaults, keys, checks, indexes, partitioning, comments. ``engine`` is the owner's.
    """
    with engine.connect() as connection:
        live = _described(connection, "public")
        connection.execute(CreateSchema(_SCRATCH))
        declared.create_all(connection.execution_options(schema_translate_map={None: _SCRATCH}), checkfirst=False)
        wanted = _described(connection, _SCRATCH)
        connection.rollback()
    return sorted(
        [f"in the database, not in tables.py: {line}" for line in live - wanted]
        + [f"in tables.py, not in the database: {line}" for line in wanted - live]
    )


def _described(connection: Connection, schema: str) -> set[str]:
    """Return a line per fact; names come without their schema, because it is the only one searched."""
    connection.exec_driver_sql(f"SET LOCAL search_path = {schema}")
    rows = connection.exec_driver_sql(_FACTS, {"schema": schema})
    return {f"{table}: {fact.replace(f' {schema}.', ' ')}" for table, fact in rows if table not in _IGNORED}


_FACTS = """
WITH ours AS (
    SELECT pg_class.oid, relname, relkind, relpersistence FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = %(schema)s AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition
)
SELECT relname, concat_ws(' ', 'kind', relkind, relpersistence, pg_get_partkeydef(oid)) FROM ours
UNION ALL
SELECT relname, 'comment ' || obj_description(oid, 'pg_class') FROM ours WHERE obj_description(oid, 'pg_class') <> ''
UNION ALL
SELECT relname, concat_ws(' ', 'column', attname, format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN 'NOT NULL' END,
    CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
    CASE WHEN attgenerated <> '' THEN 'generated ' || attgenerated::text END,
    'default ' || pg_get_expr(adbin, adrelid),
    'collation ' || nullif(attcollation, typcollation)::text,
    'comment ' || col_description(attrelid, attnum))
FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
    JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT relname, concat_ws(' ', 'constraint', conname, pg_get_constraintdef(pg_constraint.oid))
FROM ours JOIN pg_constraint ON conrelid = ours.oid AND contype <> 'n'
UNION ALL
SELECT relname, pg_get_indexdef(indexrelid) FROM ours JOIN pg_index ON indrelid = ours.oid
"""
