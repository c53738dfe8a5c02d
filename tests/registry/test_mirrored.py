"""Versions in a real OCI registry with login and TLS: sent, read by skopeo, pulled, not fooled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from registry_runs import blob, trust_of
from registry_servers import needs_oci_registry, oci_registry

from medtune.errors import RecipeError, RegistryError, VerificationError
from medtune.registry.mirroring import open_mirrored, send_version
from medtune.registry.promote import promote
from medtune.registry.pull import pull
from medtune.registry.push import push
from medtune.registry.registry import open_registry

USER, PASSWORD = "ward", "correct-horse"
pytestmark = needs_oci_registry


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("oci")
    with oci_registry(folder, f"{USER}:{PASSWORD}", tls=True) as address:
        yield address, folder / "ca.crt"


@pytest.fixture
def place(server, request, monkeypatch):
    monkeypatch.setenv("MEDTUNE_OCI_USER", USER)
    monkeypatch.setenv("MEDTUNE_OCI_PASSWORD", PASSWORD)
    monkeypatch.setenv("MEDTUNE_OCI_CA", str(server[1]))
    name = request.node.name[:40].replace("_", "-").rstrip("-").lower()
    return f"oci://{server[0]}/adapters/{name}"


@pytest.fixture
def root(tmp_path, site):
    file = tmp_path / "own-trust.yaml"
    file.write_text(trust_of(site))
    return file


def skopeo(*words: str, place: str, server) -> subprocess.CompletedProcess:
    certificates = Path(server[1]).parent / "certificates"
    certificates.mkdir(exist_ok=True)
    shutil.copy(server[1], certificates / "ca.crt")
    return subprocess.run(
        ["skopeo", *words[:-1], "--creds", f"{USER}:{PASSWORD}", "--cert-dir", str(certificates),
         words[-1]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip


def test_a_version_goes_there_is_read_by_skopeo_and_is_pulled_with_ones_own_root(
    registry, promoted, place, server, root
):
    sent = send_version(registry, "demo:production", place)
    assert sent.tags == ("v1", "production")
    address = place.replace("oci://", "docker://")
    raw = skopeo("inspect", "--raw", f"{address}:production", place=place, server=server).stdout
    assert raw.encode() == blob(registry, promoted.manifest).read_bytes()
    again = send_version(registry, "demo:v1", place)
    assert again.num_blobs == 0
    for reference in (f"{place}:production", f"{place}:v1", f"{place}@sha256:{promoted.manifest}"):
        opened, name = open_mirrored(reference, root)
        pulled = pull(opened, name)
        assert pulled.path.name == promoted.manifest
        assert pulled.verified.decided is not None


def test_the_commands_do_the_same(registry, promoted, place, root, tmp_path):
    def medtune(*words):
        return subprocess.run(
            [sys.executable, "-m", "medtune", "registry", *words], capture_output=True, text=True,
            check=False, env=os.environ | {"MEDTUNE_TRUST": str(root)},
        )  # fmt: skip

    done = medtune("push", "demo:production", "--to", place, "--registry", registry.place)
    assert done.returncode == 0, done.stderr
    pulled = medtune("pull", f"{place}:production", "--out", str(tmp_path / "pulled"))
    assert pulled.returncode == 0, pulled.stderr
    assert (tmp_path / "pulled" / "adapter_model.safetensors").is_file()
    wrong = subprocess.run(
        [sys.executable, "-m", "medtune", "registry", "pull", f"{place}:production"],
        capture_output=True, text=True, check=False,
        env=os.environ | {"MEDTUNE_TRUST": str(root), "MEDTUNE_OCI_PASSWORD": "wrong-one"},
    )  # fmt: skip
    assert wrong.returncode == 1
    assert len(wrong.stderr.strip().splitlines()) == 1
    assert "wrong-one" not in wrong.stderr


def test_without_ones_own_root_nothing_is_pulled(registry, promoted, place):
    send_version(registry, "demo:v1", place)
    with pytest.raises(RecipeError, match="cannot vouch for itself"):
        open_mirrored(f"{place}:v1", None)


def test_a_tag_that_was_moved_is_refused(registry, promoted, other_run, site, place, root):
    other = push(registry, other_run, site.base_files, key=site.key("trainer"))
    send_version(registry, "demo:v1", place)
    send_version(registry, f"demo:{other.version}", place)
    from medtune.registry.oci import OciMirror

    mirror = OciMirror(place)
    mirror.send_manifest(blob(registry, other.manifest).read_bytes(), "production")
    mirror.finish()
    with pytest.raises(VerificationError, match="somebody moved the tag") as error:
        open_mirrored(f"{place}:production", root)
    assert error.value.exit_code == 5


def test_a_tag_moved_back_to_a_retired_version_is_refused(
    registry, promoted, other_run, site, place, root
):
    send_version(registry, "demo:v1", place)
    push(registry, other_run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))
    promote(registry, "demo", "v2", "production", site.key("board"))
    send_version(registry, "demo:production", place)
    opened, name = open_mirrored(f"{place}:production", root)
    assert pull(opened, name).verified.standing.version == "v2"
    from medtune.registry.oci import OciMirror

    mirror = OciMirror(place)
    mirror.send_manifest(blob(registry, promoted.manifest).read_bytes(), "production")
    mirror.finish()
    with pytest.raises(VerificationError, match="somebody moved the tag"):
        open_mirrored(f"{place}:production", root)


def test_a_foreign_root_is_refused(registry, promoted, place, site, tmp_path):
    send_version(registry, "demo:v1", place)
    foreign = tmp_path / "foreign.yaml"
    values = yaml.safe_load(trust_of(site))
    values["keys"] = [key for key in values["keys"] if key["name"] != "board"]
    foreign.write_text(yaml.safe_dump(values))
    with pytest.raises(VerificationError, match="not signed by any of the trusted keys"):
        open_mirrored(f"{place}:v1", foreign)


def test_a_checkout_without_weights_fetches_them_from_its_mirror(
    registry, promoted, place, tmp_path
):
    send_version(registry, "demo:v1", place)
    weights = [line for line in (Path(registry.place) / ".gitignore").read_text().splitlines()
               if line.startswith("/blobs/")]  # fmt: skip
    assert len(weights) == 1
    (Path(registry.place) / weights[0][1:]).unlink()
    from medtune.registry.verify import verify

    assert verify(registry, "demo", "v1", evidence_only=True).without_weights
    with pytest.raises(RegistryError, match=r"trust\.yaml names none"):
        pull(registry, "demo:v1")
    file = Path(registry.place) / "trust.yaml"
    file.write_text(file.read_text().replace("mirrors: []", f"mirrors: ['{place}']"))
    assert pull(open_registry(registry.place), "demo:v1").path.is_dir()
