"""What a registry asks of a store, asked of a folder and of S3 (moto's server)."""

import hashlib
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_servers import cut_line, free_port, s3_server

from medtune.digests import sha256_bytes
from medtune.errors import RegistryError, VerificationError
from medtune.registry.s3 import AT_ONCE, S3Store
from medtune.registry.store import FolderStore

SECRET = "wJalrXUtnFEMI-not-a-real-secret"
NAMES = st.text("abcxyz019_", min_size=1, max_size=6)
DATA = st.binary(max_size=200)


@pytest.fixture(scope="module")
def server():
    with s3_server() as url, pytest.MonkeyPatch.context() as patch:
        for name in [one for one in os.environ if one.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        client().create_bucket(Bucket="adapters")
        yield url


def client():
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


@pytest.fixture(params=["folder", "s3"])
def new_store(request, tmp_path):
    """Makes empty stores of one kind."""
    if request.param == "s3":
        request.getfixturevalue("server")

    def make():
        name = uuid.uuid4().hex
        if request.param == "s3":
            return S3Store(f"s3://adapters/{name}")
        (tmp_path / name).mkdir()
        return FolderStore(tmp_path / name)

    return make


@pytest.fixture
def s3(server):
    return S3Store(f"s3://adapters/{uuid.uuid4().hex}")


def write(store, key, data):
    return store.write_new(key, data, sha256_bytes(data))


def laws(function):
    return settings(
        max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )(function)  # fmt: skip


def test_what_was_never_written_is_absent(new_store):
    store = new_store()
    assert store.read("index.json") is None
    assert store.size("index.json") is None
    assert list(store.keys("log/")) == []
    store.delete("index.json")
    with pytest.raises(RegistryError, match=r"has no index\.json"):
        store.open("index.json")


@laws
@given(objects=st.dictionaries(NAMES, DATA, max_size=4), second=DATA)
def test_objects_are_written_once_and_read_as_they_were_written(new_store, objects, second):
    store = new_store()
    for name, data in objects.items():
        assert write(store, f"blobs/{name}", data)
        assert not write(store, f"blobs/{name}", second)
    for name, data in objects.items():
        assert store.read(f"blobs/{name}") == data
        assert store.size(f"blobs/{name}") == len(data)
        with store.open(f"blobs/{name}") as file:
            assert file.read() == data
    assert list(store.keys("blobs/")) == sorted(f"blobs/{name}" for name in objects)


@laws
@given(writes=st.lists(st.tuples(st.sampled_from([b"", b"a", b"b", None]), DATA), max_size=6))
def test_an_object_is_replaced_only_by_who_saw_it(new_store, writes):
    store, now = new_store(), None
    for seen, data in writes:
        assert store.replace("index.json", data, seen) == (seen == now)
        if seen == now:
            now = data
        assert store.read("index.json") == now


def test_an_object_that_is_gone_is_not_replaced(new_store):
    store = new_store()
    assert store.replace("index.json", b"one", None)
    store.delete("index.json")
    assert not store.replace("index.json", b"two", b"one")
    assert store.read("index.json") is None


def test_keys_are_those_below_a_folder_and_not_those_that_only_begin_alike(new_store):
    store = new_store()
    for key in ("log/b.jsonl", "log/a.jsonl", "logs/c.jsonl", "index.json"):
        write(store, key, b"x")
    assert list(store.keys("log/")) == ["log/a.jsonl", "log/b.jsonl"]


@pytest.mark.parametrize("key", ["../x", "/x", "a/../../x", ""])
def test_keys_that_lead_out_are_refused(new_store, key):
    store = new_store()
    for call in (
        lambda: store.read(key),
        lambda: store.size(key),
        lambda: store.open(key),
        lambda: write(store, key, b"x"),
        lambda: store.replace(key, b"x", None),
        lambda: store.delete(key),
    ):
        with pytest.raises(VerificationError, match="leads out of"):
            call()


@pytest.mark.parametrize("size", [3, AT_ONCE + 3])
def test_other_bytes_than_promised_leave_nothing(new_store, tmp_path, size):
    store, source = new_store(), tmp_path / "weights"
    source.write_bytes(os.urandom(size))
    with pytest.raises(VerificationError, match="have digest"):
        store.write_new("blobs/x", source, sha256_bytes(b"others"))
    assert store.size("blobs/x") is None
    assert list(store.keys("blobs/")) == []


def test_large_objects_arrive_whole_and_are_written_once(new_store, tmp_path):
    store, source = new_store(), tmp_path / "weights"
    source.write_bytes(os.urandom(2 * AT_ONCE + 12_345))
    digest = sha256_bytes(source.read_bytes())
    assert store.write_new("blobs/x", source, digest)
    assert not store.write_new("blobs/x", source, digest)
    with store.open("blobs/x") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
        assert file.seek(AT_ONCE - 1) == AT_ONCE - 1
        assert file.read(2) == source.read_bytes()[AT_ONCE - 1 : AT_ONCE + 1]


def test_a_file_is_added_under_its_digest(new_store, tmp_path):
    store, source = new_store(), tmp_path / "weights"
    source.write_bytes(b"weights")
    for _ in range(2):
        assert store.add_file("blobs/sha256", source) == sha256_bytes(b"weights")
    assert list(store.keys("blobs/")) == [f"blobs/sha256/{sha256_bytes(b'weights')}"]
    assert store.read(f"blobs/sha256/{sha256_bytes(b'weights')}") == b"weights"


def test_eight_writers_at_once_lose_nothing(new_store):
    store = new_store()

    def add(number):
        tries = 0
        while tries < 1000:
            seen = store.read("log/a.jsonl")
            if store.replace("log/a.jsonl", (seen or b"") + b"%d\n" % number, seen):
                return
            tries += 1
        raise AssertionError("never written")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, list(range(8)) * 3))
    lines = (store.read("log/a.jsonl") or b"").split()
    assert sorted(lines) == sorted(b"%d" % number for number in range(8) for _ in range(3))


def test_of_eight_who_write_a_new_object_one_does(new_store):
    store = new_store()
    with ThreadPoolExecutor(8) as pool:
        wrote = list(pool.map(lambda n: write(store, "blobs/x", b"%d" % n), range(8)))
    assert wrote.count(True) == 1
    assert store.read("blobs/x") == b"%d" % wrote.index(True)


def test_an_upload_that_failed_leaves_no_parts_that_cost(s3, tmp_path):
    source = tmp_path / "weights"
    source.write_bytes(os.urandom(2 * AT_ONCE))
    with pytest.raises(VerificationError):
        s3.write_new("blobs/x", source, "0" * 64)
    assert "Uploads" not in client().list_multipart_uploads(Bucket="adapters")


def test_a_file_that_shrinks_while_it_is_sent_is_refused(s3, tmp_path, monkeypatch):
    source = tmp_path / "weights"
    source.write_bytes(bytes(AT_ONCE + 1))
    digest = sha256_bytes(source.read_bytes())
    stat = source.stat()
    source.write_bytes(bytes(AT_ONCE))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: stat)
    with pytest.raises(VerificationError):
        s3.write_new("blobs/x", source, digest)
    assert s3.size("blobs/x") is None


def test_a_lost_answer_is_not_taken_for_a_lost_write(s3, server, monkeypatch):
    with cut_line(server) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
        line.cuts = [0]  # the answer to the write
        assert S3Store(s3.place).replace("log/a.jsonl", b"two", None)
        assert sum(one.startswith(b"PUT") for one in line.requests) == 1
    assert s3.read("log/a.jsonl") == b"two"


def test_a_cut_download_goes_on(s3, server, tmp_path, monkeypatch):
    source = tmp_path / "weights"
    source.write_bytes(os.urandom(AT_ONCE + 1))
    s3.write_new("blobs/x", source, sha256_bytes(source.read_bytes()))
    with cut_line(server) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
        with S3Store(s3.place).open("blobs/x") as file:
            line.cuts = [1 << 20]
            assert file.read() == source.read_bytes()
        assert line.cuts == []
        # A few MiB at a time, and the rest of the one that was cut.
        assert sum(one.startswith(b"GET") for one in line.requests) == 4


@pytest.mark.parametrize(
    ("url", "environment", "told"),
    [
        ("s3://nowhere-at-all/x", {}, "there is no bucket nowhere-at-all; make it first"),
        ("s3://adapters/x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:{free}"}, "annot be reached"),
        ("s3://adapters/x", {"AWS_ENDPOINT_URL": "http://10.0.0.1:9000"}, "AWS_ALLOW_HTTP=true"),
        ("s3://adapters/x", {"AWS_CA_BUNDLE": "/nowhere.pem"}, "AWS_CA_BUNDLE. cannot be read"),
        ("https://adapters/x", {}, "is no place in S3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(server, monkeypatch, url, environment, told):
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(free=free_port()))
    for call in (
        lambda store: store.read("index.json"),
        lambda store: write(store, "index.json", b"x"),
        lambda store: store.replace("index.json", b"x", None),
        lambda store: store.replace("index.json", b"x", b"y"),
        lambda store: list(store.keys("log/")),
    ):
        with pytest.raises(RegistryError, match=told) as caught:
            call(S3Store(url))
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)


def test_a_wrong_login_is_told_in_one_line_that_names_no_secret(s3, server):
    httpx.post(f"{server}/moto-api/reset-auth", content=b"0")
    try:
        with pytest.raises(RegistryError, match="login was refused") as caught:
            write(s3, "index.json", b"x")
    finally:
        httpx.post(f"{server}/moto-api/reset-auth", content=b"inf")
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "testing" not in str(caught.value)
    assert s3.read("index.json") is None
