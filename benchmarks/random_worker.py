"""`python -m benchmarks.random_worker --control-fd N`: the worker, with a model of random weights that no file holds.

The daemon's `model_dir` is `random/<shape>/<precision>`. Everything else is the worker's own: vault, contexts, encoding. The
two encoders are stand-ins that give rows of the right shapes at once, because they are not what is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import socket
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from engine.catalog import SHAPES
from engine.model.block_engine import BlockEngine
from engine.model.random_weights import draw, random_engine
from engine.model.slab import Keep, NeedsContent, build_shared, travelling
from engine.model.speech import SPEECH_LAYERS
from engine.protocol import Welcome
from engine.worker.__main__ import open_vault
from engine.worker.channel import Channel
from engine.worker.crash_points import CrashPoints
from engine.worker.device import adapter_rank, weights_offload
from engine.worker.device_memory import SharedDevice
from engine.worker.greenroom import GreenroomMaker, LoadedModel
from engine.worker.log import start_log
from engine.worker.shell import Shell
from engine.worker.store import Store

SHAPE_NAMES = {"14b": "live-avatar-14b", "pocket": "pocket"}
VOCABULARY = 300  # bytes and a few more
SAMPLES_PER_VECTOR = 320  # of the speech encoder


class RandomText(nn.Module):
    """Token ids [1, n] -> rows [1, n, dim]."""

    def __init__(self, dim: int, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.rows = nn.Parameter(draw("text.rows", (VOCABULARY, dim), device, dtype, 0), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """As the library's encoder answers."""
        return SimpleNamespace(last_hidden_state=self.rows[input_ids])


class RandomSpeech(nn.Module):
    """Waveform [1, N] -> 25 states [1, N / 320, dim]."""

    def __init__(self, dim: int, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.Parameter(draw("speech.layers", (SPEECH_LAYERS, dim), device, dtype, 0), requires_grad=False)

    def forward(self, waveform: Tensor, output_hidden_states: bool) -> SimpleNamespace:
        """As the library's encoder answers."""
        pieces = waveform[0, : waveform.shape[1] // SAMPLES_PER_VECTOR * SAMPLES_PER_VECTOR].view(-1, SAMPLES_PER_VECTOR)
        loudness = pieces.abs().mean(dim=1, keepdim=True)
        states = [(loudness * layer)[None] for layer in self.layers]
        return SimpleNamespace(hidden_states=states, last_hidden_state=states[-1])


def load_random(welcome: Welcome, _store: Store, device: str, shared: SharedDevice | None) -> LoadedModel:
    """The engine that `model_dir` names, its weights in the vault's memory."""
    _, name, precision = welcome.model_dir.split("/")
    shape = dataclasses.replace(SHAPES[SHAPE_NAMES[name]], dtype="bfloat16")
    rank = adapter_rank()
    offload = weights_offload(shape, precision, rank, has_vault=True)

    def build(keep: Keep, needs: NeedsContent) -> BlockEngine:
        return random_engine(
            shape, device, precision, offload=offload, adapter_rank=rank, keep=keep, needs=needs,
            text_encoder=lambda: RandomText(shape.text_dim, device, torch.bfloat16),
            speech_encoder=lambda: RandomSpeech(shape.audio_dim, device, torch.bfloat16),
        )  # fmt: skip

    assert shared is not None, "this worker needs a vault and a CUDA device"
    identity = [welcome.model_dir, rank, dataclasses.asdict(offload)]
    engine = build_shared(shared, identity, build, travelling(offload, shape.num_layers))
    return LoadedModel(engine, precision, rank)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.random_worker", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--control-fd", type=int, required=True, help="the daemon's socket")
    options = parser.parse_args(arguments)
    start_log("worker")
    channel = Channel(socket.socket(fileno=options.control_fd))
    return Shell(channel, GreenroomMaker(open_vault, load=load_random), CrashPoints.from_environment(os.environ)).run()


if __name__ == "__main__":
    sys.exit(main())
