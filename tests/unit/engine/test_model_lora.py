"""Adapters are merged exactly and strictly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.catalog import SHAPES
from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.lora import merge, target_modules
from engine.model.transformer import Transformer
from engine.model.weights import empty_weights
from tests.unit.engine.model_rig import fill

SMALL = TransformerConfig(
    dim=24, ffn_dim=20, num_heads=1, num_layers=2, audio_dim=8, text_dim=8, audio_inject_layers=(1,)
)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    with empty_weights():
        model = Transformer(SMALL)
    return {name: value.bfloat16() for name, value in fill(model).items()}


def adapter_for(weights: dict[str, Tensor], spelling: str = "{}.{}.default.weight") -> dict[str, Tensor]:
    draws, tensors = torch.Generator().manual_seed(1), {}
    for module in target_modules(list(weights)):
        out, inner = weights[f"{module}.weight"].shape
        tensors[spelling.format(module, "lora_A")] = torch.randn(4, inner, generator=draws).bfloat16()
        tensors[spelling.format(module, "lora_B")] = torch.randn(out, 4, generator=draws).bfloat16()
    return tensors


def test_full_adapter_of_the_large_model_has_448_pairs() -> None:
    with empty_weights():
        names = list(Transformer(TransformerConfig.from_shape(SHAPES["live-avatar-14b"])).state_dict())
    assert len(target_modules(names)) == 448


def test_merged_weight_is_rounded_once(weights: dict[str, Tensor]) -> None:
    changed = merge(weights, adapter_for(weights), alpha=2)
    assert set(changed) == {f"{module}.weight" for module in target_modules(list(weights))}
    name = "blocks.1.ffn.2"
    down, up = (adapter_for(weights)[f"{name}.lora_{side}.default.weight"].float() for side in "AB")
    assert torch.equal(changed[f"{name}.weight"], (weights[f"{name}.weight"].float() + up @ down * 0.5).bfloat16())


@pytest.mark.parametrize(
    "spelling",
    [
        "base_model.model.{}.{}.default.weight",
        "diffusion_model.{}.{}.weight",
        "model.{}.{}.weight",
        "{}.{}.other.weight",
    ],
)
def test_spellings_of_other_tools_are_understood(weights: dict[str, Tensor], spelling: str) -> None:
    want = merge(weights, adapter_for(weights), alpha=2)
    got = merge(weights, adapter_for(weights, spelling), alpha=2)
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_down_and_up_are_other_words_for_the_two_sides(weights: dict[str, Tensor]) -> None:
    want = merge(weights, adapter_for(weights), alpha=2)
    renamed = {
        k.replace("lora_A", "lora_down").replace("lora_B", "lora_up"): v for k, v in adapter_for(weights).items()
    }
    assert all(torch.equal(value, want[name]) for name, value in merge(weights, renamed, alpha=2).items())


def test_missing_pair_is_refused_and_named(weights: dict[str, Tensor]) -> None:
    adapter = {k: v for k, v in adapter_for(weights).items() if not k.startswith("blocks.0.ffn.0.")}
    with pytest.raises(WeightsError, match=r"misses blocks\.0\.ffn\.0"):
        merge(weights, adapter, alpha=2)


def test_half_a_pair_a_stranger_and_an_odd_shape_are_refused(weights: dict[str, Tensor]) -> None:
    adapter = adapter_for(weights)
    half = {k: v for k, v in adapter.items() if k != "blocks.0.ffn.0.lora_B.default.weight"}
    with pytest.raises(WeightsError, match=r"one half for blocks\.0\.ffn\.0"):
        merge(weights, half, alpha=2)
    with pytest.raises(WeightsError, match="no target"):
        merge(weights, adapter | {f"blocks.9.ffn.0.lora_{s}.weight": torch.zeros(4, 4) for s in "AB"}, alpha=2)
    with pytest.raises(WeightsError, match="not one of a low-rank adapter"):
        merge(weights, adapter | {"blocks.0.ffn.0.weight": torch.zeros(4, 4)}, alpha=2)
    with pytest.raises(WeightsError, match="does not fit"):
        merge(weights, adapter | {"blocks.0.ffn.0.lora_A.default.weight": torch.zeros(4, 3)}, alpha=2)


def test_reference_compatibility_ignores_what_does_not_match(weights: dict[str, Tensor]) -> None:
    adapter = {k.replace("blocks.0", "blocks.7"): v for k, v in adapter_for(weights).items()}
    changed = merge(weights, adapter, alpha=2, compat="reference")
    assert changed
    assert not any("blocks.0." in name or "blocks.7." in name for name in changed)
