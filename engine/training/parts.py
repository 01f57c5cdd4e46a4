"""The four networks of the pocket model, ready for training, and the files that a stage leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.catalog import SHAPES, ModelShape
from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.pocket import SPEECH_SHAPE, TEXT_SHAPE, VAE_SHAPE, draw
from engine.model.text import TextConfig
from engine.model.transformer import Transformer
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.weights import empty_weights

POCKET = SHAPES["pocket"]
FILE_BYTES = 15_000_000  # a stage's file is at most this long; what would be longer is stored in bfloat16

_PLAIN_ATTENTION: dict[str, Any] = {"attn_implementation": "eager"}  # it takes the mask as it is
_FIRST_LOG_VARIANCE = -6.0  # latents begin with little noise, so that pictures come before robustness

# Starting points that learn faster than the random model that is written for show: what is added to the residual stream
# begins small, gates begin half open.
_SMALL = {"cross_attn.o.weight": 0.2, "injector": 0.3, "residual.6.weight": 0.3, "head.head.weight": 0.1}


def new_transformer(shape: ModelShape = POCKET, seed: int = 0) -> Transformer:
    """A transformer to be trained."""
    with empty_weights():
        model = Transformer(TransformerConfig.from_shape(shape))
    _start(model, seed)
    with torch.no_grad():
        for block in model.blocks:
            block.modulation.zero_()  # type: ignore[union-attr,operator]
            block.modulation[:, (2, 5)] = 0.4  # type: ignore[index,operator]
        model.head.modulation.zero_()
        model.time_projection[1].weight.mul_(0.1)  # type: ignore[operator]
        model.casual_audio_encoder.weights.fill_(1.0)
    return model


def new_vae(seed: int = 0, **changes: Any) -> VideoAutoencoder:
    """An autoencoder to be trained; its latents are not normalised yet (mean 0, standard deviation 1)."""
    plain = {"latents_mean": (0.0,) * 16, "latents_std": (1.0,) * 16}
    with empty_weights():
        model = VideoAutoencoder(replace(VaeConfig.from_json(VAE_SHAPE), **{**plain, **changes}))
    _start(model, seed)
    with torch.no_grad():
        model.conv1.bias[model.config.z_dim :] = _FIRST_LOG_VARIANCE
    return model


def new_speech(seed: int = 0) -> nn.Module:
    """A speech encoder to be trained: the class that the engine loads."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(seed)
    model = Wav2Vec2Model(Wav2Vec2Config(**SPEECH_SHAPE, apply_spec_augment=False, mask_time_prob=0.0, layerdrop=0.0))
    return model.eval()  # dropout stays off: data does not run out


def new_text(seed: int = 0) -> nn.Module:
    """A text encoder to be trained."""
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(seed)
    c = TextConfig.from_json(TEXT_SHAPE)
    shape = UMT5Config(
        vocab_size=c.vocab_size, d_model=c.dim, d_kv=c.dim_attn // c.num_heads, d_ff=c.dim_ffn, num_heads=c.num_heads,
        num_layers=c.encoder_layers, layer_norm_epsilon=1e-6, dropout_rate=0.0, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=c.num_buckets, relative_attention_max_distance=c.max_distance,
        pad_token_id=0, eos_token_id=1, **_PLAIN_ATTENTION,
    )  # fmt: skip
    return UMT5EncoderModel(shape).eval()


def prompt_tokens(prompts: list[str], length: int, device: torch.device) -> Tensor:
    """Token numbers [B, length] of prompts as the engine makes them, zeros where a prompt has ended."""
    from engine.model.text import ByteTokenizer

    tokenizer = ByteTokenizer(TEXT_SHAPE["longest_prompt"])
    ids = [tokenizer.ids(" ".join(prompt.split()), length) for prompt in prompts]
    return torch.tensor([one + [0] * (length - len(one)) for one in ids]).to(device)


def encode_tokens(model: nn.Module, tokens: Tensor) -> Tensor:
    """Rows [B, n, text_dim] of token numbers [B, n], zeros where a prompt has ended."""
    is_text = tokens != 0
    # What the model would make of a flat mask, made here: it looks at a flat one's values, which nothing recorded may.
    barred = (~is_text).to(torch.float32)[:, None, None] * torch.finfo(torch.float32).min
    rows = model(input_ids=tokens, attention_mask=barred.expand(-1, -1, tokens.shape[1], -1)).last_hidden_state
    return rows * is_text.unsqueeze(-1)


def _start(model: nn.Module, seed: int) -> None:
    weights = {}
    for name, value in model.state_dict().items():
        drawn = draw(name, tuple(value.shape), f"{seed} training")
        if name.endswith("bias"):
            drawn = torch.zeros_like(drawn)
        for ending, factor in _SMALL.items():
            if name.endswith("weight") and (
                name.endswith(ending) or (ending == "injector" and ".o.weight" in name and ending in name)
            ):
                drawn = drawn * factor
        weights[name] = drawn.contiguous()
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(True)


# ---- files ------------------------------------------------------------------------------------------------------------


def save_parts(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write a stage's weights with its card inside; bfloat16 where float32 would be longer than allowed."""
    from safetensors.torch import save_file

    wide = sum(t.numel() * 4 for t in tensors.values())
    dtype = torch.float32 if wide <= FILE_BYTES - 200_000 else torch.bfloat16
    plain = {name: tensor.detach().to("cpu", dtype).contiguous().clone() for name, tensor in tensors.items()}
    part = path.with_name(path.name + ".part")
    save_file(plain, str(part), metadata={"card": json.dumps(card)})
    part.rename(path)


def load_parts(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(weights in float32, card) of a stage's file. Raises WeightsError naming the stage that must run first."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError) as error:
        hint = f"Run python -m engine.training.pocket --stage {path.stem} first."
        raise WeightsError(f"{path}: {error}.", hint=hint, path=str(path)) from error
    return tensors, card


def named(prefix: str, model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters under a prefix."""
    return {f"{prefix}.{name}": value for name, value in model.named_parameters()}


def load_named(model: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    """Fill a model from tensors under a prefix. Raises WeightsError where the shape is another one."""
    mine = {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
    wanted = dict(model.named_parameters())
    wrong = sorted(name for name in wanted if name not in mine or mine[name].shape != wanted[name].shape)
    if wrong:
        raise WeightsError(f"{prefix}: {wrong[0]} is missing or of another shape.", hint="Train this stage again.")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(mine[name])
