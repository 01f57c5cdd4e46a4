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
    """The same in pinned host memory; waits for the device. Taking the memory takes half a second per GiB, of which others that
    use the device wait for the longest tensor's pinning at most, some 35 ms per GiB.

    Raises torch.cuda.CudaError where the host has no more to pin.
    """
    from engine.model.cuda.host import pinned  # only where there is a device

    kept = {}
    for name, x in conditions.items():  # each in a piece of its own: pinning is done with the driver's lock held
        place = pinned(x.numel() * x.element_size()).view(x.dtype).view(x.shape)
        kept[name] = place.copy_(x, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    return kept


def on_stage(conditions: dict[str, Tensor], device: str | torch.device) -> dict[str, Tensor]:
    """A role that was kept in host memory, for a job on the device: what every step reads goes there now. What only `fill`
    reads stays, and is copied from where it lies. The result holds the host memory as long as it is used."""
    return {
        name: x if name.startswith(_ONLY_TO_BEGIN) else x.to(device, non_blocking=True) for name, x in conditions.items()
    }


def fill(context: Context, conditions: dict[str, Tensor]) -> None:
    """Copy a ready role into a context that begins. From pinned host memory the sink travels layer by layer beside the first
    step, and behind it the decoder's part, which nobody asks for before the first block is denoised."""
    sink = context.sink(0)
    pairs = [(sink.k, conditions[f"{PREFIX}sink.k"]), (sink.v, conditions[f"{PREFIX}sink.v"])]
    decoder = [(place, conditions[f"{PREFIX}decoder.{number:02}"]) for number, place in enumerate(context.decoder(0))]
    if sink.v_scale is not None:
        sink.v_scale.copy_(conditions[f"{PREFIX}v_scale"], non_blocking=True)
    if sink.k.is_cuda and not pairs[0][1].is_cuda:
        layers = [[(place[layer], source[layer]) for place, source in pairs] for layer in range(len(sink.k))]
        return context.let_arrive(layers, decoder)
    for place, source in (*pairs, *decoder):
        place.copy_(source, non_blocking=True)
    return None
