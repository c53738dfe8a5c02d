"""Turn a GGUF, or a base in pickled .bin files, into a folder of safetensors, once."""

import io
import json
from contextlib import redirect_stderr
from pathlib import Path

from medtune.digests import sha256_named, write_json
from medtune.errors import BaseError
from medtune.models.cache import built_once, cache_folder, file_digests
from medtune.models.libraries import quiet_libraries
from medtune.records import Progress

CONVERTER = 1
"""Raised when a conversion comes out differently, so that no old folder is used."""


def convert_gguf(file: Path, digest: str, progress: Progress) -> Path:
    """The GGUF's weights, dequantised to bfloat16, with tokenizer and config, as a folder.

    Raises:
        BaseError: transformers cannot read this GGUF.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = cache_folder() / "converted" / f"{digest[:16]}-{CONVERTER}"
    with built_once(target) as folder:
        if folder is not None:
            quiet_libraries()
            progress.say(f"converting {file.name} to safetensors, once (about 20 s)")
            name = {"gguf_file": file.name}
            try:
                # Its bar cannot be switched off, and would stand between our JSON lines.
                with redirect_stderr(io.StringIO()):
                    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **name)
                    model = AutoModelForCausalLM.from_pretrained(
                        str(file.parent), dtype=torch.bfloat16, **name
                    )
            except (ValueError, OSError, NotImplementedError, KeyError) as error:
                raise BaseError(f"{file} could not be read as GGUF: {error}") from error
            # transformers 5: a model read from GGUF counts as quantised and refuses to be saved,
            # although its weights are plain bfloat16 by now.
            del model.config.quantization_config
            model.hf_quantizer = None
            model.is_quantized = False
            del model.quantization_method
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    return target


def convert_bin(source: Path, progress: Progress) -> Path:
    """A copy of a base folder with its .bin weights as safetensors; pickles are never run.

    Raises:
        BaseError: A .bin file holds more than tensors, or the index does not fit.
    """
    import torch
    from safetensors.torch import save_file

    check_index(source, "pytorch_model.bin.index.json")
    shards = sorted(source.glob("pytorch_model*.bin"))
    others = [
        path
        for path in source.iterdir()
        if (path.suffix in (".json", ".model", ".jinja") or path.name == "merges.txt")
        and not path.name.endswith(".index.json")
    ]
    digests = file_digests().of([*shards, *others])
    key = sha256_named({path.name: digest for path, digest in digests.items()})
    target = cache_folder() / "converted" / f"{key[:16]}-{CONVERTER}"
    with built_once(target) as folder:
        if folder is None:
            return target
        progress.say(f"converting {source.name} from .bin to safetensors, once")
        index: dict[str, str] = {}
        size = 0
        for number, shard in enumerate(shards, 1):
            try:
                tensors = torch.load(shard, map_location="cpu", weights_only=True)
            except Exception as error:
                raise BaseError(f"{shard} is not a file of tensors only: {error}") from error
            name = f"model-{number:05}-of-{len(shards):05}.safetensors"
            # Tied tensors share memory, which safetensors refuses to store twice.
            tensors = {key: value.clone().contiguous() for key, value in tensors.items()}
            save_file(tensors, folder / name, metadata={"format": "pt"})
            index |= dict.fromkeys(tensors, name)
            size += sum(value.numel() * value.element_size() for value in tensors.values())
        write_json(
            folder / "model.safetensors.index.json",
            {"metadata": {"total_size": size}, "weight_map": index},
        )
        for path in others:
            (folder / path.name).write_bytes(path.read_bytes())
    return target


def check_index(folder: Path, name: str = "model.safetensors.index.json") -> None:
    """Refuse a folder whose index names a file that is not there.

    Raises:
        BaseError: A shard is missing, or the index is no JSON.
    """
    index = folder / name
    if not index.is_file():
        return
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseError(f"{index} is not an index of weight files") from error
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing:
        raise BaseError(f"{folder}: {len(missing)} weight files are missing, first {missing[0]}")
