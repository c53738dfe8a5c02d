"""Bases that tests share: a tiny random one, made here, and smollm2-135m through our own fetch."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from tiny_models import make_tiny_base

from medtune import models as medtune_models
from medtune.models import LocatedBase
from medtune.recipe import Base
from medtune.records import Silent

if TYPE_CHECKING:
    from browser import Tab

# Tiny tensors: threads only wait for each other, the more so on cores that others use as well.
# Processes that tests start have as many, so that results can be compared to the bit.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random base."""
    return make_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def smollm2() -> LocatedBase:
    """The default base, fetched and converted as a user's would be; no network, no tests."""
    section = Base(model="smollm2-135m")
    return medtune_models.locate_base(section, offline=False, progress=Silent())


@pytest.fixture(scope="session")
def medtune_data() -> Path:
    """The folder of real data; tests that need it skip without it."""
    if not os.environ.get("MEDTUNE_DATA"):
        pytest.skip("MEDTUNE_DATA is not set: no real data to test on")
    return Path(os.environ["MEDTUNE_DATA"])


@pytest.fixture(scope="module")
def tab() -> Iterator["Tab"]:
    """A tab; without a browser the tests skip, but in a CI they fail."""
    from browser import chromium, find_chromium

    program = find_chromium()
    if program is None:
        reason = "chromium is not installed: apt-get install -y chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium(program) as opened:
        yield opened
