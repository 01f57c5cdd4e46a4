"""Role adapters of a worker: those used lately are ready on the device, more lie in host memory, the others on the disk."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.adapters import Adapter, Fitted
from engine.adapters.coded import CodedSet
from engine.config import AdapterUse
from engine.errors import WeightsError
from engine.model.block_engine import BlockEngine
from engine.model.weights import tensors_of
from engine.worker.portraits import BRING_AGAIN
from engine.worker.store import Store

DEVICE_BYTES, HOST_BYTES = 2 << 30, 16 << 30  # of ready adapters; the one in use is kept whatever its size


@dataclass(frozen=True)
class Ready:
    """Adapters ready to attach, and where they came from: gpu, host, prepared (read from the disk)."""

    key: str
    fitted: Fitted | None  # None: the generic character
    tier: str
    prepare_ms: float


GENERIC = Ready("", None, "gpu", 0.0)


class AdapterShelf:
    """Least recently used adapters move from the device to host memory, and from there away."""

    def __init__(
        self, engine: BlockEngine, store: Store, device_bytes: int = DEVICE_BYTES, host_bytes: int = HOST_BYTES,
        claim: Callable[[bool], None] | None = None,
    ) -> None:  # fmt: skip
        """`claim`: asks for the right to write into weights that other workers map too, or gives it back."""
        self._engine, self._store, self._claim = engine, store, claim
        self._limits = device_bytes, host_bytes
        self._on_device: OrderedDict[str, Fitted] = OrderedDict()
        self._on_host: OrderedDict[str, CodedSet] = OrderedDict()
        self.attached = GENERIC

    def ready(self, uses: Sequence[AdapterUse], paths: Sequence[str]) -> Ready:
        """Adapters of a recipe, made ready; what is attached stays. Raises WeightsError when a file is missing, damaged,
        another one, or does not fit: nobody is shown with a wrong face."""
        if len(uses) != len(paths):
            raise WeightsError(f"the recipe names {len(uses)} adapters, {len(paths)} files were given.")
        if not uses:
            return GENERIC
        key = key_of_uses(uses)
        if (fitted := self._on_device.get(key)) is not None:
            self._on_device.move_to_end(key)
            return Ready(key, fitted, "gpu", 0.0)
        began = time.perf_counter()
        on_host = self._on_host.pop(key, None)
        if on_host is not None:
            fitted, tier = on_host.on_device(), "host"
        else:
            fitted, tier = self._engine.fit([self._read(use, path) for use, path in zip(uses, paths, strict=True)]), "prepared"
        self._on_device[key] = fitted
        self._make_room()
        return Ready(key, fitted, tier, (time.perf_counter() - began) * 1000)

    def attach(self, ready: Ready) -> None:
        """From the next block on; a character that is attached already costs nothing.

        Weights that others map may hold what a dead worker left in their side columns: an attached adapter overwrites all
        that it uses, and the generic character multiplies them by zero.
        """
        if ready.key == self.attached.key:
            return
        if self._claim is not None and ready.fitted is not None:
            self._claim(True)
        self._engine.attach(ready.fitted)
        if self._claim is not None and ready.fitted is None:
            self._claim(False)
        self.attached = ready

    @contextmanager
    def for_a_moment(self, ready: Ready) -> Iterator[None]:
        """Attached inside, and behind it again what was attached before, which keeps the right to be. Raises VaultBusy."""
        before = self.attached
        if ready.key == before.key:
            yield
            return
        is_claimed = self._claim is not None and ready.fitted is not None and before.fitted is None
        if self._claim is not None and is_claimed:
            self._claim(True)
        try:
            self._engine.attach(ready.fitted)
            yield
        finally:
            self._engine.attach(before.fitted)
            if self._claim is not None and is_claimed:
                self._claim(False)

    def _read(self, use: AdapterUse, path: str) -> Adapter:
        try:
            buffer, _ = self._store.open_hashed_file(str(Path(path).absolute()), use.sha256)
        except WeightsError as error:
            raise WeightsError(f"The adapter {use.name}: {error.detail}", hint=BRING_AGAIN) from error
        return Adapter.of(tensors_of(buffer, use.name), use.alpha, use.name, use.weight)

    def _make_room(self) -> None:
        of_device, of_host = self._limits
        while len(self._on_device) > 1 and sum(fitted.total_bytes for fitted in self._on_device.values()) > of_device:
            key, fitted = self._on_device.popitem(last=False)
            if isinstance(fitted, CodedSet):
                self._on_host[key] = fitted.on_host()
        while self._on_host and sum(fitted.total_bytes for fitted in self._on_host.values()) > of_host:
            self._on_host.popitem(last=False)


def key_of_uses(uses: Sequence[AdapterUse]) -> str:
    """The same for what computes the same."""
    return " ".join(f"{use.sha256}*{use.alpha!r}*{use.weight!r}" for use in uses)
