"""A model of any shape with random weights, drawn on the device: for measurements, without files. It shows nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.catalog import ModelShape
from engine.errors import WeightsError
from engine.memory.offload import RESIDENT, Offload
from engine.model.block_engine import BlockEngine
from engine.model.config import TransformerConfig
from engine.model.lora import target_modules
from engine.model.slab import Keep, NeedsContent, everything, keep_here
from engine.model.text import ByteTokenizer
from engine.model.transformer import Transformer
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.weights import empty_weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def random_engine(
    shape: ModelShape, device: str, precision: str, seed: int = 0, *, kv: str | None = "default",
    offload: Offload = RESIDENT, adapter_rank: int = 0, keep: Keep = keep_here, needs: NeedsContent = everything,
    text_encoder: Callable[[], nn.Module] | None = None, speech_encoder: Callable[[], nn.Module] | None = None,
    weights_sha256: str = "",
) -> BlockEngine:  # fmt: skip
    """An engine whose transformer and autoencoder are drawn tensor by tensor; it has no text or speech encoder, unless they
    are given. `keep` and `needs` as in `engine.model.slab`."""
    dtype = DTYPES[shape.dtype]
    config = TransformerConfig.from_shape(shape)
    with empty_weights():
        plain = Transformer(config)
        vae = VideoAutoencoder(VaeConfig(dim=shape.vae_dim, dim_mult=shape.vae_dim_mult))
    sizes = {name: tuple(value.shape) for name, value in plain.state_dict().items()}

    def drawn(name: str, size: tuple[int, ...]) -> Tensor:
        return draw(name, size, device, dtype, seed) if needs(name) else torch.empty(size, dtype=dtype, device="meta")

    def source(name: str) -> Tensor:
        return drawn(name, sizes[name])

    if precision == "plain":
        _fill(plain, drawn, keep)
        transformer = plain
    else:
        from engine.model.cuda.network import CudaTransformer  # needs a CUDA device and triton

        transformer = CudaTransformer.build(config, source, precision, kv, offload, adapter_rank, keep)
    _fill(vae, drawn, keep)
    return BlockEngine(
        shape, transformer, vae, tokenizer=ByteTokenizer(), text_encoder=text_encoder or _none,
        speech_encoder=speech_encoder or _none,
        weights_sha256=weights_sha256, is_trained=False,
    )  # fmt: skip


def draw(name: str, shape: tuple[int, ...], device: str, dtype: torch.dtype, seed: int) -> Tensor:
    """One tensor from its name and the seed: norms near one, biases small, weights by their fan-in."""
    number = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7], "big")
    values = torch.empty(shape, device=device, dtype=dtype)
    values.normal_(generator=torch.Generator(device).manual_seed(number))
    if ("norm" in name and name.endswith("weight")) or name.endswith("gamma"):
        return values.mul_(0.05).add_(1.0)
    if name.endswith("bias"):
        return values.mul_(0.02)
    if name.endswith(("modulation", "padding_tokens", "casual_audio_encoder.weights")):
        return values.mul_(0.2)
    if name.endswith("cond_mask.weight"):
        return values.mul_(0.5)
    return values.mul_(max(1, values[0].numel()) ** -0.5)


def random_adapter(shape: ModelShape, device: str, rank: int, size: float, seed: int = 0) -> dict[str, Tensor]:
    """An adapter for every module that takes one; `size` is that of its product of halves against a base weight's."""
    with empty_weights():
        plain = Transformer(TransformerConfig.from_shape(shape)).state_dict()
    halves: dict[str, Tensor] = {}
    for module in target_modules(list(plain)):
        outputs, inputs = plain[f"{module}.weight"].shape
        draws = torch.Generator(device).manual_seed(seed + len(halves))
        down, up = (torch.empty(n, device=device).normal_(generator=draws) for n in ((rank, inputs), (outputs, rank)))
        halves[f"{module}.lora_A.weight"] = down * inputs**-0.5
        halves[f"{module}.lora_B.weight"] = up * (size * rank**-0.5)
    return halves


def random_conditions(
    shape: ModelShape, width: int, height: int, device: str, frames: int, seed: int = 0
) -> dict[str, Tensor]:
    """Made-up conditions of the right shapes; `frames` video frames of voice."""
    draws, dtype = torch.Generator(device).manual_seed(seed), DTYPES[shape.dtype]

    def normal(*size: int) -> Tensor:
        return torch.empty(size, device=device, dtype=dtype).normal_(generator=draws)

    motion = normal(16, 19, height // 8, width // 8).mul_(0.5)
    return {
        "text": normal(64, shape.text_dim), "reference": motion[:, :1].clone(), "motion": motion,
        "speech": normal(25, shape.audio_dim, frames),
    }  # fmt: skip


def _fill(module: nn.Module, drawn: Callable[[str, tuple[int, ...]], Tensor], keep: Keep) -> None:
    weights = {name: keep(drawn(name, tuple(value.shape))) for name, value in module.state_dict().items()}
    module.load_state_dict(weights, assign=True)
    module.requires_grad_(False)
    module.eval()


def _none() -> nn.Module:
    raise WeightsError("a model with random weights has no text or speech encoder.")
