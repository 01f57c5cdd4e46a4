"""`python -m engine.model.pocket DIR`: write the pocket model's directory: the trained weights that ship, or random ones.

The same classes as the 14B model at the catalog's "pocket" shape, so that everything runs on a CPU without a download.
Trained weights lie beside this file in bfloat16 where they ship, and are written as float32, which a CPU computes with;
`--seed N` asks for random weights instead. Those show no faces: the manifest says `trained: false`, and so does
everything that reads it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.catalog import PROMPT_BYTES, SHAPES
from engine.errors import EngineError, WeightsError
from engine.model.config import TransformerConfig
from engine.model.manifest import CARD, SPEECH, TEXT, TRANSFORMER, VAE
from engine.model.transformer import Transformer
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.weights import empty_weights

SHAPE = SHAPES["pocket"]
VAE_SHAPE = {"dim": SHAPE.vae_dim, "dim_mult": list(SHAPE.vae_dim_mult)}
TEXT_SHAPE: dict[str, Any] = {
    "vocab_size": 384, "dim": SHAPE.text_dim, "dim_attn": 64, "dim_ffn": 160, "num_heads": 4, "encoder_layers": 2,
    "tokenizer": "bytes",
    "longest_prompt": PROMPT_BYTES["pocket"] + 1,  # in tokens, one ends it; nine in ten prompts of the training are shorter
}  # fmt: skip
SPEECH_SHAPE: dict[str, Any] = {
    "hidden_size": SHAPE.audio_dim, "num_hidden_layers": 24, "num_attention_heads": 4, "intermediate_size": 128,
    "conv_dim": [32] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": True, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "vocab_size": 33,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
CALM = {"head.head.weight": 0.5, "decoder.head.2.weight": 0.7, "time_projection.1.weight": 0.3}  # smaller than usual


SHIPPED = Path(__file__).with_name("pocket_weights")


def has_trained_weights(shipped: Path = SHIPPED) -> bool:
    """Trained weights ship with this package."""
    return (shipped / "model.json").is_file()


def write_trained(directory: Path, shipped: Path = SHIPPED) -> str:
    """Write the trained model's directory as float32, all of it or nothing; returns the manifest's text.

    Raises WeightsError where a shipped file is missing or damaged.
    """
    from safetensors.torch import load, save

    manifest = json.loads((shipped / "model.json").read_text())
    contents = {}
    for file, sha256 in manifest["files"].items():
        data = _shipped_file(shipped / file, sha256)
        contents[file] = save({name: tensor.float() for name, tensor in load(data).items()})
    manifest["shape"]["dtype"] = "float32"
    manifest["files"] = {file: hashlib.sha256(data).hexdigest() for file, data in contents.items()}
    text = json.dumps(manifest, indent=1) + "\n"
    cards = {path.name: path.read_bytes() for path in [shipped / CARD] if path.is_file()}
    publish(directory, {**contents, **cards, "model.json": text.encode()})
    return text


def _shipped_file(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: {error}.", hint="Install the package again.", path=str(path)) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"{path} is damaged: its sha256 differs.", hint="Install the package again.", path=str(path))
    return data


def write_pocket(directory: Path, seed: int = 0) -> str:
    """Write a model directory with random weights, all of it or nothing; returns the manifest's text.

    The same seed gives the same bytes.
    """
    from safetensors.torch import save

    contents = {
        file: save({name: draw(name, shape, f"{seed} {file}") for name, shape in sorted(shapes.items())})
        for file, shapes in _shapes().items()
    }
    manifest = {
        "name": SHAPE.name, "trained": False, "seed": seed, "shape": jsonable(vars(SHAPE)), "vae": VAE_SHAPE,
        "speech": SPEECH_SHAPE, "text": TEXT_SHAPE,
        "files": {file: hashlib.sha256(data).hexdigest() for file, data in contents.items()},
    }  # fmt: skip
    text = json.dumps(manifest, indent=1) + "\n"
    publish(directory, {**contents, "model.json": text.encode()})
    return text


def draw(name: str, shape: tuple[int, ...], salt: str) -> Tensor:
    """One tensor, from its name and the salt alone: norms near one, biases small, weights by their fan-in."""
    digest = hashlib.sha256(f"{salt} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    values = torch.randn(shape, generator=generator)
    if ("norm" in name and name.endswith("weight")) or name.endswith(("gamma", "weight_g")):
        return 1.0 + 0.05 * values
    if name.endswith("bias"):
        return 0.02 * values
    if name.endswith(("modulation", "padding_tokens", "casual_audio_encoder.weights")):
        return 0.2 * values
    if name.endswith(("embedding.weight", "cond_mask.weight")):
        return 0.5 * values
    fan_in = max(1, values[0].numel())
    return CALM.get(name, 1.0) * values / fan_in**0.5


def _shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    """File -> tensor name -> shape, under the public checkpoints' names."""
    with empty_weights():
        transformer = Transformer(TransformerConfig.from_shape(SHAPE))
        vae = VideoAutoencoder(VaeConfig.from_json(VAE_SHAPE))
    return {TRANSFORMER: _of(transformer), VAE: _of(vae), TEXT: _text_shapes(), SPEECH: _speech_shapes()}


def _of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def _text_shapes() -> dict[str, tuple[int, ...]]:
    dim, inner, wide = TEXT_SHAPE["dim"], TEXT_SHAPE["dim_attn"], TEXT_SHAPE["dim_ffn"]
    layer = {
        "norm1.weight": (dim,), "norm2.weight": (dim,), "pos_embedding.embedding.weight": (32, TEXT_SHAPE["num_heads"]),
        "attn.q.weight": (inner, dim), "attn.k.weight": (inner, dim), "attn.v.weight": (inner, dim),
        "attn.o.weight": (dim, inner), "ffn.gate.0.weight": (wide, dim), "ffn.fc1.weight": (wide, dim),
        "ffn.fc2.weight": (dim, wide),
    }  # fmt: skip
    shapes: dict[str, Any] = {"token_embedding.weight": (TEXT_SHAPE["vocab_size"], dim), "norm.weight": (dim,)}
    for index in range(TEXT_SHAPE["encoder_layers"]):
        shapes.update({f"blocks.{index}.{name}": shape for name, shape in layer.items()})
    return shapes


def _speech_shapes() -> dict[str, tuple[int, ...]]:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    with empty_weights():
        model = Wav2Vec2Model(Wav2Vec2Config(**SPEECH_SHAPE, apply_spec_augment=False, mask_time_prob=0.0))
    public = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    shapes = {}
    for name, shape in _of(model).items():
        for old, new in public.items():
            name = name.replace(old, new)
        shapes[f"wav2vec2.{name}"] = shape
    return shapes


def jsonable(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def publish(directory: Path, contents: dict[str, bytes]) -> None:
    """Write the files beside the directory's place and move them there in one rename."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    part, old = (directory.with_name(f".{directory.name}.{what}-{os.getpid()}") for what in ("part", "old"))
    part.mkdir()
    try:
        for name, data in contents.items():
            with (part / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if directory.exists():
            directory.rename(old)
        part.rename(directory)
        descriptor = os.open(directory.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m engine.model.pocket", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, help="random weights from this seed, even where trained ones ship")
    options = parser.parse_args(arguments)
    try:
        if options.seed is None and has_trained_weights():
            write_trained(options.directory)
            print(f"{options.directory}: trained pocket model")
        else:
            write_pocket(options.directory, options.seed or 0)
            print(f"{options.directory}: pocket model with random weights, seed {options.seed or 0}")
    except EngineError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
