"""A role made ready for the stage: what the first block would compute from its conditions, kept beside them.

    `ready.text.k`, `ready.text.v` [layers, text rows, h, d]; `ready.sink.k`, `ready.sink.v` and, with values in eight bits,
    `ready.v_scale` as in a context; `ready.decoder.NN` what the decoder remembers of the still portrait.

It belongs to one size, one set of weights and one adapter. A switch to such a role copies it and computes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.model.attention import KeysValues
from engine.model.conditions import WARM_UP_LATENTS
from engine.model.context import Context, ContextLayout
from engine.model.denoise import Denoiser
from engine.model.rings import KeyStore
from engine.model.vae import VideoAutoencoder

PREFIX = "ready."


def make_ready(
    denoiser: Denoiser, vae: VideoAutoencoder, layout: ContextLayout, conditions: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The conditions with what follows from them, for contexts of this layout."""
    empty = layout.empty_tensors(conditions["reference"].device, without="ring.")
    text = denoiser.text(conditions["text"])
    sink = KeyStore(empty["sink.k"], empty["sink.v"], empty.get("v_scale"))
    denoiser.prefill(sink, conditions["reference"], conditions["motion"], text)
    state = [tensor for name, tensor in empty.items() if name.startswith("decoder.")]
    vae.warm_up(conditions["motion"][:, :WARM_UP_LATENTS], state)
    made = {"sink.k": sink.k, "sink.v": sink.v, **{f"decoder.{n:02}": tensor for n, tensor in enumerate(state)}}
    made |= {} if sink.v_scale is None else {"v_scale": sink.v_scale}
    made |= {f"text.{side}": torch.stack([pair[n] for pair in text]) for n, side in enumerate("kv")}
    return {**conditions, **{PREFIX + name: tensor for name, tensor in made.items()}}


def is_ready(conditions: dict[str, Tensor]) -> bool:
    """Whether the conditions were made ready."""
    return f"{PREFIX}sink.k" in conditions


def ready_text(conditions: dict[str, Tensor]) -> list[KeysValues]:
    """Keys and values of the text per layer."""
    return list(zip(conditions[f"{PREFIX}text.k"], conditions[f"{PREFIX}text.v"], strict=True))


def fill(context: Context, conditions: dict[str, Tensor]) -> None:
    """Copy a ready role into a context that begins."""
    sink = context.sink(0)
    sink.k.copy_(conditions[f"{PREFIX}sink.k"], non_blocking=True)
    sink.v.copy_(conditions[f"{PREFIX}sink.v"], non_blocking=True)
    if sink.v_scale is not None:
        sink.v_scale.copy_(conditions[f"{PREFIX}v_scale"], non_blocking=True)
    for number, place in enumerate(context.decoder(0)):
        place.copy_(conditions[f"{PREFIX}decoder.{number:02}"], non_blocking=True)
