"""Marks: what a recipient must know about a source before acting on it, as bits per record.

Each mark speaks for itself; a record can have several. A mark never withholds anything.
"""

from collections.abc import Iterable
from types import MappingProxyType

import polars as pl

from hub.vocabulary import Mark, ReportKind

_TCP = 6
_UDP = 17
_ACK = 0x10
_SYSTEM_PORTS = 1024
_SYN = 0x02

REFLECTOR_PORTS = MappingProxyType(
    {
        17: "QOTD",
        19: "chargen",
        53: "DNS",
        69: "TFTP",
        111: "portmapper",
        123: "NTP",
        137: "NetBIOS name service",
        161: "SNMP",
        177: "XDMCP",
        389: "CLDAP",
        427: "SLP",
        500: "IKE",
        520: "RIPv1",
        623: "IPMI",
        1194: "OpenVPN",
        1434: "SQL Server resolution",
        1701: "L2TP",
        1900: "SSDP",
        3283: "Apple Remote Management",
        3389: "RDP over UDP",
        3478: "STUN",
        3702: "WS-Discovery",
        5060: "SIP",
        5093: "Sentinel licence manager",
        5351: "NAT-PMP",
        5353: "multicast DNS",
        5683: "CoAP",
        6881: "BitTorrent DHT",
        10001: "Ubiquiti discovery",
        11211: "memcached",
        20800: "Quake family game servers",
        27015: "Source engine game servers",
        30718: "Lantronix configuration",
        32414: "Plex discovery",
        33848: "Jenkins discovery",
        37020: "Hikvision SADP",
        37810: "DHDiscover",
        47808: "BACnet",
    }
)
"""UDP services that answer much to little, by port: an open one is abused, it need not be infected."""

_AMPLIFICATION = "-amplification"
_TCP_REFLECTION = "tcp-reflection"
_ACK_FLOOD = "ack-flood"
_SINGLE_SEGMENTS = frozenset({"syn-flood", _ACK_FLOOD})
_CONNECTIONLESS = frozenset({"dns-flood", "gre-flood", "icmp-flood", "udp-flood"})


def marks(kind: ReportKind, vectors: Iterable[str]) -> pl.Expr:
    """Return the expression of the :class:`~hub.vocabulary.Mark` bits (UInt8), for records with ``shared``."""
    named = frozenset(vectors)
    return (
        _bit(_spoofable(kind, named), Mark.SPOOFABLE)
        | _bit(_reflector(named), Mark.REFLECTOR)
        | _bit(pl.col("shared"), Mark.SHARED_ADDRESS)
    )


def _spoofable(kind: ReportKind, vectors: frozenset[str]) -> pl.Expr:
    """Tell where nothing in the record proves that the source sent it.

    - TCP whose flags are known: without ACK. Only who received the SYN-ACK can acknowledge it, so a bare SYN
      (whatever the number of packets), RST or FIN proves nothing. Where the vector is a flood of bare ACKs, which
      are as easily forged, both SYN and ACK must have been seen.
    - TCP with unknown flags: where the vector is a SYN or ACK flood.
    - Any other protocol (UDP, ICMP, GRE …): always; records do not tell whether the source answered.
    - Unknown protocol: judged as TCP where flags are known, else by the vectors alone.

    A vulnerable device was found by asking it and getting an answer, so its address is no forgery.
    """
    if kind is ReportKind.VULNERABLE:
        return pl.lit(False)
    proof = _SYN | _ACK if _ACK_FLOOD in vectors else _ACK
    unproven = (pl.col("tcp_flags") & proof) != proof
    segments = bool(vectors & _SINGLE_SEGMENTS)
    forgeable = segments or bool(vectors & _CONNECTIONLESS) or _reflects(vectors)
    protocol = pl.col("protocol")
    return (
        pl.when(protocol.is_null())
        .then(unproven.fill_null(forgeable))
        .when(protocol == _TCP)
        .then(unproven.fill_null(segments))
        .otherwise(True)
    )


def _reflector(vectors: frozenset[str]) -> pl.Expr:
    """Tell where the source is a service that was made to answer the victim.

    - UDP from the port of a service in :data:`REFLECTOR_PORTS`, where the vector is an amplification, or where the
      packet did not go to that same port: servers and old clients of one service also speak port to port. An
      unknown protocol counts as UDP where the vector is an amplification.
    - TCP from a system port (below 1024, RFC 6335) where the vector is a reflection: a server's SYN-ACK, answering
      a SYN in the victim's name.
    """
    amplified = any(vector.endswith(_AMPLIFICATION) for vector in vectors)
    port = pl.col("src_port")
    udp = (pl.col("protocol") == _UDP).fill_null(amplified)
    service = port.is_in(list(REFLECTOR_PORTS)).fill_null(False)
    elsewhere = pl.lit(amplified) | (pl.col("dst_port") != port).fill_null(True)
    answering = pl.lit(_TCP_REFLECTION in vectors) & (pl.col("protocol") == _TCP) & (port < _SYSTEM_PORTS)
    return (udp & service & elsewhere) | answering.fill_null(False)


def _reflects(vectors: frozenset[str]) -> bool:
    return any(vector.endswith(_AMPLIFICATION) or vector == _TCP_REFLECTION for vector in vectors)


def _bit(condition: pl.Expr, mark: Mark) -> pl.Expr:
    return condition.cast(pl.UInt8) * pl.lit(mark.value, pl.UInt8)
