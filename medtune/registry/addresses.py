"""Addresses of registries on networks: which may be spoken to unencrypted."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether the address is this machine, by name or number: nothing leaves it unencrypted."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
