"""The hub's address: encrypted, or on this very machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from kessetsu_client.errors import BadConfiguration


def hub_address(text: str) -> str:
    """Return the base address with a closing slash.

    Raises:
        BadConfiguration: where it is no http(s) address, holds credentials, or would send a token in the clear.
    """
    example = "Give it like https://hub.example.jp/."
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadConfiguration("The hub's address cannot be read.", action=example) from None
    if parts.scheme not in {"https", "http"} or not host:
        raise BadConfiguration("The hub's address is not an https address.", action=example)
    if parts.username is not None or parts.query or parts.fragment:
        raise BadConfiguration("The hub's address holds more than host and path.", action=example)
    if parts.scheme == "http" and not is_loopback(host):
        raise BadConfiguration(
            "http:// would send the token and the records unencrypted.", action="Use https://; http:// is for loopback."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
