"""The frozen base of an adapter's training: whatever it is stored in, the adapter learns the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.catalog import BLOCK_FRAMES, SHAPES
from engine.errors import SettingsError
from engine.model.checkpoint.conversion import Order, convert
from engine.model.checkpoint.model_files import open_model
from engine.model.config import TransformerConfig
from engine.model.linears import is_large
from engine.model.loading import load_engine
from engine.model.pocket import write_pocket
from engine.model.random_weights import draw, random_conditions
from engine.model.speech import block_features
from engine.model.transformer import Transformer
from engine.model.weights import empty_weights
from engine.training.frozen import frozen, load_frozen
from engine.training.lora_plan import plan_bytes
from engine.training.stage_lora import LoraStage, Prepared
from tests.unit.engine.public_rig import write_public

torch.set_num_threads(1)
SHAPE = SHAPES["pocket"]
CONFIG = TransformerConfig.from_shape(SHAPE)
BLOCKS, SIDE = 2, 64


def _stage(dtype: torch.dtype, *, is_eight_bit: bool = False, is_recomputed: bool = False) -> LoraStage:
    with empty_weights():
        sizes = {name: tuple(value.shape) for name, value in Transformer(CONFIG).state_dict().items()}

    def drawn(name: str) -> Tensor:
        return draw(name, sizes[name], "cpu", torch.float32, 0).to(dtype)

    model = frozen(CONFIG, sizes, drawn, {}, is_eight_bit=is_eight_bit)
    made = random_conditions(dataclasses.replace(SHAPE, dtype="float32"), SIDE, SIDE, "cpu", BLOCK_FRAMES * (BLOCKS + 2))
    speech = torch.stack([block_features(made["speech"], block) for block in range(BLOCKS)])
    latents = torch.randn(16, 3 * BLOCKS, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(1))
    clip = Prepared(latents, speech, made["reference"], made["motion"], made["text"])
    stage = LoraStage(
        model, [clip], rank=4, alpha=2.0, blocks=BLOCKS, seed=1, learning_rate=1e-3, is_recomputed=is_recomputed
    )
    draws = torch.Generator().manual_seed(2)
    for _, up in stage.adapter.pairs.values():
        up.data.normal_(0, 0.02, generator=draws)
    return stage


def _gradient(stage: LoraStage) -> Tensor:
    loss, _ = stage.loss(*stage.batch(0))
    loss.backward()
    return torch.cat([p.grad.flatten() for p in stage.parameters().values() if p.grad is not None])


@pytest.fixture(scope="module")
def exact() -> Tensor:
    """The gradient beside a float32 base."""
    return _gradient(_stage(torch.float32))


@pytest.mark.parametrize("is_eight_bit", [False, True])
def test_an_adapter_gets_nearly_the_gradient_of_a_float32_base(exact: Tensor, *, is_eight_bit: bool) -> None:
    stage = _stage(torch.bfloat16, is_eight_bit=is_eight_bit)
    kinds = {p.dtype for name, p in stage.model.named_parameters() if is_large(name)}
    assert kinds == {torch.float8_e4m3fn if is_eight_bit else torch.bfloat16}
    found = _gradient(stage)
    assert found.shape == exact.shape
    assert torch.nn.functional.cosine_similarity(found, exact, dim=0) > 0.99
    again = _gradient(_stage(torch.bfloat16, is_eight_bit=is_eight_bit, is_recomputed=True))
    assert torch.equal(found, again)  # recomputing changes what is kept, not a bit of what comes out


def test_a_converted_base_in_eight_bits_is_trained_beside_as_one_that_is_made_so(tmp_path: Path) -> None:
    public = write_public(tmp_path / "public")
    convert(Order(source=public, target=tmp_path / "fp8", precision="fp8"))
    stored = load_frozen(open_model(tmp_path / "fp8"), "cpu")
    made = load_frozen(open_model(public), "cpu", "fp8")
    assert stored.state_dict().keys() == made.state_dict().keys()
    for name, value in made.state_dict().items():
        assert torch.equal(stored.state_dict()[name].view(torch.uint8), value.view(torch.uint8)), name
    layer = made.get_submodule("blocks.0.ffn.0")
    expanded = load_engine(tmp_path / "fp8").transformer.get_submodule("blocks.0.ffn.0")
    x = torch.randn(3, open_model(public).manifest.transformer.dim).bfloat16()
    assert torch.allclose(layer(x), expanded(x), rtol=0.01, atol=0.01)  # the bias is added after rounding


def test_a_float32_base_is_not_cut_to_eight_bits(tmp_path: Path) -> None:
    write_pocket(tmp_path, seed=1)
    with pytest.raises(SettingsError, match="stored as float32"):
        load_frozen(open_model(tmp_path), "cpu", "fp8")


def test_encoders_alone_say_what_the_whole_engine_says(tmp_path: Path) -> None:
    write_pocket(tmp_path, seed=1)
    face = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    sound = np.random.default_rng(1).standard_normal(8_000).astype(np.float32)
    whole, encoding = load_engine(tmp_path), load_engine(tmp_path, is_encoding=True)
    for one, other in ((whole.prepare("a man", face, SIDE, SIDE), encoding.prepare("a man", face, SIDE, SIDE)),
                       (whole.hear(sound), encoding.hear(sound))):  # fmt: skip
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert all(p.is_meta == is_large(name) for name, p in encoding.transformer.named_parameters())


def test_a_plan_falls_with_eight_bits_and_with_recomputing() -> None:
    config = TransformerConfig.from_shape(SHAPES["live-avatar-14b"])

    def gib(*, is_eight_bit: bool, is_recomputed: bool) -> float:
        plan = plan_bytes(config, 384, 256, 16, 4, item=2, is_eight_bit=is_eight_bit, is_recomputed=is_recomputed)
        return sum(plan.values()) / 2**30

    assert gib(is_eight_bit=True, is_recomputed=True) < 40 < gib(is_eight_bit=False, is_recomputed=True) < 80
    assert gib(is_eight_bit=True, is_recomputed=False) > 80
