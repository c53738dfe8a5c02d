"""Addresses of registries on networks: what they need here, and which may do without TLS."""

import ipaddress
from importlib.util import find_spec
from urllib.parse import urlsplit

from medtune.errors import RegistryError


def require_package(package: str, place: str, extra: str) -> None:
    """Refuse an address whose package is not installed.

    Raises:
        RegistryError: It is not; the message says how to install it.
    """
    if find_spec(package) is None:
        raise RegistryError(
            f"{place} is reached through {package}, which is not installed: "
            f'pip install "medtune[{extra}]"'
        )


def is_loopback(url: str) -> bool:
    """Whether the address is this machine, by name or number: nothing leaves it unencrypted."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
