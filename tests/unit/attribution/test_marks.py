import polars as pl
import pytest

from hub.attribution.marks import REFLECTOR_PORTS, marks
from hub.vocabulary import Mark, ReportKind

SYN, ACK, RST, PSH, ECE_CWR = 0x02, 0x10, 0x04, 0x08, 0xC0
TCP, UDP, ICMP, GRE = 6, 17, 1, 47


def mark(
    protocol: int | None,
    *vectors: str,
    flags: int | None = None,
    src_port: int | None = None,
    dst_port: int | None = None,
    shared: bool = False,
    kind: ReportKind = ReportKind.ATTACK,
) -> Mark:
    """Return the marks of one record."""
    record = pl.DataFrame(
        {
            "protocol": pl.Series([protocol], dtype=pl.UInt8),
            "tcp_flags": pl.Series([flags], dtype=pl.UInt8),
            "src_port": pl.Series([src_port], dtype=pl.UInt16),
            "dst_port": pl.Series([dst_port], dtype=pl.UInt16),
            "shared": [shared],
        }
    )
    found = record.select(marks(kind, vectors).alias("marks"))["marks"]
    assert found.dtype == pl.UInt8
    return Mark(found.item())


class TestSpoofable:
    @pytest.mark.parametrize("protocol", [UDP, ICMP, GRE, 132])
    def test_without_a_handshake_the_address_proves_nothing(self, protocol: int) -> None:
        """Anything but TCP can be sent in anybody's name."""
        assert mark(protocol, "udp-flood") == Mark.SPOOFABLE

    @pytest.mark.parametrize("flags", [0, SYN, SYN | ECE_CWR, SYN | RST, RST])
    def test_tcp_without_acknowledgement_proves_nothing(self, flags: int) -> None:
        """Who sends forged segments never sees what it would have to acknowledge."""
        assert mark(TCP, "scan", flags=flags) == Mark.SPOOFABLE

    @pytest.mark.parametrize("flags", [SYN | ACK, SYN | ACK | PSH, ACK | PSH])
    def test_an_acknowledged_connection_is_no_forgery(self, flags: int) -> None:
        """A completed handshake proves that the source received the answer."""
        assert mark(TCP, "http-flood", flags=flags) == Mark.NONE

    @pytest.mark.parametrize(("flags", "expected"), [(ACK, Mark.SPOOFABLE), (SYN | ACK, Mark.NONE)])
    def test_in_an_ack_flood_a_bare_ack_proves_nothing(self, flags: int, expected: Mark) -> None:
        """There both SYN and ACK must have been seen."""
        assert mark(TCP, "ack-flood", flags=flags) == expected

    @pytest.mark.parametrize(
        ("vector", "expected"),
        [("syn-flood", Mark.SPOOFABLE), ("ack-flood", Mark.SPOOFABLE), ("brute-force", Mark.NONE)],
    )
    def test_unknown_flags_are_judged_by_the_vector(self, vector: str, expected: Mark) -> None:
        """TCP without flags is spoofable where the report says it was a flood of single segments."""
        assert mark(TCP, vector) == expected

    @pytest.mark.parametrize(
        ("vector", "expected"),
        [("dns-amplification", Mark.SPOOFABLE), ("udp-flood", Mark.SPOOFABLE), ("http-flood", Mark.NONE)],
    )
    def test_an_unknown_protocol_is_judged_by_the_vector(self, vector: str, expected: Mark) -> None:
        """Where a report gives no protocol, its vectors say whether forging was possible."""
        assert mark(None, vector) == expected
        assert mark(None, vector, flags=SYN) == Mark.SPOOFABLE

    def test_a_device_found_by_asking_it_is_there(self) -> None:
        """The answer to the finder's own question cannot be forged."""
        assert mark(UDP, kind=ReportKind.VULNERABLE) == Mark.NONE
        assert mark(UDP, kind=ReportKind.INFECTED) == Mark.SPOOFABLE


class TestReflector:
    @pytest.mark.parametrize("port", [53, 123, 11211, 1900, 389, 19, 161, 111, 137, 17, 3702, 5683, 10001, 37810])
    def test_answers_from_well_known_services_are_reflections(self, port: int) -> None:
        """UDP from a service port to another port is an abused service, not a bot."""
        assert REFLECTOR_PORTS[port]
        assert mark(UDP, "udp-flood", src_port=port, dst_port=40_000) & Mark.REFLECTOR
        assert mark(UDP, "udp-flood", src_port=port) & Mark.REFLECTOR

    def test_port_to_port_needs_the_vector(self) -> None:
        """Servers also speak port to port; only a named amplification makes that a reflection."""
        assert not mark(UDP, "udp-flood", src_port=123, dst_port=123) & Mark.REFLECTOR
        assert mark(UDP, "udp-flood", "ntp-amplification", src_port=123, dst_port=123) & Mark.REFLECTOR

    def test_other_ports_and_protocols_are_not(self) -> None:
        """A bot's random port, a TCP client and a record without port stay unmarked."""
        assert not mark(UDP, "dns-amplification", src_port=40_000, dst_port=53) & Mark.REFLECTOR
        assert not mark(TCP, "dns-amplification", src_port=53, dst_port=80, flags=SYN) & Mark.REFLECTOR
        assert not mark(UDP, "dns-amplification", dst_port=80) & Mark.REFLECTOR

    def test_an_unknown_protocol_counts_as_udp_in_an_amplification(self) -> None:
        """Amplifications run over UDP."""
        assert mark(None, "ntp-amplification", src_port=123) & Mark.REFLECTOR
        assert not mark(None, "http-flood", src_port=123) & Mark.REFLECTOR

    def test_tcp_servers_reflect_where_the_vector_says_so(self) -> None:
        """A server answering forged SYNs is no bot; a client's port stays unmarked."""
        assert mark(TCP, "tcp-reflection", src_port=443, dst_port=5000, flags=SYN | ACK) == Mark.REFLECTOR
        assert mark(TCP, "tcp-reflection", src_port=50_000, flags=SYN | ACK) == Mark.NONE
        assert mark(TCP, "syn-flood", src_port=443, flags=SYN | ACK) == Mark.NONE


class TestSharedAddress:
    def test_shared_space_is_marked_beside_the_others(self) -> None:
        """Marks do not exclude each other."""
        assert mark(TCP, "http-flood", flags=SYN | ACK, shared=True) == Mark.SHARED_ADDRESS
        everything = Mark.SPOOFABLE | Mark.REFLECTOR | Mark.SHARED_ADDRESS
        assert mark(UDP, "dns-amplification", src_port=53, shared=True) == everything
