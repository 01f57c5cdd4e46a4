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
ALIGNMENT_BYTES = 256
_ONLY_TO_BEGIN = tuple(PREFIX + name for name in ("sink.", "v_scale", "decoder."))


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


def on_host(conditions: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in one piece of pinned host memory. Waits for the device; taking the memory may take a second per 3 GiB.

    Raises torch.cuda.CudaError where the host has no more to pin.
    """
    from engine.model.cuda.host import pinned  # only where there is a device

    sizes = {name: -(-x.numel() * x.element_size() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for name, x in conditions.items()}
    slab, offset, kept = pinned(sum(sizes.values())), 0, {}
    for name, x in conditions.items():
        place = slab[offset : offset + x.numel() * x.element_size()].view(x.dtype).view(x.shape)
        kept[name] = place.copy_(x, non_blocking=True)
        offset += sizes[name]
    torch.cuda.current_stream().synchronize()
    return kept


def on_stage(conditions: dict[str, Tensor], device: str | torch.device) -> dict[str, Tensor]:
    """A role that was kept in host memory, for a job on the device: what every step reads goes there now. What only `fill`
    reads stays, and is copied from where it lies. The result holds the host memory as long as it is used."""
    return {
        name: x if name.startswith(_ONLY_TO_BEGIN) else x.to(device, non_blocking=True) for name, x in conditions.items()
    }


def fill(context: Context, conditions: dict[str, Tensor]) -> None:
    """Copy a ready role into a context that begins. From pinned host memory the decoder's part, which nobody asks for before the
    first block is denoised, travels beside the steps."""
    sink = context.sink(0)
    sink.k.copy_(conditions[f"{PREFIX}sink.k"], non_blocking=True)
    sink.v.copy_(conditions[f"{PREFIX}sink.v"], non_blocking=True)
    if sink.v_scale is not None:
        sink.v_scale.copy_(conditions[f"{PREFIX}v_scale"], non_blocking=True)
    copies = [(place, conditions[f"{PREFIX}decoder.{number:02}"]) for number, place in enumerate(context.decoder(0))]
    if copies[0][0].is_cuda and not copies[0][1].is_cuda:
        return context.let_arrive(copies)
    for place, value in copies:
        place.copy_(value, non_blocking=True)
    return None
