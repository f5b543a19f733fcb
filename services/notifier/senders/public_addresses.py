"""Which addresses and ports of the internet a stranger's URL may lead to. Pure.

Allowed is what is known to be public, not what is not known to be private: of IPv6 2000::/3 alone,
of both families without the special ranges of IANA's registries (RFC 6890 and its updates).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

PORTS: Final = frozenset({443, 8443})
Network = IPv4Network | IPv6Network
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_SPECIAL_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_SPECIAL_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, benchmarking, ORCHID and whatever IETF assigns there next
        "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214: an IPv4 address at the end


def is_public(address: str, refused: Sequence[Network] = ()) -> bool:
    """Say whether an address is one of the internet's, also where it carries one of IPv4.

    `refused` names networks more, such as the installation's own. What is no address is not.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return False
        parsed = parsed.ipv4_mapped or parsed
    if any(parsed in network for network in refused):
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _SPECIAL_V4)
    return (
        parsed in _GLOBAL_V6
        and not any(parsed in network for network in _SPECIAL_V6)
        and (int(parsed) >> 32) & 0xFFFFFFFF not in _ISATAP
    )


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks, such as `203.0.113.0/24`.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(text) for text in texts)
