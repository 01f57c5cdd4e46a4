"""Role adapters as side paths: what they compute, and that nothing of them stays."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from engine.adapters import Adapter, detach, fit
from engine.catalog import SHAPES
from engine.errors import WeightsError
from engine.model.config import TransformerConfig
from engine.model.lora import merge
from engine.model.random_weights import random_adapter, random_conditions, random_engine
from engine.model.transformer import Transformer

SHAPE = dataclasses.replace(SHAPES["pocket"], num_layers=2, audio_inject_layers=(0,))
CONFIG = TransformerConfig.from_shape(SHAPE)
RANK, ALPHA = 4, 2.0


@pytest.fixture
def transformer() -> Transformer:
    return random_engine(SHAPE, "cpu", "plain").transformer


def _seen(transformer: Transformer) -> list[Tensor]:
    """What text and voice become: every kind of module but self-attention and feed-forward takes part."""
    given = random_conditions(SHAPE, 64, 64, "cpu", 12)
    with torch.inference_mode():
        text = transformer.encode_text(given["text"])
        layer = transformer.blocks[1].ffn(text[0][0].flatten(1)[:, : SHAPE.dim])  # type: ignore[operator,union-attr]
        return [*(x for pair in text for x in pair), layer]


def _halves(seed: int = 0) -> dict[str, Tensor]:
    return random_adapter(SHAPE, "cpu", RANK, 0.5, seed)


def test_side_paths_compute_what_merged_weights_compute(transformer: Transformer) -> None:
    fit(transformer, [Adapter.of(_halves(), ALPHA, "teacher")]).attach()
    got = _seen(transformer)
    merged = random_engine(SHAPE, "cpu", "plain").transformer
    changed = merge(dict(merged.state_dict()), _halves(), alpha=ALPHA)
    merged.load_state_dict(changed, strict=False)
    plain = _seen(random_engine(SHAPE, "cpu", "plain").transformer)
    for one, want, base in zip(got, _seen(merged), plain, strict=True):
        assert torch.allclose(one, want, atol=1e-5)
        assert not torch.allclose(one, base, atol=1e-3)


def test_two_adapters_add_up_with_their_weights(transformer: Transformer) -> None:
    both = [Adapter.of(_halves(1), ALPHA, "teacher", 0.25), Adapter.of(_halves(2), ALPHA, "smile", 0.75)]
    fit(transformer, both).attach()
    got = _seen(transformer)
    weights = random_engine(SHAPE, "cpu", "plain").transformer
    for adapter in both:
        changed = {
            f"{module}.weight": weights.get_parameter(f"{module}.weight") + pair.delta(adapter.scale(module))
            for module, pair in adapter.pairs.items()
        }
        weights.load_state_dict(changed, strict=False)
    for one, want in zip(got, _seen(weights), strict=True):
        assert torch.allclose(one, want, atol=1e-5)


def test_after_detaching_the_generic_character_is_back_bit_for_bit(transformer: Transformer) -> None:
    before = _seen(transformer)
    fit(transformer, [Adapter.of(_halves(), ALPHA, "teacher")]).attach()
    detach(transformer)
    assert all(torch.equal(a, b) for a, b in zip(_seen(transformer), before, strict=True))


def test_switching_there_and_back_gives_the_same_bits(transformer: Transformer) -> None:
    first, second = (fit(transformer, [Adapter.of(_halves(seed), ALPHA, str(seed))]) for seed in (1, 2))
    first.attach()
    before = _seen(transformer)
    second.attach()
    between = _seen(transformer)
    first.attach()
    assert all(torch.equal(a, b) for a, b in zip(_seen(transformer), before, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(between, before, strict=True))


def test_a_part_of_the_modules_is_enough(transformer: Transformer) -> None:
    few = {name: half for name, half in _halves().items() if ".ffn." in name}
    before = _seen(transformer)
    fit(transformer, [Adapter.of(few, ALPHA, "few")]).attach()
    after = _seen(transformer)
    assert all(torch.equal(a, b) for a, b in zip(after[:-1], before[:-1], strict=True))
    assert not torch.equal(after[-1], before[-1])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda h: {**h, "blocks.9.ffn.0.lora_A.weight": h["blocks.0.ffn.0.lora_A.weight"],
                    "blocks.9.ffn.0.lora_B.weight": h["blocks.0.ffn.0.lora_B.weight"]}, "blocks.9.ffn.0"),
        (lambda h: {**h, "blocks.0.ffn.0.lora_A.weight": torch.zeros(RANK, 7)}, "blocks.0.ffn.0 is"),
        (lambda h: {**h, "blocks.0.ffn.0.lora_A.weight": torch.zeros(RANK + 1, SHAPE.dim)}, "have ranks"),
        (lambda h: {k: v for k, v in h.items() if k != "blocks.0.ffn.0.lora_A.weight"}, "only one half"),
        (lambda h: {**h, "blocks.0.ffn.0.alpha": torch.zeros(1)}, "no low-rank|not one of"),
        (lambda h: {"blocks.0.ffn.0.lora_A.weight": torch.zeros(129, SHAPE.dim),
                    "blocks.0.ffn.0.lora_B.weight": torch.zeros(SHAPE.ffn_dim, 129)}, "rank 129"),
        (lambda _: {}, "is empty"),
    ],
)  # fmt: skip
def test_a_bad_adapter_is_refused_and_what_was_attached_stays(transformer: Transformer, change: object, word: str) -> None:
    fit(transformer, [Adapter.of(_halves(), ALPHA, "teacher")]).attach()
    before = _seen(transformer)
    with pytest.raises(WeightsError, match=word):
        fit(transformer, [Adapter.of(change(_halves()), ALPHA, "bad")]).attach()  # type: ignore[operator]
    assert all(torch.equal(a, b) for a, b in zip(_seen(transformer), before, strict=True))
