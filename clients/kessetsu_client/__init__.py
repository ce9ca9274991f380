"""What a Kessetsu member installs: push reports, read the inbox, say what was done.

>>> from kessetsu_client import Client, Envelope
>>> with Client.from_settings() as hub:
...     saved = hub.push("attack.csv", Envelope(...))
...     for parcel in hub.inbox_iter(state="released"):
...         hub.inbox_get(parcel.parcel_id, f"{parcel.parcel_id}.csv")
...         hub.inbox_ack(parcel.parcel_id)

:class:`AsyncClient` has the same methods, to be awaited. What they raise is drawn in
:mod:`kessetsu_client.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kessetsu_client.answers import (
        Acknowledgement,
        Certificate,
        CertificateList,
        Delivered,
        FieldGrant,
        Holding,
        InboxPage,
        Me,
        Outcome,
        OutcomeStatement,
        Parcel,
        ParcelDetail,
        Recall,
        Receipt,
        Recorded,
        Report,
        ReportPage,
        RowError,
        SavedReceipt,
        SavedRecords,
        Withdrawal,
    )
    from kessetsu_client.client import AsyncClient, Client
    from kessetsu_client.envelope import Envelope
    from kessetsu_client.errors import (
        BadArgument,
        BadConfiguration,
        BadInput,
        ClientError,
        Conflict,
        ConnectionFailed,
        Fault,
        FileChanged,
        FileExists,
        Gone,
        HubError,
        JournalDamaged,
        LocalError,
        NotAuthenticated,
        NotFound,
        NotPermitted,
        Problem,
        ReceiptNotSaved,
        TooLarge,
        Unavailable,
        UnreadableAnswer,
    )
    from kessetsu_client.retrying import Patience
    from kessetsu_client.settings import Settings, load_settings

VERSION: Final = "0.1.0"

_HOMES: Final = {
    "answers": (
        "Acknowledgement Certificate CertificateList Delivered "
        "FieldGrant Holding InboxPage Me Outcome OutcomeStatement Parcel ParcelDetail "
        "Recall Receipt Recorded Report ReportPage RowError SavedReceipt SavedRecords Withdrawal"
    ),
    "client": "AsyncClient Client",
    "envelope": "Envelope",
    "errors": (
        "BadArgument BadConfiguration BadInput ClientError Conflict ConnectionFailed Fault FileChanged FileExists "
        "Gone HubError JournalDamaged LocalError NotAuthenticated NotFound NotPermitted Problem ReceiptNotSaved "
        "TooLarge Unavailable UnreadableAnswer"
    ),
    "retrying": "Patience",
    "settings": "Settings load_settings",
}
_HOME: Final = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the command line's help needs none of them."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "VERSION",
    "Acknowledgement",
    "AsyncClient",
    "BadArgument",
    "BadConfiguration",
    "BadInput",
    "Certificate",
    "CertificateList",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Delivered",
    "Envelope",
    "Fault",
    "FieldGrant",
    "FileChanged",
    "FileExists",
    "Gone",
    "Holding",
    "HubError",
    "InboxPage",
    "JournalDamaged",
    "LocalError",
    "Me",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "Outcome",
    "OutcomeStatement",
    "Parcel",
    "ParcelDetail",
    "Patience",
    "Problem",
    "Recall",
    "Receipt",
    "ReceiptNotSaved",
    "Recorded",
    "Report",
    "ReportPage",
    "RowError",
    "SavedReceipt",
    "SavedRecords",
    "Settings",
    "TooLarge",
    "Unavailable",
    "UnreadableAnswer",
    "Withdrawal",
    "load_settings",
]
