"""The planner's arithmetic is exact: the checkpoint's published counts, and the bytes that the engine really maps."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys

import pytest

from engine.catalog import SHAPES, ModelShape
from engine.memory import (
    context_bytes,
    quantised_parameters,
    transformer_parameters,
    vae_parameters,
    weights_bytes,
)
from engine.model.config import TransformerConfig
from engine.model.context import Context, layout_of
from engine.model.transformer import Transformer
from engine.model.vae import VaeConfig, VideoAutoencoder
from engine.model.vae_parts import Stream
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill

LARGE, POCKET = SHAPES["live-avatar-14b"], SHAPES["pocket"]
ODD = dataclasses.replace(
    POCKET, name="odd", dim=96, num_heads=3, num_layers=2, audio_inject_layers=(1,), ffn_dim=100, vae_dim=4, text_len=9
)


def test_large_model_has_the_published_number_of_parameters() -> None:
    assert transformer_parameters(LARGE) == 16_295_755_609
    assert vae_parameters(LARGE) == 126_892_531
    assert quantised_parameters(LARGE) == 15_938_355_200


@pytest.mark.parametrize("shape", [POCKET, ODD], ids=lambda shape: shape.name)
def test_parameters_are_those_of_the_classes(shape: ModelShape) -> None:
    with empty_weights():
        transformer = Transformer(TransformerConfig.from_shape(shape))
        vae = VideoAutoencoder(VaeConfig(dim=shape.vae_dim, dim_mult=shape.vae_dim_mult))
    count = sum(p.numel() for p in transformer.parameters())
    assert transformer_parameters(shape) == count
    assert vae_parameters(shape) == sum(p.numel() for p in vae.parameters())
    assert weights_bytes(shape, "float32") == 4 * (count + vae_parameters(shape))


def test_large_model_has_1260_tensors() -> None:
    with empty_weights():
        assert len(Transformer(TransformerConfig.from_shape(LARGE)).state_dict()) == 1260


def test_eight_bit_weights_take_the_published_room() -> None:
    transformer = weights_bytes(LARGE, "fp8") - 2 * vae_parameters(LARGE)
    assert transformer == 15_938_355_200 + 2 * 357_400_409


@pytest.mark.parametrize("steps", [3, 4, 5])
@pytest.mark.parametrize("size", [(64, 64), (192, 128), (128, 320), (640, 384)], ids=str)
@pytest.mark.parametrize("shape", [POCKET, ODD, LARGE], ids=lambda shape: shape.name)
def test_context_bytes_equal_the_layout(shape: ModelShape, size: tuple[int, int], steps: int) -> None:
    layout = layout_of(shape, *size, steps)
    assert layout.total_bytes == context_bytes(shape, *size, steps)


def test_rings_of_the_large_model_take_the_published_room() -> None:
    rings = [spec for spec in layout_of(LARGE, 640, 384, 4).tensors if spec.name.startswith("ring.")]
    assert sum(spec.total_bytes for spec in rings) == 4 * 12 * 960 * 819_200


def test_tensors_of_a_context_fill_its_buffer_without_overlap() -> None:
    layout = layout_of(ODD, 128, 64, 3)
    context = Context(layout, bytearray(layout.total_bytes))
    spans = sorted(
        (tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes)
        for half in (0, 1)
        for name, tensor in context.half(half).items()
        if half == 0 or not name.startswith("ring.")
    )
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert spans[-1][1] - spans[0][0] <= layout.total_bytes


@pytest.mark.parametrize("shape", [POCKET, ODD], ids=lambda shape: shape.name)
def test_decoder_memory_is_what_the_decoder_leaves_behind(shape: ModelShape) -> None:
    with empty_weights():
        vae = VideoAutoencoder(VaeConfig(dim=shape.vae_dim, dim_mult=shape.vae_dim_mult))
    weights = fill(vae)
    latents = next(iter(weights.values())).new_zeros(16, 2, 8, 16)
    _, stream = vae.decode(latents, Stream(before=None))
    layout = layout_of(shape, 128, 64, 3)
    specs = [spec for spec in layout.tensors if spec.name.startswith("decoder.")]
    assert [tuple(t.shape) for t in stream.before or []] == [spec.shape for spec in specs]


def test_memory_arithmetic_needs_no_torch() -> None:
    code = "import engine.memory, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
