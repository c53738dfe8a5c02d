"""Addresses of registries: what they need here, and which may do without TLS."""

import subprocess
import sys

import pytest

from medtune.errors import RegistryError
from medtune.registry.addresses import is_loopback, require_package


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_only_this_machine_is_spoken_to_without_tls(host):
    assert is_loopback(f"http://{host}:5000/v2/")


@pytest.mark.parametrize(
    "host", ["localhost.evil.org", "10.0.0.1", "example.org", "127.0.0.1.evil.org", "[::2]", ""]
)
def test_other_machines_are_not_taken_for_this_one(host):
    assert not is_loopback(f"http://{host}/")
    assert not is_loopback(f"http://localhost@{host}/")


def test_a_package_that_is_not_installed_is_named_with_what_installs_it():
    require_package("json", "oci://host/a", "registry")
    with pytest.raises(RegistryError, match=r'oci://host/a .* pip install "medtune\[registry\]"'):
        require_package("no_such_package", "oci://host/a", "registry")


def test_transports_load_what_they_need_only_when_they_are_used():
    script = (
        "import sys, medtune.registry.s3, medtune.registry.oci, medtune.registry.hub\n"
        "print({'torch', 'obstore', 'oras', 'requests', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
