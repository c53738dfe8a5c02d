"""Versions on the hub, through huggingface_hub, against a server of ours that speaks its calls."""

import pytest
from hub_server import TOKEN, hub_server
from huggingface_hub import constants
from mirrored_versions import make_store, make_version, manifest, same_blobs
from registry_servers import free_port

from medtune.digests import sha256_bytes
from medtune.errors import RegistryError, VerificationError
from medtune.registry.hub import HubMirror
from medtune.registry.layout import blob_key
from medtune.registry.mirrors import fetch, read_content, send

URL = "hf://lab/adapters"
# huggingface_hub 2.4 uploads large files by an argument that its HTTP client has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with hub_server() as (address, hub):
        hub.create("lab/adapters")
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # our server has no such store
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub


@pytest.fixture
def new_store(tmp_path):
    return lambda name: make_store(tmp_path / name)


@pytest.fixture
def version(tmp_path):
    return make_version(make_store(tmp_path / "here"))


def test_a_version_lies_at_the_root_and_its_evidence_below_our_folder(hub, version, new_store):
    store, one, attached = version
    sent = send(store, one, attached, HubMirror(URL), ["1.0.0"])
    commit, files = hub.commits["lab/adapters"][-1]
    assert sent.commit == commit
    assert sent.num_blobs == 5
    assert {path for path in files if not path.startswith(".")} == {
        "adapter_model.safetensors", "adapter_config.json",
    }  # fmt: skip
    assert files["adapter_config.json"] == b"[1]"
    for digest in (one, *attached):
        assert files[f".medtune/blobs/sha256/{digest}"] == store.read(blob_key(digest))
    for url, reference in ((URL, "1.0.0"), (URL, f"sha256:{one}"), (f"{URL}@{commit}", "1.0.0")):
        back = new_store(reference.replace(":", "-") + str(len(url)))
        fetched = fetch(HubMirror(url), reference, back)
        assert (fetched.manifest, sorted(fetched.referrers)) == (one, sorted(attached))
        assert same_blobs(store, back)


def test_what_is_there_is_not_sent_again_nor_committed(hub, version):
    store, one, attached = version
    first = send(store, one, attached[:1], HubMirror(URL), ["1"])
    hub.uploads.clear()
    assert send(store, one, attached[:1], HubMirror(URL), ["1"]) == (0, 0, first.commit)
    assert hub.uploads == []
    more = send(store, one, attached, HubMirror(URL), ["1"])
    assert more[:2] == (1, len(b"scores"))
    assert more.commit != first.commit
    assert "adapter_config.json" not in hub.uploads


def test_a_commit_holds_one_version_and_older_ones_stay_under_theirs(hub, version, new_store):
    store, one, attached = version
    first = send(store, one, attached, HubMirror(URL), ["1"])
    other = manifest(store, {"adapter_model.safetensors": b"w2", "again.json": b"[1]"})
    second = send(store, other, [], HubMirror(URL), ["2"])
    files = hub.commits["lab/adapters"][-1][1]
    assert {path for path in files if not path.startswith(".")} == {
        "adapter_model.safetensors", "again.json",
    }  # fmt: skip
    assert not any(digest in path for path in files for digest in (one, *attached))
    with pytest.raises(RegistryError, match="a commit holds one version"):
        fetch(HubMirror(URL), "1", new_store("none"))
    for commit, name, digest in ((first.commit, "1", one), (second.commit, "2", other)):
        assert fetch(HubMirror(f"{URL}@{commit}"), name, new_store(name)).manifest == digest


def test_evidence_may_come_before_its_version_and_after_it(hub, version, new_store):
    store, one, attached = version
    send(store, attached[0], [], HubMirror(URL), [])
    send(store, one, [], HubMirror(URL), ["1"])
    send(store, attached[1], [], HubMirror(URL), [])
    fetched = fetch(HubMirror(URL), "1", new_store("back"))
    assert (fetched.manifest, sorted(fetched.referrers)) == (one, sorted(attached))
    commits = len(hub.commits["lab/adapters"])
    send(store, attached[1], [], HubMirror(URL), [])
    send(store, one, [], HubMirror(URL), ["1"])
    assert len(hub.commits["lab/adapters"]) == commits


def test_files_that_others_put_there_stay(hub, version):
    store, one, attached = version
    files = hub.commits["lab/adapters"][-1][1] | {"README.md": b"# card\n", "notes.txt": b"x"}
    hub.add("lab/adapters", files)
    send(store, one, attached, HubMirror(URL), ["1"])
    now = hub.commits["lab/adapters"][-1][1]
    assert now["README.md"] == b"# card\n"
    assert now["notes.txt"] == b"x"


@pytest.mark.parametrize("path", ["adapter_model.safetensors", "adapter_config.json", "manifest"])
def test_what_was_changed_on_the_hub_is_refused_and_sent_anew(hub, version, new_store, path):
    store, one, attached = version
    send(store, one, attached, HubMirror(URL), ["1"])
    good = hub.commits["lab/adapters"][-1][1]
    path = path if path != "manifest" else f".medtune/blobs/sha256/{one}"
    hub.add("lab/adapters", good | {path: good[path][:-1] + b"!"})
    back = new_store("back")
    with pytest.raises(VerificationError, match="have digest"):
        fetch(HubMirror(URL), "1", back)
    assert back.size(blob_key(one)) is None
    if not path.startswith(".medtune"):
        send(store, one, attached, HubMirror(URL), ["1"])
        assert hub.commits["lab/adapters"][-1][1] == good


def test_a_changed_store_sends_nothing_under_a_wrong_name(hub, version):
    store, one, attached = version
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    path = store.root / blob_key(weights.sha256)
    path.chmod(0o644)
    path.write_bytes(bytes(weights.size))
    with pytest.raises(VerificationError, match="have digest"):
        send(store, one, attached, HubMirror(URL), ["1"])
    assert len(hub.commits["lab/adapters"]) == 1


@pytest.mark.parametrize("title", ["../x", "/x", ".medtune/index.json", ".gitattributes"])
def test_titles_that_lead_elsewhere_are_refused(hub, tmp_path, title):
    store = make_store(tmp_path / "bad")
    one = manifest(store, {title: b"x"})
    with pytest.raises(VerificationError, match=r"leads out of|no file of an adapter"):
        send(store, one, [], HubMirror(URL), ["1"])
    assert len(hub.commits["lab/adapters"]) == 1


def test_of_two_who_send_at_once_the_second_is_told(hub, version):
    store, one, attached = version
    late = HubMirror(URL)
    send(store, one, attached, HubMirror(URL), ["1"])
    other = manifest(store, {"adapter_config.json": b"[2]"})
    with pytest.raises(RegistryError, match="was written by another meanwhile"):
        send(store, other, [], late, ["2"])
    assert fetch(HubMirror(URL), "1", make_store(store.root.parent / "back")).manifest == one


def test_a_commit_stays_as_it_is(hub, version):
    store, one, attached = version
    commit = send(store, one, attached, HubMirror(URL), ["1"]).commit
    with pytest.raises(RegistryError, match="is one commit, which stays"):
        send(store, one, attached[:1], HubMirror(f"{URL}@{commit}"), ["2"])


def test_a_blob_comes_to_its_place_and_leaves_nothing_beside_it(hub, version, tmp_path):
    store, one, attached = version
    send(store, one, attached, HubMirror(URL), ["1"])
    weights = read_content(store.read(blob_key(one)), "here").blobs[1]
    target = tmp_path / "downloads" / "weights"
    target.parent.mkdir()
    HubMirror(URL).fetch_blob(weights.sha256, weights.size, target)
    assert sha256_bytes(target.read_bytes()) == weights.sha256
    assert list(target.parent.iterdir()) == [target]
    files = hub.commits["lab/adapters"][-1][1]
    hub.add("lab/adapters", files | {"adapter_model.safetensors": bytes(weights.size)})
    with pytest.raises(VerificationError, match="have digest"):
        HubMirror(URL).fetch_blob(weights.sha256, weights.size, target)
    assert not target.exists()
    with pytest.raises(VerificationError, match="bytes, and 5 are expected"):
        HubMirror(URL).fetch_blob(weights.sha256, 5, target)


def test_what_keeps_one_out_is_told_in_one_line(hub, version, monkeypatch):
    store, one, attached = version

    def told(call):
        with pytest.raises(RegistryError) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert TOKEN not in str(caught.value)
        return str(caught.value)

    assert "is no repository" in told(lambda: HubMirror("hf://adapters"))
    assert "is not there" in told(lambda: HubMirror("hf://lab/none"))
    assert "has no such commit" in told(lambda: HubMirror(f"{URL}@{'0' * 40}"))
    hub.gated.add("lab/adapters")
    assert "is gated" in told(lambda: HubMirror(URL))
    hub.gated.clear()
    assert "has nothing" in told(lambda: HubMirror(URL).resolve("1"))
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "HF_TOKEN" in told(lambda: send(store, one, attached, HubMirror(URL), ["1"]))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in told(lambda: HubMirror(URL))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert "cannot be reached" in told(lambda: HubMirror(URL))
    assert len(hub.commits["lab/adapters"]) == 1
