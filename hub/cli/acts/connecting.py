"""The ways to an instance's database and keys, for one command's length."""

from collections.abc import Iterator
from contextlib import contextmanager

from hub.cli.acts.databases import require_running
from hub.clock import Clock
from hub.settings import Settings
from hub.store.unit import Store
from hub.wiring import Hub, open_hub, open_store

_CONNECTIONS = 2
_OPERATORS_SECRETS = ("keys.master_key_file", "keys.signing_key_file", "database.operator_password_file")


@contextmanager
def operator_store(settings: Settings, clock: Clock) -> Iterator[Store]:
    """Open the database as the operator's role.

    Raises:
        BadInput: the role's password file cannot be used.
        Unavailable: the embedded server does not run.
    """
    settings.check_secrets("database.operator_password_file")
    require_running(settings)
    store = open_store(settings, "operator", clock, pool_size=_CONNECTIONS)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def operator_hub(settings: Settings, clock: Clock) -> Iterator[Hub]:
    """Open the hub as the operator's role, keys and policies included.

    Raises:
        BadInput: a secret file or a policy cannot be used.
        Unavailable: the embedded server does not run.
    """
    settings.check_secrets(*_OPERATORS_SECRETS)
    require_running(settings)
    hub = open_hub(settings, "operator", clock)
    try:
        yield hub
    finally:
        hub.close()
