"""Why a row is refused: the reason codes, in words."""

from collections.abc import Mapping

EXPECTED: Mapping[str, str] = {
    "too-few-cells": "as many cells as the header has columns",
    "too-many-cells": "as many cells as the header has columns; quote cells that hold commas",
    "missing": "a value: this column must be filled in every row",
    "too-long": "a cell within the length limit",
    "not-an-address": "an IPv4 address as a dotted quad, or an IPv6 address, without zone or prefix length",
    "mixed-families": "source and destination of one family",
    "port-range": "a port from 0 to 65535",
    "protocol-unknown": "an IANA protocol number, or tcp, udp, icmp, icmpv6, gre, esp, sctp",
    "time-format": "an RFC 3339 time such as 2026-03-01T12:00:00Z, or seconds in a column declared as epoch",
    "time-without-zone": "a time with its zone, or 'time_zone' in the envelope",
    "time-ambiguous": "a time that the declared zone has exactly once",
    "epoch-undeclared": "an RFC 3339 time, or the column's name in 'epoch_columns' of the envelope",
    "time-future": "a time that has come",
    "time-range": "a time since the year 2000",
    "time-reversed": "a last_seen no earlier than first_seen",
    "count-range": "a whole number from 0 to 2^63 - 1",
    "flags-format": "letters of FSRPAUEC with '.' for those not set, or a number from 0 to 255, also as 0x..",
}
