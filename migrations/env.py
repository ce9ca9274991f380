"""Alembic's environment: runs revisions over the connection that :mod:`hub.store.migrate` hands it."""

from alembic import context

from hub.errors import Unavailable
from hub.store.tables import metadata

attributes = context.config.attributes
if "connection" not in attributes:
    raise Unavailable(
        "Migrations run over a connection that holds the migrators' lock.",
        action="Use hub.store.migrate.upgrade instead of the alembic command.",
    )

context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_server_default=True,
    include_object=lambda _entry, name, kind, *_: kind != "table" or name in metadata.tables,
    process_revision_directives=attributes.get("edit"),
)
with context.begin_transaction():
    context.run_migrations()
