"""Which addresses a stranger's URL may lead to: everything public, and nothing else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.senders.public_addresses import is_public, networks
from services.notifier.senders.webhook import allowed
from services.notifier.settings import NotifierSettings


@pytest.mark.parametrize("address", [
        "8.8.8.8", "103.10.64.1", "1.1.1.1", "2606:4700:4700::1111", "2001:4860:4860::8888",
        "2404:8000::1", "2a00:1450::1", "::ffff:8.8.8.8", "223.255.255.255",
    ])  # fmt: skip
def test_the_internet_is_public(address: str) -> None:
    """The rule is not empty."""
    assert is_public(address)


@pytest.mark.parametrize("address", [
        # this host, private, shared, link-local (cloud metadata), reserved, multicast, broadcast
        "0.0.0.0", "0.1.2.3",  # noqa: S104 - nothing is bound to it
        "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1",
        "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254",
        "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
        "198.51.100.1", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255",
        # IPv6 of its own
        "::", "::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd00::1",
        "ff02::1", "100::1", "100:0:0:1::1", "5f00::1", "2001:db8::1", "3fff::1", "3fff:fff::1",
        "2001:2::1", "2001:10::1", "2001:20::1", "2001:1::1", "4000::1", "2606:4700::1%1",
        # an IPv4 address inside: mapped, compatible, translated, NAT64, local NAT64, 6to4,
        # Teredo, ISATAP
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::a00:1", "2002:7f00:1::",
        "2002:a00:1::1", "2001:0:7f00:1::", "2001:0:53aa:64c:0:0:80ff:fffe",
        "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1",
        # no address
        "", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "8.8.8.8/32", " 8.8.8.8",
    ])  # fmt: skip
def test_an_outsider_cannot_lead_a_webhook_inside(address: str) -> None:
    """However an address of the inside is written, and whatever carries one."""
    assert not is_public(address)


@given(st.ip_addresses(v=6) | st.ip_addresses(v=4))
def test_what_python_says_is_not_global_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """A second opinion: nothing passes here that the standard library keeps back."""
    if is_public(str(address)):
        inner = getattr(address, "ipv4_mapped", None) or address
        assert inner.is_global
        assert not inner.is_multicast


def test_an_installations_own_networks_may_be_refused_too() -> None:
    """What stands at a public address of ours trusts our other machines."""
    ours = networks(["103.10.64.0/24", "2404:8000:1::/48"])
    assert not is_public("103.10.64.9", ours)
    assert not is_public("::ffff:103.10.64.9", ours)
    assert not is_public("2404:8000:1::9", ours)
    assert is_public("103.10.65.9", ours)
    with pytest.raises(ValueError, match="network"):
        NotifierSettings.model_validate({"webhook_refused_networks": ["ours"]})


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://kanal.example/kabar", True),
        ("https://kanal.example:443/kabar", True),
        ("https://kanal.example:8443/kabar", True),
        ("https://kanal.example:22/", False),
        ("https://kanal.example:6379/", False),
        ("https://kanal.example:9092/", False),
        ("https://kanal.example:80/", False),
        ("https://kanal.example:0/", False),
        ("https://kanal.example:65536/", False),
        ("http://kanal.example/", False),
        ("ftp://kanal.example/", False),
        ("https:///kabar", False),
        ("https://user:secret@kanal.example/", False),
        ("https://@kanal.example/", True),  # nobody is named
        ("https://[::1/", False),
        ("kabar", False),
        ("", False),
    ],
)
def test_only_https_on_the_ports_of_web_servers_is_taken(url: str, taken: bool) -> None:  # noqa: FBT001
    """A mail server or a database would read a post as commands of its own."""
    assert (allowed(url, is_local=False) is not None) is taken
