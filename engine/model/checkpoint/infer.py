"""Shapes of the companions, read off their tensors: the published files carry no configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.errors import WeightsError
from engine.model.text import TextConfig
from engine.model.vae import VaeConfig


class HasShape(Protocol):
    """A tensor, or the entry of one in a header."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""


def text_config_of(tensors: Mapping[str, HasShape], name: str) -> TextConfig:
    """The text encoder's configuration. Raises WeightsError naming the tensor that is not there."""
    first = "blocks.0."
    vocabulary = _shape(tensors, "token_embedding.weight", 2, name)
    inner = _shape(tensors, f"{first}attn.q.weight", 2, name)
    buckets = _shape(tensors, f"{first}pos_embedding.embedding.weight", 2, name)
    wide = _shape(tensors, f"{first}ffn.gate.0.weight", 2, name)
    layers = {key.split(".")[1] for key in tensors if key.startswith("blocks.")}
    return TextConfig(
        vocab_size=vocabulary[0], dim=vocabulary[1], dim_attn=inner[0], dim_ffn=wide[0], num_heads=buckets[1],
        encoder_layers=len(layers), num_buckets=buckets[0],
    )  # fmt: skip


def vae_config_of(tensors: Mapping[str, HasShape], name: str) -> VaeConfig:
    """The autoencoder's configuration: published proportions at the width that the file has."""
    return VaeConfig(dim=_shape(tensors, "encoder.conv1.weight", 5, name)[0])


def _shape(tensors: Mapping[str, HasShape], key: str, rank: int, name: str) -> tuple[int, ...]:
    shape = tuple(tensors[key].shape) if key in tensors else ()
    if len(shape) != rank:
        what = f"has {key} of shape {list(shape)}" if shape else f"misses {key}"
        hint = "It is another file than its name says: fetch it again."
        raise WeightsError(f"{name} {what}.", hint=hint, problem="other_tensors")
    return shape
