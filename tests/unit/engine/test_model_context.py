"""A context is nothing but its buffer: another process sees the same state through the same memory file."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.catalog import SHAPES
from engine.errors import ContextLost
from engine.model.context import Context, layout_of
from tests.unit.engine.model_rig import SETTINGS, conditions, make_blocks, new_context, pocket_engine

LAYOUT = layout_of(SHAPES["pocket"], 64, 64, 3)


def test_zero_filled_buffer_is_a_context_not_begun() -> None:
    context = Context(LAYOUT, bytearray(LAYOUT.total_bytes))
    assert not context.is_begun
    with pytest.raises(ContextLost):
        _ = context.blocks_done


def test_flip_is_one_store_that_swaps_the_halves() -> None:
    buffer = bytearray(LAYOUT.total_bytes)
    context = Context(LAYOUT, buffer)
    context.mark_begun(0)
    context.half(1)["first_latent"].fill_(5)
    before = bytes(buffer)
    context.flip(1)
    assert sum(a != b for a, b in zip(before, bytes(buffer), strict=True)) == 1
    again = Context(LAYOUT, buffer)
    assert again.blocks_done == 1
    assert float(again.half(again.blocks_done)["first_latent"].max()) == 5
    assert float(again.half(0)["first_latent"].max()) == 0


def test_rings_exist_once_and_everything_else_twice() -> None:
    context = Context(LAYOUT, bytearray(LAYOUT.total_bytes))
    for name, tensor in context.half(0).items():
        assert (tensor.data_ptr() == context.half(1)[name].data_ptr()) == name.startswith("ring."), name


def test_buffer_of_another_layout_or_too_small_is_refused() -> None:
    with pytest.raises(ContextLost):
        Context(LAYOUT, bytearray(LAYOUT.total_bytes - 1))
    buffer = bytearray(LAYOUT.total_bytes)
    Context(LAYOUT, buffer).mark_begun(0)
    with pytest.raises(ContextLost, match="another layout"):
        Context(layout_of(SHAPES["pocket"], 64, 64, 3, infer_frames=36), buffer)


def test_layout_hash_changes_with_everything_that_matters() -> None:
    others = [
        layout_of(SHAPES["pocket"], 64, 128, 3), layout_of(SHAPES["pocket"], 128, 64, 3), layout_of(SHAPES["pocket"], 64, 64, 4),
        layout_of(SHAPES["pocket"], 64, 64, 3, infer_frames=36), layout_of(SHAPES["live-avatar-14b"], 64, 64, 3),
    ]  # fmt: skip
    assert len({LAYOUT.sha256, *(other.sha256 for other in others)}) == 6
    assert layout_of(SHAPES["pocket"], 64, 64, 3).sha256 == LAYOUT.sha256


_OTHER_PROCESS = """
import mmap, sys
from pathlib import Path
from engine.model.context import Context
from engine.model.loading import load_engine
from tests.unit.engine.model_rig import SETTINGS, conditions, new_context
model, descriptor, die_at = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
engine = load_engine(model)
layout = engine.layout(64, 64, SETTINGS.steps)
context = Context(layout, mmap.mmap(descriptor, layout.total_bytes))
def on_step(phase, index):
    if phase == die_at:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
if not context.is_begun:
    engine.begin(context, conditions(), SETTINGS)
block = context.blocks_done
made = engine.make_block(context, conditions(), SETTINGS, block, on_step)
context.flip(block + 1)
"""


def test_another_process_goes_on_after_a_kill_with_the_same_bits(tmp_path: Path, repo_root: Path) -> None:
    engine = pocket_engine(tmp_path / "pocket")
    straight, _ = new_context(engine)
    engine.begin(straight, conditions(), SETTINGS)
    want, _ = make_blocks(engine, straight, conditions(), 3)

    descriptor = os.memfd_create("context")
    try:
        os.ftruncate(descriptor, LAYOUT.total_bytes)
        for die_at, code in (("never", 0), ("decode", -9), ("never", 0)):
            command = [sys.executable, "-c", _OTHER_PROCESS, str(tmp_path / "pocket"), str(descriptor), die_at]
            done = subprocess.run(
                command, pass_fds=[descriptor], cwd=repo_root, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
            assert done.returncode == code
        context = Context(LAYOUT, mmap.mmap(descriptor, LAYOUT.total_bytes))
    finally:
        os.close(descriptor)
    assert context.blocks_done == 2
    got, _ = make_blocks(engine, context, conditions(), 1)
    assert torch.equal(got[0], want[2])
