"""The attack vectors a report may name: a closed list, because statistics are counted by it."""

VECTORS = frozenset(
    {
        "ack-flood",
        "brute-force",
        "chargen-amplification",
        "cldap-amplification",
        "dns-amplification",
        "dns-flood",
        "gre-flood",
        "http-flood",
        "icmp-flood",
        "memcached-amplification",
        "ntp-amplification",
        "other",
        "scan",
        "slow-http",
        "snmp-amplification",
        "ssdp-amplification",
        "syn-flood",
        "tcp-reflection",
        "udp-flood",
    }
)
