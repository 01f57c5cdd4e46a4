"""Weights in one piece of memory: the first process fills it, others build the same network around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.memory.offload import Offload
from engine.model.block_engine import BlockEngine
from engine.model.loading import load_engine
from engine.model.pocket import write_pocket
from engine.model.random_weights import random_engine
from engine.model.slab import Keep, NeedsContent, Slab, build_shared, travelling
from tests.unit.engine.test_memory_network import SMALL, _readable_kernels, tensors

__all__ = ["_readable_kernels"]


class MemoryShelf:
    """The vault's part, in this process: memory by key, with the fingerprint of what was filled."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Tensor, str]] = {}
        self.opened: list[str] = []  # fingerprints that were handed out

    def open(self, key: str, size: int) -> tuple[Tensor, str]:
        buffer, fingerprint = self.held.setdefault(key, (torch.zeros(size, dtype=torch.uint8), ""))
        self.opened.append(fingerprint)
        return buffer, fingerprint

    def seal(self, key: str, fingerprint: str) -> None:
        self.held[key] = (self.held[key][0], fingerprint)

    def drop(self, key: str) -> None:
        del self.held[key]

    @property
    def buffer(self) -> Tensor:
        ((buffer, _),) = self.held.values()
        return buffer


def fused(shelf: MemoryShelf, drawn: list[str]) -> BlockEngine:
    """The small fused network; `drawn` hears of every weight that had to have content."""

    def build(keep: Keep, needs: NeedsContent) -> BlockEngine:
        def noted(name: str) -> bool:
            if needs(name):
                drawn.append(name)
            return needs(name)

        return random_engine(SMALL, "cpu", "fp8", kv=None, adapter_rank=8, keep=keep, needs=noted)

    return build_shared(shelf, "small", build, travelling(Offload(), SMALL.num_layers))


def parts_of(engine: BlockEngine) -> list[Tensor]:
    network: Any = engine.transformer
    inside = [*network._layers, *network._injectors, *network._adaptive]
    return [*network.state_dict().values(), *engine.vae.state_dict().values(), *tensors(inside)]


def test_second_process_maps_every_weight_and_reads_none() -> None:
    shelf, drawn = MemoryShelf(), list[str]()
    first = fused(shelf, drawn)
    drawn.clear()
    second = fused(shelf, drawn)
    norms = ("self_attn.norm_q.weight", "self_attn.norm_k.weight")
    assert drawn and all(name.endswith(norms) for name in drawn), "only what numbers are taken from"
    inside = range(shelf.buffer.data_ptr(), shelf.buffer.data_ptr() + len(shelf.buffer))
    plain = parts_of(random_engine(SMALL, "cpu", "fp8", kv=None, adapter_rank=8))
    for one, other, alone in zip(parts_of(first), parts_of(second), plain, strict=True):
        assert torch.equal(one.view(torch.uint8), alone.contiguous().view(torch.uint8))
        assert torch.equal(other.view(torch.uint8), alone.contiguous().view(torch.uint8))
        assert one.data_ptr() in inside or one.shape == (SMALL.dim,)
    assert sum(one.data_ptr() in inside for one in parts_of(second)) == len(plain) - 2 * SMALL.num_layers


def test_memory_that_was_changed_is_filled_again_and_an_attached_adapter_is_no_change() -> None:
    shelf = MemoryShelf()
    network: Any = fused(shelf, []).transformer
    product = network.adaptable()[3]
    weight = product.weight.view(torch.uint8)
    weight[:, product.inputs :] = 7
    fused(shelf, [])
    assert shelf.opened[-1], "side columns belong to whoever attaches"
    good = int(weight[5, 9])
    weight[5, 9] ^= 16
    fused(shelf, [])
    assert shelf.opened[-2] and not shelf.opened[-1], "dropped, and filled anew"
    again: Any = fused(shelf, []).transformer
    assert shelf.opened[-1] and int(again.adaptable()[3].weight.view(torch.uint8)[5, 9]) == good


def test_memory_that_does_not_keep_its_bytes_is_refused_in_the_end() -> None:
    shelf = MemoryShelf()
    shelf.drop = lambda key: None  # type: ignore[method-assign]
    fused(shelf, [])
    shelf.buffer[100] ^= 1
    with pytest.raises(WeightsError, match="were changed"):
        fused(shelf, [])


def test_weights_that_travel_are_every_processes_own() -> None:
    travels = travelling(Offload(text_weights=True, layers=2), 4)
    assert travels("blocks.1.cross_attn.k.weight") and travels("blocks.1.cross_attn.v.bias")
    assert travels("blocks.0.ffn.0.weight") and travels("blocks.2.norm3.bias") and not travels("blocks.1.ffn.0.weight")
    assert not travels("audio_injector.injector.0.k.weight") and not travels("blocks.1.cross_attn.q.weight")
    cold = travelling(Offload(cold_weights=True), 4)
    assert cold("audio_injector.injector.0.k.weight") and cold("audio_injector.injector_adain_layers.0.linear.bias")
    assert not cold("audio_injector.injector.0.q.weight")


def test_pocket_model_from_files_computes_the_same_around_shared_memory(tmp_path: Path) -> None:
    write_pocket(tmp_path)
    shelf, picture = MemoryShelf(), np.zeros((64, 64, 3), np.uint8)
    engines = [load_engine(tmp_path), *(load_engine(tmp_path, shelf=shelf) for _ in range(2))]
    assert shelf.opened[0] == "" and shelf.opened[1]
    found = [engine.prepare("a teacher", picture, 64, 64)["motion"] for engine in engines]
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    weights = [engine.transformer.state_dict() for engine in engines]
    assert all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_network_without_content_takes_the_places_that_it_has_with_content(precision: str) -> None:
    counted = Slab()
    random_engine(SMALL, "cpu", precision, kv=None, adapter_rank=8, keep=counted, needs=lambda name: "norm_" in name)
    filled = Slab(torch.zeros(counted.total_bytes, dtype=torch.uint8))
    random_engine(SMALL, "cpu", precision, kv=None, adapter_rank=8, keep=filled)
    assert counted.table == filled.table and counted.total_bytes == filled.total_bytes


def test_strides_and_odd_sizes_keep_their_order() -> None:
    wide = torch.ones(2, 4, 3, 3).to(memory_format=torch.channels_last)
    given = [torch.arange(6.0).view(2, 3).t(), torch.arange(5, dtype=torch.uint8), wide]
    counted = Slab()
    assert all(counted(one) is one for one in given)
    filled = Slab(torch.zeros(counted.total_bytes, dtype=torch.uint8))
    kept = [filled(one) for one in given]
    for one, copy in zip(given, kept, strict=True):
        assert torch.equal(copy, one) and copy.stride() == one.stride() and copy.data_ptr() != one.data_ptr()
    assert filled.key == counted.key
    before = filled.fingerprint()
    kept[1][4] += 1
    assert filled.fingerprint() != before
    with pytest.raises(WeightsError, match="were counted"):
        filled(torch.ones(1))
