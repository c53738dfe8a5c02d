from collections.abc import Callable
from pathlib import Path

import pytest
from registry_runs import Site, make_run, make_site, trust_of

from medtune.registry.promote import promote
from medtune.registry.push import Pushed, push
from medtune.registry.registry import Registry, create_registry, open_registry


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDTUNE_REGISTRY", raising=False)
    monkeypatch.delenv("MEDTUNE_TRUST", raising=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    return make_site(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="module")
def run(site: Site, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "demo", site)


@pytest.fixture(scope="module")
def other_run(site: Site, tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "other", site, seed=2)


@pytest.fixture
def trust(site: Site) -> str:
    return trust_of(site)


@pytest.fixture
def registry(tmp_path: Path, trust: str) -> Registry:
    return create_registry(tmp_path / "adapters", trust)


@pytest.fixture
def pushed(registry: Registry, run: Path, site: Site) -> Pushed:
    return push(
        registry, run, site.base_files, key=site.key("trainer"), gate_key=site.key("ci")
    )  # fmt: skip


@pytest.fixture
def promoted(registry: Registry, pushed: Pushed, site: Site) -> Pushed:
    promote(registry, "demo", "v1", "production", site.key("board"))
    return pushed


@pytest.fixture
def change_trust(registry: Registry) -> Callable[..., Registry]:
    """The same registry under a root that was edited."""

    def change(edit: Callable[[dict], None]) -> Registry:
        import yaml

        file = Path(registry.place) / "trust.yaml"
        values = yaml.safe_load(file.read_text())
        edit(values)
        file.write_text(yaml.safe_dump(values))
        return open_registry(registry.place)

    return change
