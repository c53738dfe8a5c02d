"""A registry in S3 behaves as one in a folder: the same calls, on a real server."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from registry_runs import make_run, trust_of
from registry_servers import s3_server

from medtune.errors import RecipeError, RegistryError, VerificationError
from medtune.registry.promote import promote
from medtune.registry.pull import pull
from medtune.registry.push import push
from medtune.registry.registry import create_in_store, open_registry
from medtune.registry.s3 import S3Store
from medtune.registry.trust import Trust
from medtune.registry.verify import verify

WRITERS = 8


@pytest.fixture
def place(monkeypatch):
    import boto3

    with s3_server() as address:
        for name, value in {
            "AWS_ENDPOINT_URL": address, "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(
            Bucket=(bucket := f"hospital-{uuid.uuid4().hex[:8]}")
        )
        yield f"s3://{bucket}/adapters"


@pytest.fixture
def root(tmp_path, site):
    file = tmp_path / "trust.yaml"
    file.write_text(trust_of(site))
    return file


@pytest.fixture
def in_s3(place, root):
    return create_in_store(S3Store(place), Trust.model_validate(yaml.safe_load(root.read_text())))


def test_push_promote_pull_and_what_was_changed_is_refused(in_s3, place, root, site, run):
    done = push(in_s3, run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci"))
    promote(in_s3, "demo", "v1", "production", site.key("board"))
    pulled = pull(open_registry(place, root), "demo:production")
    assert pulled.path.name == done.manifest
    version = in_s3.layout.version(done.manifest)
    key = f"blobs/sha256/{version.files[1].sha256}"
    in_s3.layout.store.delete(key)
    with pytest.raises(VerificationError, match="is not here"):
        verify(in_s3, "demo", "v1")


def test_a_registry_that_comes_from_elsewhere_needs_ones_own_root(in_s3, place):
    with pytest.raises(RecipeError, match="cannot vouch for itself"):
        open_registry(place)


def test_a_registry_is_made_once(in_s3):
    with pytest.raises(RegistryError, match="a registry already"):
        create_in_store(in_s3.layout.store, in_s3.trust)


def test_eight_who_push_and_promote_at_once_lose_nothing(in_s3, place, root, site, tmp_path):
    runs = [make_run(tmp_path / f"run-{n}", site, seed=20 + n) for n in range(WRITERS)]

    def work(number: int) -> None:
        registry = open_registry(place, root)
        done = push(registry, runs[number], site.base_files, key=site.key("trainer"),
                    gate_key=site.key("ci"))  # fmt: skip
        promote(registry, "demo", done.version, "production", site.key("board"))

    with ThreadPoolExecutor(WRITERS) as at_once:
        list(at_once.map(work, range(WRITERS)))
    found = in_s3.standings("demo")
    kinds = [entry.event.kind for entry in in_s3.entries("demo")]
    assert (kinds.count("push"), kinds.count("promote")) == (WRITERS, WRITERS)
    assert sorted(found.versions) == [f"v{n}" for n in range(1, WRITERS + 1)]
    labels, _ = in_s3.layout.named_versions("demo")
    assert labels["production"] == found.versions[found.holders["production"]].manifest
    for version in found.versions:
        verify(in_s3, "demo", version)
