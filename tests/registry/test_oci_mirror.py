"""Versions in OCI registries: the Distribution server with logins and TLS, read by skopeo."""

import base64
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from mirrored_versions import make_store, make_version, manifest, same_blobs
from registry_servers import cut_line, free_port, needs_oci_registry, oci_registry, token_registry

from medtune.digests import sha256_bytes
from medtune.errors import RegistryError, VerificationError
from medtune.registry.layout import blob_key
from medtune.registry.manifest import INDEX
from medtune.registry.mirrors import fetch, read_content, send
from medtune.registry.oci import OciMirror

USER, PASSWORD = "clinician", "tr0ub4dor-and-3"
pytestmark = needs_oci_registry


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    for name in [one for one in os.environ if one.startswith("MEDTUNE_OCI")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with oci_registry(tmp_path_factory.mktemp("plain")) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """With login and TLS; yields its address and the file of its authority."""
    folder = tmp_path_factory.mktemp("guarded")
    with oci_registry(folder, f"{USER}:{PASSWORD}", tls=True) as address:
        yield address, folder / "ca.crt"


@pytest.fixture
def logged_in(guarded, monkeypatch):
    monkeypatch.setenv("MEDTUNE_OCI_CA", str(guarded[1]))
    monkeypatch.setenv("MEDTUNE_OCI_USER", USER)
    monkeypatch.setenv("MEDTUNE_OCI_PASSWORD", PASSWORD)
    return guarded[0]


@pytest.fixture
def new_store(tmp_path):
    return lambda name: make_store(tmp_path / name)


@pytest.fixture
def version(tmp_path):
    """A store with a version and two referrers: store, version, referrers."""
    return make_version(make_store(tmp_path / "here"))


def repository(address):
    return f"oci://{address}/lab/{os.urandom(6).hex()}"


def skopeo(*arguments):
    done = subprocess.run(["skopeo", *arguments], check=True, capture_output=True)
    return done.stdout


def test_a_version_comes_back_with_what_refers_to_it(logged_in, version, new_store):
    store, one, attached = version
    url = repository(logged_in)
    sent = send(store, one, attached, OciMirror(url), ["1.0.0", "production"])
    assert sent.num_blobs == 5
    assert sent.num_bytes == (3 << 20) + len(b"{}[1]gatescores")
    for reference in ("1.0.0", "production", f"sha256:{one}"):
        back = new_store(reference.replace(":", "-"))
        fetched = fetch(OciMirror(url), reference, back)
        assert fetched.manifest == one
        assert sorted(fetched.referrers) == sorted(attached)
        assert same_blobs(store, back)


def test_what_is_there_is_not_sent_again(logged_in, version):
    store, one, attached = version
    url = repository(logged_in)
    send(store, one, attached[:1], OciMirror(url), ["1"])
    assert send(store, one, attached[:1], OciMirror(url), ["1"])[:2] == (0, 0)
    more = send(store, one, attached, OciMirror(url), ["1"])
    assert more[:2] == (1, len(b"scores"))
    assert sorted(OciMirror(url).referrers(one)) == sorted(attached)


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
def test_skopeo_reads_what_was_sent(logged_in, guarded, version, tmp_path):
    store, one, attached = version
    url = repository(logged_in)
    send(store, one, attached, OciMirror(url), ["1.0.0"])
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    shutil.copy(guarded[1], certificates)
    at = f"docker://{url.removeprefix('oci://')}"
    login = (f"--creds={USER}:{PASSWORD}", f"--cert-dir={certificates}")
    assert skopeo("inspect", "--raw", *login, f"{at}:1.0.0") == store.read(blob_key(one))
    listed = json.loads(skopeo("inspect", "--raw", *login, f"{at}:sha256-{one}"))
    assert {entry["digest"] for entry in listed["manifests"]} == {f"sha256:{d}" for d in attached}
    assert {entry["artifactType"] for entry in listed["manifests"]} == {
        "application/vnd.medtune.gate.v1", "application/vnd.medtune.scores.v1",
    }  # fmt: skip
    skopeo(
        "copy", f"--src-creds={USER}:{PASSWORD}", f"--src-cert-dir={certificates}",
        f"{at}:1.0.0", f"oci:{tmp_path / 'layout'}:1.0.0",
    )  # fmt: skip
    for blob in (*read_content(store.read(blob_key(one)), "here").blobs,):
        key = blob_key(blob.sha256)
        assert (tmp_path / "layout" / key).read_bytes() == store.read(key)


def test_logins_are_read_where_docker_keeps_them(logged_in, version, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDTUNE_OCI_PASSWORD")
    (tmp_path / "docker").mkdir()
    known = {
        "auths": {logged_in: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    }
    (tmp_path / "docker" / "config.json").write_text(json.dumps(known))
    assert not OciMirror(repository(logged_in)).has_blob("0" * 64)
    (tmp_path / "docker" / "config.json").write_text("{")
    with pytest.raises(RegistryError, match="logins cannot be read"):
        OciMirror(repository(logged_in))


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"MEDTUNE_OCI_PASSWORD": "wr0ng-and-secret"}, "refused the login"),
        ({"MEDTUNE_OCI_PASSWORD": ""}, "asks for a login; set MEDTUNE_OCI_USER"),
        ({"MEDTUNE_OCI_CA": ""}, "name the file of its authority in MEDTUNE_OCI_CA"),
        ({"MEDTUNE_OCI_CA": "/nowhere.crt"}, "MEDTUNE_OCI_CA names /nowhere.crt"),
    ],
)
def test_what_keeps_one_out_is_told_in_one_line(logged_in, version, monkeypatch, environment, told):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store, one, attached = version
    url = repository(logged_in)
    for call in (
        lambda: send(store, one, attached, OciMirror(url), ["1"]),
        lambda: fetch(OciMirror(url), "1", store),
    ):
        with pytest.raises(RegistryError, match=told) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert "wr0ng-and-secret" not in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_tokens_are_asked_for_by_what_is_done(tmp_path, version, new_store, monkeypatch):
    monkeypatch.setenv("MEDTUNE_OCI_USER", USER)
    monkeypatch.setenv("MEDTUNE_OCI_PASSWORD", PASSWORD)
    store, one, attached = version
    with token_registry(tmp_path, f"{USER}:{PASSWORD}") as (address, scopes):
        url = f"oci://{address}/lab/adapters"
        send(store, one, attached, OciMirror(url), ["1.0.0"])
        back = new_store("back")
        fetch(OciMirror(url), "1.0.0", back)
        assert same_blobs(store, back)
        asked = {
            frozenset(one.removeprefix("repository:lab/adapters:").split(",")) for one in scopes
        }
        assert asked == {frozenset(["pull"]), frozenset(["pull", "push"])}
        monkeypatch.setenv("MEDTUNE_OCI_PASSWORD", "wr0ng-and-secret")
        with pytest.raises(RegistryError, match="refused the login") as caught:
            fetch(OciMirror(url), "1.0.0", back)
        assert "wr0ng" not in str(caught.value)
        monkeypatch.delenv("MEDTUNE_OCI_USER")
        with pytest.raises(RegistryError, match="asks for a login"):
            fetch(OciMirror(url), "1.0.0", back)


def test_a_registry_that_is_not_there_is_told_in_one_line():
    with pytest.raises(RegistryError, match="cannot be reached") as caught:
        OciMirror(repository(f"localhost:{free_port()}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["oci://host", "oci://host/Upper", "oci://host/a/../b", "oci://host/a:1", "oci://u:p@h/a"],
)
def test_an_address_that_is_no_repository_is_refused(url):
    with pytest.raises(RegistryError, match="is no repository"):
        OciMirror(url)


def test_a_name_that_is_not_there_is_told(plain, new_store):
    mirror = OciMirror(repository(plain))
    for reference in ("1.0.0", "sha256:" + "0" * 64):
        with pytest.raises(RegistryError, match="has no"):
            fetch(mirror, reference, new_store(reference[:3]))
    for reference in ("a+b", "sha256:short"):
        with pytest.raises(RegistryError, match=r"can be no tag|is no sha256"):
            mirror.resolve(reference)


def test_a_download_that_was_cut_goes_on_where_it_ended(plain, version, tmp_path):
    store, one, _ = version
    name = repository(plain).partition("/lab/")[2]
    send(store, one, [], OciMirror(f"oci://{plain}/lab/{name}"), ["1"])
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    with cut_line(plain) as line:
        mirror = OciMirror(f"oci://localhost:{line.port}/lab/{name}")
        line.requests.clear()
        line.cuts = [1 << 20, 1 << 19]
        mirror.fetch_blob(weights.sha256, weights.size, tmp_path / "weights")
        asked = [one for one in line.requests if one.startswith(b"GET")]
    assert sha256_bytes((tmp_path / "weights").read_bytes()) == weights.sha256
    assert line.cuts == []
    assert b"range:" not in asked[0].lower()
    starts = [int(one.lower().split(b"range: bytes=")[1].split(b"-")[0]) for one in asked[1:]]
    assert len(starts) == 2
    assert 900_000 < starts[0] < starts[1] < weights.size


def test_a_download_goes_on_after_its_process_ended(plain, version, tmp_path):
    store, one, _ = version
    mirror = OciMirror(repository(plain))
    send(store, one, [], mirror, [])
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    target = tmp_path / "weights"
    target.write_bytes(store.read(blob_key(weights.sha256))[: 1 << 20])
    with cut_line(plain) as line:
        there = OciMirror(mirror.place.replace(plain, f"localhost:{line.port}"))
        line.requests.clear()
        there.fetch_blob(weights.sha256, weights.size, target)
        assert [b"bytes=1048576-" in one for one in line.requests] == [True]
    assert sha256_bytes(target.read_bytes()) == weights.sha256


def test_a_wrong_beginning_is_found_removed_and_not_built_on(plain, version, tmp_path):
    store, one, _ = version
    mirror = OciMirror(repository(plain))
    send(store, one, [], mirror, [])
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    target = tmp_path / "weights"
    target.write_bytes(b"x" * 1000)
    with pytest.raises(VerificationError, match="have digest"):
        mirror.fetch_blob(weights.sha256, weights.size, target)
    assert not target.exists()
    mirror.fetch_blob(weights.sha256, weights.size, target)


def test_bytes_that_a_registry_changed_are_refused(tmp_path, version, new_store):
    store, one, attached = version
    with oci_registry(tmp_path / "registry") as address:
        mirror = OciMirror(repository(address))
        send(store, one, attached, mirror, ["1"])
        weights = read_content(store.read(blob_key(one)), "here").blobs[1].sha256
        file = next((tmp_path / "registry" / "blobs").rglob(f"{weights}/data"))
        file.write_bytes(file.read_bytes()[:-1] + b"!")
        back = new_store("back")
        with pytest.raises(VerificationError, match="have digest"):
            fetch(mirror, "1", back)
        assert back.size(blob_key(weights)) is None
        assert back.size(blob_key(one)) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"adapter_config.json", b"adapter_konfig.json", "have digest"),
        (b'"manifests": [', b'"manifests": {', "a list of referrers is none"),
    ],
)
def test_manifests_that_were_changed_on_the_way_are_refused(
    plain, version, new_store, old, new, told
):
    store, one, attached = version
    url = repository(plain)
    send(store, one, attached, OciMirror(url), ["1"])
    with cut_line(plain) as line:
        mirror = OciMirror(url.replace(plain, f"localhost:{line.port}"))
        line.swaps[old] = new
        with pytest.raises(VerificationError, match=told):
            fetch(mirror, f"sha256:{one}", new_store("back"))
        with pytest.raises(VerificationError, match=told):
            (mirror.referrers if b"manifests" in old else mirror.manifest)(one)


def test_a_referrer_of_something_else_is_refused(plain, version, new_store):
    store, one, attached = version
    url = repository(plain)
    other = manifest(store, {"adapter_config.json": b"[2]"})
    send(store, one, [], OciMirror(url), ["1"])
    send(store, other, [], OciMirror(url), [])
    send(store, one, attached, OciMirror(url), [])
    with cut_line(plain) as line:
        mirror = OciMirror(url.replace(plain, f"localhost:{line.port}"))
        line.swaps[attached[0].encode()] = other.encode()
        with pytest.raises(VerificationError, match="it does not"):
            fetch(mirror, "1", new_store("back"))


def test_a_changed_store_sends_nothing_under_a_wrong_name(plain, version):
    store, one, attached = version
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    path = store.root / blob_key(weights.sha256)
    path.chmod(0o644)
    path.write_bytes(bytes(weights.size))
    mirror = OciMirror(repository(plain))
    with pytest.raises(VerificationError, match="have digest"):
        send(store, one, attached, mirror, ["1"])
    assert not mirror.has_blob(weights.sha256)
    with pytest.raises(RegistryError, match="has nothing"):
        mirror.resolve("1")


def test_eight_who_attach_at_once_are_all_listed(plain, version):
    store, one, _ = version
    url = repository(plain)
    send(store, one, [], OciMirror(url), ["1"])
    attached = [manifest(store, {"gate.json": b"%d" % n}, one) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda digest: send(store, one, [digest], OciMirror(url), []), attached))
    assert sorted(OciMirror(url).referrers(one)) == sorted(attached)


def test_a_list_that_another_overwrites_after_a_look_is_written_again(plain, version, monkeypatch):
    store, one, attached = version
    url = repository(plain)
    send(store, one, attached[:1], OciMirror(url), ["1"])
    stale = OciMirror(url)
    index = stale._manifest_at(f"sha256-{one}")
    pauses = []

    def meanwhile(_):
        pauses.append(1)
        if len(pauses) == 2:  # the first look is over
            stale._put_manifest(f"sha256-{one}", index, INDEX)

    monkeypatch.setattr("medtune.registry.oci.time.sleep", meanwhile)
    send(store, one, attached[1:], OciMirror(url), [])
    assert len(pauses) > 2
    assert sorted(OciMirror(url).referrers(one)) == sorted(attached)
