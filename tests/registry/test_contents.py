"""What a registry refuses to hold, with the reason."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_runs import MODULES, Site, adapter_tensors, make_adapter, make_run
from safetensors.numpy import save_file

from medtune.errors import AdapterError, MedtuneError, VerificationError
from medtune.registry.contents import WEIGHTS, read_contents
from medtune.registry.push import BaseFiles, push
from medtune.registry.weights import base_shapes, read_header, read_tensors


@pytest.fixture
def adapter(tmp_path: Path, site: Site) -> Path:
    return make_adapter(tmp_path / "adapter", site)


def refused(adapter: Path, site: Site, match: str) -> None:
    with pytest.raises(AdapterError, match=match) as error:
        read_contents(adapter, base_shapes(site.base))
    assert error.value.exit_code == 5


def replace(adapter: Path, name: str, tensor) -> None:
    tensors = adapter_tensors(1)
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    save_file(tensors, adapter / WEIGHTS)


FIRST = f"base_model.model.{next(iter(MODULES))}"


def test_a_whole_adapter_is_held(adapter, site):
    assert len(read_contents(adapter, base_shapes(site.base)).files) == 4


@pytest.mark.parametrize("name", ["optimizer.pt", "adapter_model.bin", "x.pkl", "a.npy"])
def test_pickles_are_refused(adapter, site, name):
    (adapter / name).write_bytes(b"\x80\x04")
    refused(adapter, site, "pickled")


@pytest.mark.parametrize("name", ["notes.txt", "modeling.py", ".env"])
def test_unknown_files_are_refused(adapter, site, name):
    (adapter / name).write_text("x")
    refused(adapter, site, "no file of an adapter")


def test_links_and_folders_are_refused(adapter, site):
    (adapter / "tokenizer.json").symlink_to(adapter / "medtune.json")
    refused(adapter, site, "symbolic link")
    (adapter / "tokenizer.json").unlink()
    (adapter / "inner").mkdir()
    refused(adapter, site, "no file of an adapter")


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**63])
def test_absurd_headers_are_refused(adapter, site, length):
    file = adapter / WEIGHTS
    file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
    refused(adapter, site, "its header has")


def test_a_file_that_was_cut_or_grew_is_refused(adapter, site):
    file = adapter / WEIGHTS
    data = file.read_bytes()
    file.write_bytes(data[:-4])
    refused(adapter, site, "header describes")
    file.write_bytes(data + b"0000")
    refused(adapter, site, "header describes")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_that_are_not_finite_are_refused(adapter, site, value, dtype):
    tensors = adapter_tensors(1, dtype)
    tensors[f"{FIRST}.lora_A.weight"][1, 3] = value
    save_file(tensors, adapter / WEIGHTS)
    refused(adapter, site, "not finite")


def write_bfloat16(file: Path, tensors: dict[str, np.ndarray]) -> None:
    """Upper halves of 32-bit numbers: NumPy has no such type."""
    header, parts, place = {}, [], 0
    for name, tensor in tensors.items():
        data = (tensor.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": tensor.shape,
                        "data_offsets": [place, place + len(data)]}  # fmt: skip
        place += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bfloat16_weights_that_are_not_finite_are_refused(adapter, site, value):
    tensors = adapter_tensors(1)
    write_bfloat16(adapter / WEIGHTS, tensors)
    read_contents(adapter, base_shapes(site.base))
    tensors[f"{FIRST}.lora_B.weight"][0, 0] = value
    write_bfloat16(adapter / WEIGHTS, tensors)
    refused(adapter, site, "not finite")


def test_bfloat16_is_read_as_torch_reads_it(adapter):
    import torch
    from safetensors.torch import load_file

    write_bfloat16(adapter / WEIGHTS, adapter_tensors(1))
    ours = read_tensors(adapter / WEIGHTS)
    theirs = load_file(adapter / WEIGHTS)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert tensor.dtype == torch.bfloat16
        np.testing.assert_array_equal(ours[name], tensor.double().numpy())


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("half", [False, True])
def test_an_adapter_without_effect_is_refused(adapter, site, zero, half):
    tensors = {
        name: np.full_like(tensor, zero) if "lora_B" in name else tensor
        for name, tensor in adapter_tensors(1).items()
    }
    (write_bfloat16 if half else lambda f, t: save_file(t, f))(adapter / WEIGHTS, tensors)
    refused(adapter, site, "changes nothing")


def test_names_shapes_and_types_that_do_not_fit_are_refused(adapter, site):
    name = f"{FIRST}.lora_B.weight"
    replace(adapter, name, None)
    refused(adapter, site, "one of its two matrices is missing")
    replace(adapter, name, np.ones((12, 3), np.float32))
    refused(adapter, site, "not of rank 2")
    replace(adapter, name, np.ones((13, 2), np.float32))
    refused(adapter, site, r"made for a weight of shape \(13, 8\); the base has \(12, 8\)")
    replace(adapter, name, np.ones((12, 2), np.int32))
    refused(adapter, site, "I32")
    replace(adapter, name, np.ones((0, 2), np.float32))
    refused(adapter, site, "is empty")
    tensors = adapter_tensors(1)
    tensors["model.embed_tokens.weight"] = np.ones((2, 2), np.float32)
    save_file(tensors, adapter / WEIGHTS)
    refused(adapter, site, "no weight of a LoRA")


def test_a_module_that_the_base_has_not_is_refused(adapter, site):
    tensors = {name.replace("layers.0", "layers.7"): t for name, t in adapter_tensors(1).items()}
    save_file(tensors, adapter / WEIGHTS)
    refused(adapter, site, "no such module")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("bytes") / WEIGHTS
    file.write_bytes(data)
    with contextlib.suppress(AdapterError):
        read_header(file)


def test_a_run_on_another_base_is_not_pushed(registry, site, run):
    other = BaseFiles(digest="0" * 64, shapes=site.base_files.shapes)
    with pytest.raises(VerificationError, match="another base"):
        push(registry, run, other, key=site.key("trainer"))
    assert registry.layout.names() == []
    assert list(registry.layout.store.keys("blobs/sha256/")) == []


def test_texts_of_patients_stay_at_home(registry, site, tmp_path):
    run = make_run(tmp_path / "run", site)
    data = json.loads((run / "data.json").read_text())
    private = "probes/full/outcomes.jsonl"
    (run / "data.json").write_text(json.dumps(data | {"files_with_text": [private]}))
    done = push(registry, run, site.base_files, key=site.key("trainer"))
    assert {one.split(":")[0] for one in done.withheld} == {"probes full", "gate full"}
    assert set(done.attached) == {"run", "signature", "provenance"}


def test_a_folder_that_is_no_run_is_refused(registry, site, tmp_path):
    with pytest.raises(MedtuneError, match="no finished run"):
        push(registry, tmp_path, site.base_files)
