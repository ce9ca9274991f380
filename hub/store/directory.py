"""The directory in memory: holdings and prefix tables, reloaded when, and only when, they have changed."""

from threading import Lock
from uuid import UUID

from hub.attribution.epochs import DatedTable
from hub.attribution.networks import Networks
from hub.attribution.prefix_table import PrefixTable
from hub.store.unit import Store


class Directory:
    """Answers with the networks as of this moment; one comparison of versions per question."""

    def __init__(self, store: Store) -> None:
        """Read from ``store`` on first use."""
        self._store = store
        self._lock = Lock()
        self._version: int | None = None
        self._networks = Networks((), ())
        self._tables: dict[UUID, PrefixTable] = {}

    def networks(self) -> Networks:
        """Return who operates which network, as committed now."""
        with self._lock, self._store.reading() as unit:
            version = unit.networks.version()
            if version == self._version:
                return self._networks
            stored = unit.networks.tables()
            self._tables = {
                table.id: self._tables.get(table.id) or PrefixTable.from_bytes(unit.networks.table_content(table.id))
                for table in stored
            }
            dated = tuple(DatedTable(table.id, table.valid_from, self._tables[table.id]) for table in stored)
            self._networks = Networks(dated, tuple(unit.networks.approved()))
            self._version = version
            return self._networks
