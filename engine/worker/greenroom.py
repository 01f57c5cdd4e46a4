"""The maker behind the real worker: the model, its weights from the store, each job's state in its context."""

from __future__ import annotations

import hashlib
import logging
import platform
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, overload

import av
import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from engine.config import Recipe, Settings, fit_size
from engine.garbage import keep_all_for_good
from engine.media.voice import read_voice
from engine.memory.offload import RESIDENT
from engine.model.block_engine import BlockEngine
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.model_files import open_model
from engine.model.context import Context
from engine.model.loading import load_engine
from engine.model.random_directory import RandomModel
from engine.protocol import PrepareRole, RolePrepared, Welcome, WorkerReady
from engine.vault.client import VaultBusy
from engine.worker.adapters import AdapterShelf, key_of_uses
from engine.worker.conditions import ConditionCache, Conditions, Prepared, key_of
from engine.worker.device import (
    DeviceContexts,
    adapter_rank,
    choose_device,
    device_software,
    make_deterministic,
    note_memory,
    weights_offload,
)
from engine.worker.device_memory import SharedDevice
from engine.worker.host_roles import HostRoles, most_host_bytes
from engine.worker.maker import MadeFiles, OnProgress, Task
from engine.worker.portraits import Portraits, expect_file
from engine.worker.random_model import LoadedModel, load_random
from engine.worker.ready_roles import ReadyRoles, most_bytes
from engine.worker.store import OpenStore, Store
from engine.worker.try_out import try_out

_log = logging.getLogger("greenroom.worker")
TIERS = ("gpu", "host", "prepared")  # where a role's parts came from, quickest first


LoadModel = Callable[[Welcome, Store, str, SharedDevice | None], LoadedModel]  # the last two: device, the vault's memory on it


class Release(Protocol):
    """Lets go of a job's context in this process."""

    def __call__(self, *, is_kept: bool) -> None:
        """`is_kept`: the job will go on later."""
        ...


class GreenroomMaker:
    """One loaded engine; `warm_up` comes first."""

    name = "greenroom"

    def __init__(
        self, open_store: OpenStore, *, adapter: AdapterFile | None = None, cache_dir: Path | None = None,
        on_progress: Callable[[str, int, int], None] | None = None, load: LoadModel | None = None,
    ) -> None:  # fmt: skip
        """`load`: where the model comes from, if not from the model directory that the daemon names."""
        self._open_store, self._adapter, self._cache_dir = open_store, adapter, cache_dir
        self._load = load or self._load_model
        self._on_progress = on_progress or _log_conversion
        self._portraits = Portraits()
        self._store: Store
        self._engine: BlockEngine
        self._cache: ConditionCache
        self._adapters: AdapterShelf
        self.ready_roles: ReadyRoles
        self._contexts: DeviceContexts | None = None  # on a CPU they are the store's
        self._device = "cpu"
        self._threads = 1

    # ---- start --------------------------------------------------------------------------------------------------------

    def warm_up(self, welcome: Welcome) -> WorkerReady:
        """Load the weights through the store and make one tiny block (`engine.worker.try_out`). Raises WeightsError."""
        began = time.perf_counter()
        self._threads, self._device = welcome.threads, choose_device()
        make_deterministic(self._device, welcome.threads)
        self._store = self._open_store(welcome)
        shared = None if self._device == "cpu" else SharedDevice.of(self._store)
        loaded = self._load(welcome, self._store, self._device, shared)
        if self._device != "cpu":
            note_memory("weights are there", shared, began)
        self._engine = loaded.engine
        self._cache = ConditionCache(self._store, self._device)
        claim = shared.claim if shared is not None and self._engine.transformer.is_fused else None
        self._adapters = AdapterShelf(self._engine, self._store, claim=claim)
        if self._device != "cpu":
            self._contexts = DeviceContexts(self._engine.shape, loaded.precision, loaded.adapter_rank, shared)
        has_room = None if self._contexts is None else self._contexts.has_room
        on_host = None if self._device == "cpu" else HostRoles(most_host_bytes())
        self.ready_roles = ReadyRoles(self._engine, most_bytes(self._device), has_room, on_host)
        if self._contexts is not None:
            self._contexts.ready_roles = self.ready_roles
        try_out(self._engine, self._device)
        keep_all_for_good()
        if self._device != "cpu":
            note_memory("warm", shared, began)
        return WorkerReady(
            warm_ms=(time.perf_counter() - began) * 1000,
            device=self._device,
            weights_sha256=self._engine.weights_sha256,
            weights_trained=self._engine.is_trained,
            software={**software(welcome.threads), **device_software(self._device)},
            kv=self._engine.transformer.kv,
        )

    def _load_model(self, welcome: Welcome, store: Store, device: str, shared: SharedDevice | None) -> LoadedModel:
        """From the model directory, through the store. Raises WeightsError."""
        if (random := RandomModel.read(Path(welcome.model_dir))) is not None:
            return load_random(random, device, shared)
        files = open_model(Path(welcome.model_dir).absolute(), self._cache_dir, self._on_progress)
        shape, precision = files.manifest.shape(), files.manifest.precision
        is_fused = device != "cpu" and shape.dtype != "float32"
        rank = adapter_rank() if is_fused else 0  # plain layers need no room
        offload = weights_offload(shape, precision, rank, has_vault=shared is not None) if is_fused else RESIDENT
        engine = load_engine(
            files, store.open_hashed_file, device, adapter=self._adapter, offload=offload, adapter_rank=rank, shelf=shared
        )
        return LoadedModel(engine, precision, rank)

    # ---- roles --------------------------------------------------------------------------------------------------------

    def prepare_role(self, order: PrepareRole) -> RolePrepared:
        """Make the role's conditions ready. Raises SettingsError, MediaError.

        It may come between two blocks of a job, whose number of threads must stay what it was: its bits follow from it.
        """
        threads = torch.get_num_threads()
        try:
            return self._prepare_role(order)
        finally:
            torch.set_num_threads(threads)

    def _prepare_role(self, order: PrepareRole) -> RolePrepared:
        began = time.perf_counter()
        recipe = Recipe.from_json(order.recipe)
        adapters = self._adapters.ready(recipe.adapters, order.adapter_paths)
        width, height, key, prepared = self._role(recipe, recipe.checked_settings(), Path(order.portrait_path), order.prompt)
        key, tier = key_of(key, adapters.key), max(adapters.tier, prepared.tier, key=TIERS.index)
        if not self.ready_roles.is_here(key):
            tier = max(tier, "host", key=TIERS.index)
            try:
                if not self.ready_roles.bring(key, width, height):
                    with self._adapters.for_a_moment(adapters):
                        self.ready_roles.make(key, prepared.conditions, width, height)
            except VaultBusy as error:  # another slot's character is on stage: the first job computes the beginning itself
                _log.warning("role not made ready", extra={"data": {"role": order.role, "error": str(error)}})
        switch_ms = (time.perf_counter() - began) * 1000
        return RolePrepared(order.request_id, tier, switch_ms, prepared.prepare_ms + adapters.prepare_ms)

    def _role(self, recipe: Recipe, settings: Settings, portrait: Path, prompt: str) -> tuple[int, int, str, Prepared]:
        """(width, height, key, conditions) of a prompt and a portrait."""
        width, height = fit_size(settings.size, *self._portraits.size(portrait, recipe.portrait_sha256))
        weights = self._engine.weights_sha256
        key = key_of("role", weights, self._pin(recipe), prompt, recipe.portrait_sha256, width, height)

        def make() -> Conditions:
            return self._engine.prepare(prompt, self._portraits.picture(portrait, recipe.portrait_sha256), width, height)

        return width, height, key, self._cache.get(key, make)

    def _pin(self, recipe: Recipe) -> str:
        """Compute with as many threads as the recipe was begun with: sums are split by threads, and bits follow."""
        threads = int(recipe.made_with.get("threads", self._threads))
        torch.set_num_threads(threads)
        return str(threads)

    # ---- jobs ---------------------------------------------------------------------------------------------------------

    def open(self, task: Task) -> GreenroomScene:
        """Conditions ready, context mapped. Raises MediaError, SettingsError, VaultLost, VaultFull."""
        engine, recipe, settings = self._engine, task.recipe, task.settings
        self._store.release_dropped_contexts()
        expect_file(task.voice_source, recipe.voice_sha256, "voice")
        self._adapters.attach(self._adapters.ready(recipe.adapters, task.adapters))
        width, height, key, role = self._role(recipe, settings, task.portrait, recipe.prompt)
        voice_sha256 = hashlib.sha256(task.voice.read_bytes()).hexdigest()
        heard = self._cache.get(
            key_of("voice", engine.weights_sha256, self._pin(recipe), voice_sha256), lambda: engine.hear(read_voice(task.voice))
        )
        layout = engine.layout(width, height, settings.steps, settings.infer_frames)
        # A context belongs to its weights, its adapters, its portrait, its words: with others it is another context.
        layout_key = key_of(layout.sha256, engine.weights_sha256, key_of_uses(recipe.adapters), recipe.prompt,
                            recipe.portrait_sha256, voice_sha256, recipe.settings)  # fmt: skip
        began = time.perf_counter()
        if self._contexts is not None:
            context = self._contexts.open(task.job_id, layout, layout_key)
        else:
            buffer, _ = self._store.open_context(task.job_id, layout.total_bytes, layout_key)
            context = Context(layout, buffer)
        context_ms = (time.perf_counter() - began) * 1000
        key = key_of(key, self._adapters.attached.key)
        conditions = self.ready_roles.get(key, role.conditions) or role.conditions
        if conditions is role.conditions and not context.is_begun:
            conditions = self.ready_roles.make(key, conditions, width, height)
        release = partial(self._release_context, task.job_id)
        return GreenroomScene(engine, context, conditions | heard.conditions, settings, release, self._contexts, context_ms)

    def _release_context(self, job_id: str, *, is_kept: bool) -> None:
        """On a CPU a context that is kept stays held by this process too: should the vault die, the next one can have it."""
        if self._contexts is not None:
            self._contexts.release(job_id, is_kept=is_kept)
        elif not is_kept:
            self._store.release_context(job_id)


class GreenroomScene:
    """One job being made by the engine."""

    def __init__(
        self,
        engine: BlockEngine,
        context: Context,
        conditions: Conditions,
        settings: Settings,
        release: Release,
        device: DeviceContexts | None = None,
        context_ms: float = 0.0,
    ) -> None:
        """`device`: knows how much memory is used there; None on a CPU. `context_ms`: how long mapping the context took."""
        self.width, self.height = context.layout.width, context.layout.height
        self._engine, self._context, self._conditions, self._settings = engine, context, conditions, settings
        self._release, self._device, self.context_ms = release, device, context_ms
        self._begun: tuple[int, dict[str, float]] = (-1, {})  # the block that was begun ahead, and its stages so far

    @property
    def context_blocks(self) -> int | None:
        """The context's counter; None when it was not begun."""
        return self._context.blocks_done if self._context.is_begun else None

    def begin(self) -> None:
        """Fill the context for block 0."""
        self._engine.begin(self._context, self._conditions, self._settings)

    def rebuild(self, latents: Sequence[Callable[[], bytes]]) -> None:
        """Fill the context from durable latents; only those that the engine looks at are loaded."""
        device = self._conditions["reference"].device
        tensors: list[Tensor] = LoadedOnDemand(latents, device)  # type: ignore[assignment]
        self._engine.rebuild(self._context, self._conditions, self._settings, tensors)

    def make(self, block: int, on_progress: OnProgress) -> MadeFiles:
        """Make the block."""
        made = self._engine.make_block(self._context, self._conditions, self._settings, block, on_progress)
        latents, device = made.latents.detach().cpu().contiguous(), self._device
        return MadeFiles(
            latents=save({"latents": latents}),
            latents_sha256=hashlib.sha256(latents.view(torch.uint8).numpy().tobytes()).hexdigest(),
            frames=made.frames,
            stage_ms={**(self._begun[1] if self._begun[0] == block else {}), **made.stage_ms},
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if device is None else device.peak_bytes(),
            predicted_bytes=0 if device is None else device.predicted_bytes,
            placement="" if device is None else device.placement,
        )

    def begin_next(self, block: int, on_progress: OnProgress) -> None:
        """The device denoises while the block before is encoded and written."""
        if self._context.blocks_denoised <= block:
            stage_ms = self._engine.denoise_block(self._context, self._conditions, self._settings, block, on_progress)
            self._begun = (block, stage_ms)

    def flip(self, blocks_done: int) -> None:
        """Accept the block."""
        self._context.flip(blocks_done)

    def close(self, *, is_kept: bool) -> None:
        """No part of the context may be used any more."""
        self._context.settle()
        self._release(is_kept=is_kept)


class LoadedOnDemand(Sequence[Tensor]):
    """Latents [16, 3, h, w] of all finished blocks, each read when it is looked at: memory stays flat in long jobs."""

    def __init__(self, loaders: Sequence[Callable[[], bytes]], device: torch.device) -> None:
        self._loaders, self._device = loaders, device

    def __len__(self) -> int:
        return len(self._loaders)

    @overload
    def __getitem__(self, place: int) -> Tensor: ...

    @overload
    def __getitem__(self, place: slice) -> list[Tensor]: ...

    def __getitem__(self, place: int | slice) -> Tensor | list[Tensor]:
        if isinstance(place, slice):
            return [self._load(loader) for loader in self._loaders[place]]
        return self._load(self._loaders[place])

    def _load(self, loader: Callable[[], bytes]) -> Tensor:
        return load(loader())["latents"].to(self._device)


def _log_conversion(what: str, done: int, total: int) -> None:
    """A public directory's first use takes a minute: the log says why."""
    if done == total:
        _log.info("%s: %.2f GB converted", what, total / 1e9)


def software(threads: int) -> dict[str, str]:
    """What bits depend on besides recipe and weights."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "av": av.__version__,
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(threads),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()).lower(),
    }

