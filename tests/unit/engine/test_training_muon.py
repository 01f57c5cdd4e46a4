"""Muon: which weights it takes, that its steps are orthogonal and of the promised size, and that it asks the host nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.training.muon import Muon, is_hidden, orthogonal
from engine.training.parts import named, new_vae
from engine.training.stage_transformer import Student


@pytest.mark.parametrize("shape", [(3, 24, 40), (2, 40, 24), (1, 32, 32)])
def test_orthogonal_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(drawn, full_matrices=False)
    drawn = left * torch.logspace(-1, 1, values.shape[-1]) @ right  # a hundred to one
    values = torch.linalg.svdvals(orthogonal(drawn))
    assert values.min() > 0.4 and values.max() < 1.25


def test_a_step_is_as_large_as_promised_whatever_the_gradient() -> None:
    for scale in (1e-4, 1e3):
        weight = nn.Parameter(torch.zeros(48, 16, 3, 3, 3))
        weight.grad = scale * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
        Muon([weight], torch.tensor(0.01), 0.0).step()
        assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.5 * 0.01, rel=0.25)
        assert float((weight.detach() * weight.grad).sum()) < 0  # downhill


def test_weights_of_one_shape_are_stepped_as_if_each_were_alone() -> None:
    draws = torch.Generator().manual_seed(3)
    starts, grads = torch.randn(2, 24, 32, generator=draws), torch.randn(2, 2, 24, 32, generator=draws)

    def after(places: list[int]) -> list[Tensor]:
        weights = [nn.Parameter(starts[place].clone()) for place in places]
        muon = Muon(weights, torch.tensor(0.1), 0.01)
        for step in range(2):
            for weight, place in zip(weights, places, strict=True):
                weight.grad = grads[step, place]
            muon.step()
        return [weight.detach() for weight in weights]

    for together, alone in zip(after([0, 1]), [*after([0]), *after([1])], strict=True):
        assert torch.allclose(together, alone, atol=1e-5)


def test_embeddings_norms_biases_and_the_last_layer_stay_with_adamw() -> None:
    every = {**Student(torch.device("cpu"), 0).parameters(), **named("vae", new_vae())}
    hidden = {name for name, value in every.items() if is_hidden(name, value)}
    assert {"transformer.blocks.1.ffn.0.weight", "vae.decoder.middle.0.residual.2.weight"} <= hidden
    words = ("shared", "bias", "modulation", "gamma", "norm_q", "patch_embedding", "head.head")
    assert not [name for name in hidden if any(word in name for word in words)]
    assert "vae.decoder.head.2.weight" not in hidden  # three rows


def test_a_step_touches_nothing_of_the_host() -> None:
    meta = torch.device("meta")
    weight = nn.Parameter(torch.zeros(32, 24, device=meta))
    weight.grad = torch.zeros(32, 24, device=meta)
    Muon([weight], torch.zeros((), device=meta), 0.01).step()
    assert weight.device == meta
