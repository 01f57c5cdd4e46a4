"""A model directory -> an engine. Tensors stay views of the buffers that `read_file` gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.model.block_engine import BlockEngine
from engine.model.config import TransformerConfig
from engine.model.manifest import FILES, SPEECH, TEXT, TRANSFORMER, VAE, Manifest, ReadFile
from engine.model.speech import build_speech_encoder
from engine.model.text import build_text_encoder, load_tokenizer
from engine.model.transformer import Transformer
from engine.model.vae import VideoAutoencoder
from engine.model.weights import assign, check_names, empty_weights, map_file, tensors_of

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_engine(
    model_dir: Path, read_file: ReadFile = map_file, device: str = "cpu", *, verify: bool = True,
    precision: str | None = None,
) -> BlockEngine:  # fmt: skip
    """Load a model directory: `model.json` and four safetensors files with the public checkpoints' tensor names.

    `read_file` gives a read-only buffer of a whole file: a mapping, or the vault's copy. `verify=False` skips hashing
    for a reader that has compared the hashes already. On a device tensors travel one by one, and a bfloat16 model gets
    the fused kernels of `engine.model.cuda`; `precision` "bf16" or "fp8" chooses its large products ("plain": the same
    code as on the CPU). Raises WeightsError naming the file and what to do.
    """
    manifest = Manifest.read(model_dir)
    buffers = {file: _read(model_dir / file, read_file, manifest.files[file], verify=verify) for file in FILES}
    tensors = {file: tensors_of(buffers[file], str(model_dir / file)) for file in FILES}
    with empty_weights():
        vae = VideoAutoencoder(manifest.vae)
    assign(vae, _on_device(tensors[VAE], device), str(model_dir / VAE))
    _check_dtype(tensors[TRANSFORMER], manifest.dtype, str(model_dir / TRANSFORMER))
    transformer = build_transformer(
        manifest.transformer, tensors[TRANSFORMER], str(model_dir / TRANSFORMER), device,
        precision or ("bf16" if device != "cpu" and manifest.dtype == "bfloat16" else "plain"),
    )  # fmt: skip

    def text_encoder() -> nn.Module:
        return build_text_encoder(manifest.text, _on_device(tensors[TEXT], device), str(model_dir / TEXT))

    def speech_encoder() -> nn.Module:
        return build_speech_encoder(manifest.speech, _on_device(tensors[SPEECH], device), str(model_dir / SPEECH))

    return BlockEngine(
        manifest.shape(), transformer, vae, tokenizer=load_tokenizer(manifest.text, model_dir),
        text_encoder=text_encoder, speech_encoder=speech_encoder, weights_sha256=manifest.sha256,
        is_trained=manifest.is_trained,
    )  # fmt: skip


def build_transformer(
    config: TransformerConfig, tensors: dict[str, Tensor], name: str, device: str, precision: str
) -> Transformer:
    """The transformer with its weights on a device; "plain", or with fused kernels and "bf16" or "fp8" products."""
    with empty_weights():
        model = Transformer(config)
    if precision == "plain":
        assign(model, _on_device(tensors, device), name)
        return model
    from engine.model.cuda.network import CudaTransformer  # its kernels need a CUDA device and triton

    check_names(model, tensors, name)
    return CudaTransformer.build(config, lambda key: tensors[key].to(device), precision)


def _read(path: Path, read_file: ReadFile, sha256: str, *, verify: bool) -> memoryview:
    try:
        buffer = read_file(path)
    except OSError as error:
        raise WeightsError(f"{path}: {error}.", hint="Fetch or convert this file again.", path=str(path)) from error
    if verify and hashlib.sha256(buffer).hexdigest() != sha256:
        hint = "Its content is not what model.json lists: fetch or convert this file again."
        raise WeightsError(f"{path} is damaged: its sha256 differs.", hint=hint, path=str(path))
    return buffer


def _on_device(tensors: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return tensors if device == "cpu" else {name: tensor.to(device) for name, tensor in tensors.items()}


def _check_dtype(tensors: dict[str, Tensor], dtype: str, name: str) -> None:
    wrong = [key for key, value in tensors.items() if value.dtype != _DTYPES.get(dtype)]
    if wrong:
        raise WeightsError(f"{name}: {wrong[0]} is not {dtype}.", hint="Convert this file again.")
