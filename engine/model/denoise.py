"""One block's denoise steps over given rings and sink: what the engine does per block, and when it replays."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.catalog import BLOCK_LATENTS
from engine.config import Settings
from engine.model.attention import KeysValues
from engine.model.drawing import reference_distance
from engine.model.injector import AudioKeys
from engine.model.rings import KeyStore, RingReader, SinkWriter
from engine.model.rope import Phases, block_positions, phases, sink_positions, sink_shift
from engine.model.sampler import Schedule, add_noise, euler_step, schedule
from engine.model.transformer import Modulation, Transformer


class Denoiser:
    """The transformer with what stays constant computed once: schedules and modulations."""

    def __init__(self, transformer: Transformer) -> None:
        self.transformer = transformer
        self._plans: dict[int, tuple[Schedule, list[Modulation]]] = {}
        self._grids: dict[tuple[int, int], _Grid] = {}
        self._text: tuple[Tensor, list[KeysValues]] | None = None

    def text(self, rows: Tensor) -> list[KeysValues]:
        """Keys and values of the text rows; kept while the same tensor is handed in."""
        if self._text is None or self._text[0] is not rows:
            self._text = (rows, self.transformer.encode_text(rows))
        return self._text[1]

    def forget_text(self) -> None:
        """The network computes something else from now on."""
        self._text = None

    def prefill(
        self, sink: KeyStore, reference: Tensor, motion: Tensor, text: list[KeysValues], *, is_first: bool = True
    ) -> None:
        """Fill a sink from the reference [16, 1, h, w] and motion latents [16, n, h, w]; `is_first` of its context."""
        rows, columns = reference.shape[-2] // 2, reference.shape[-1] // 2
        writer = SinkWriter(sink, self._sink_phases(0, rows, columns), is_first=is_first)
        self.transformer.prefill(reference, motion, text, self.transformer.modulation(0.0), writer)

    def denoise(
        self, noise: Tensor, block: int, settings: Settings, rings: list[KeyStore], sink: KeyStore,
        text: list[KeysValues], audio: list[AudioKeys], on_step: Callable[[str, int], None], oldest: int = 0,
    ) -> Tensor:  # fmt: skip
        """Noise [16, 3, h, w] -> clean latents; every ring gets the block's keys of its step. `oldest`: the first block that
        the rings know."""
        plan, modulations = self._plan(len(rings))
        x = noise
        for step in range(plan.steps):
            on_step("step", step)
            memory = self._memory(rings[step], sink, x, block, settings.seed, step, oldest=oldest)
            velocity = self.transformer(x, modulations[step], memory, text, audio)
            x = euler_step(x, velocity, plan.sigmas[step], plan.sigmas[step + 1])
        return x

    def replay(
        self, clean: Tensor, noise: Tensor, block: int, settings: Settings, rings: list[KeyStore], sink: KeyStore,
        text: list[KeysValues], audio: list[AudioKeys], oldest: int,
    ) -> None:  # fmt: skip
        """Write the keys that a finished block would have left, as nearly as its clean latents tell.

        The sample at each step is not kept, so it is made again from the clean latents and the block's own noise.
        """
        plan, modulations = self._plan(len(rings))
        for step, ring in enumerate(rings):
            x = add_noise(clean, noise, plan.sigmas[step])
            memory = self._memory(ring, sink, x, block, settings.seed, step, oldest=oldest)
            self.transformer(x, modulations[step], memory, text, audio)

    def _plan(self, steps: int) -> tuple[Schedule, list[Modulation]]:
        if steps not in self._plans:
            plan = schedule(steps)
            self._plans[steps] = plan, [self.transformer.modulation(t) for t in plan.timesteps]
        return self._plans[steps]

    def _memory(
        self, ring: KeyStore, sink: KeyStore, x: Tensor, block: int, seed: int, step: int, *, oldest: int
    ) -> RingReader:
        rows, columns, first = x.shape[-2] // 2, x.shape[-1] // 2, BLOCK_LATENTS * block
        shift = sink_shift(first, reference_distance(seed, block, step))
        at = phases(self._grid(rows, columns).block(first), self.transformer.config.head_dim)
        return RingReader(ring, sink, block, at, self._sink_phases(shift, rows, columns), oldest=oldest)

    def _sink_phases(self, shift: int, rows: int, columns: int) -> Phases:
        return phases(self._grid(rows, columns).sink(shift), self.transformer.config.head_dim)

    def _grid(self, rows: int, columns: int) -> _Grid:
        if (rows, columns) not in self._grids:
            self._grids[rows, columns] = _Grid(rows, columns, self.transformer.patch_embedding.weight.device)
        return self._grids[rows, columns]


class _Grid:
    """Positions of a size on the device: moving them along the video needs no copy from the host."""

    def __init__(self, rows: int, columns: int, device: torch.device) -> None:
        block, sink = block_positions(0, rows, columns), sink_positions(0, rows, columns)
        self._block, self._sink = block.to(device), sink.to(device)
        self._block_moves = (block_positions(1, rows, columns) - block).to(device)
        self._sink_moves = (sink_positions(1, rows, columns) - sink).to(device)

    def block(self, first_frame: int) -> Tensor:
        """Positions [L, 3] of a block that starts at a latent frame."""
        return self._block + first_frame * self._block_moves

    def sink(self, shift: int) -> Tensor:
        """Positions [S, 3] of the sink with the reference frame moved on."""
        return self._sink + shift * self._sink_moves
