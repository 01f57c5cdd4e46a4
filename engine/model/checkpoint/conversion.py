"""A directory of weights of either kind -> a model directory: mapped files, adapter merged, bfloat16 or eight bits.

Tensor by tensor: what is held at any time is one tensor, its product with the adapter and its codes. The directory
appears under its name when everything is in it and durable, not before.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.model.checkpoint.adapters import AdapterFile
from engine.model.checkpoint.companions import OnProgress, silent
from engine.model.checkpoint.origin import Origin
from engine.model.checkpoint.pages import MappedPages
from engine.model.checkpoint.shards import Planned, ShardFile, plan_shards
from engine.model.checkpoint.source import FP8, PartSource
from engine.model.checkpoint.sums import demanded_hashes
from engine.model.checkpoint.workplace import TargetRefused, check_room, publish, workplace
from engine.model.hashes import FileHashes, hash_file
from engine.model.header import HINT
from engine.model.linears import SCALE, is_large
from engine.model.lora import Adapter
from engine.model.manifest import FILES, TRANSFORMER, Manifest, MergedAdapter
from engine.model.weights import row_pieces
from engine.precision.products import quantise_rows, scale_of

SHARD_BYTES = 5_000_000_000
PRECISIONS = ("bf16", "fp8")
WORDS = "tokenizer"  # the tokenizer's folder in a model directory
NO_ADAPTER = (
    "no adapter is merged: the public base needs its distillation adapter (Live Avatar's liveavatar.safetensors) to make "
    "video in 3 to 5 steps"
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted."""

    source: Path
    target: Path
    precision: str = "bf16"
    adapter: AdapterFile | None = None
    shard_bytes: int = SHARD_BYTES
    hashes: FileHashes = dataclasses.field(default_factory=FileHashes)


def convert(order: Order, on_progress: OnProgress = silent) -> dict[str, Any]:
    """Make the model directory; returns what was made, as plain data. Raises WeightsError, TargetRefused, DiskFull."""
    origin = Origin.open(order.source)
    _refuse_impossible(order, origin)
    adapter, merged = _adapter(order, origin)
    plans = {part: plan_shards(part, list(_planned(part, origin, order)), order.shard_bytes) for part in FILES}
    size = sum(tensor.bytes for plan in plans.values() for tensors in plan.values() for tensor in tensors)
    progress = _Progress(on_progress, size + sum(path.stat().st_size for path in origin.all_files()))
    if _is_taken(order.target):
        return _same_again(order, origin, merged, progress)
    check_room(order.target, size)
    with workplace(order.target, wait=False) as folder:
        sources = _source_hashes(order, origin, progress)
        files = _copy_words(origin, folder)
        for part, plan in plans.items():
            extra = (order.adapter.path,) if order.adapter else ()
            files |= _write_part(part, plan, origin, adapter, extra, folder, progress)
        text = json.dumps(_manifest(order, origin, merged, files, sources), indent=1, ensure_ascii=False) + "\n"
        Manifest.from_json(json.loads(text))  # what we cannot read ourselves is not published
        with (folder / "model.json").open("xb") as file:
            file.write(text.encode())
        publish(folder, order.target)
    return _report(order, origin, merged, size, is_new=True)


class _Progress:
    """Counts bytes over all stages: what is hashed and what is written."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0
        self.what = ""

    def add(self, new: int) -> None:
        self._done += new
        self._on_progress(self.what, self._done, self._total)


def _refuse_impossible(order: Order, origin: Origin) -> None:
    if order.precision not in PRECISIONS:
        raise WeightsError(f"precision {order.precision!r} is not offered.", hint=f"Use {' or '.join(PRECISIONS)}.")
    if origin.manifest.precision == "fp8" and (order.precision != "fp8" or order.adapter is not None):
        what = "an adapter cannot be merged into it" if order.adapter else "what was rounded off is gone"
        raise WeightsError(
            f"{order.source} is stored in eight bits: {what}.", hint="Convert from the public directory instead."
        )


def _adapter(order: Order, origin: Origin) -> tuple[Adapter | None, tuple[MergedAdapter, ...]]:
    before = origin.manifest.adapters
    if order.adapter is None:
        return None, before
    sha256 = hash_file(order.adapter.path)
    if any(merged.sha256 == sha256 for merged in before):
        raise WeightsError(f"{order.adapter.path} is merged into {order.source} already.", hint="Leave --lora out.")
    tensors, alpha, rank = order.adapter.read()
    shapes = {name: tensor.shape for name, tensor in origin.tensors[TRANSFORMER].items()}
    fitted = Adapter.fitted(shapes, tensors, alpha=alpha)
    pairs = len(fitted.pairs)
    return fitted, (
        *before, MergedAdapter(name=order.adapter.path.name, sha256=sha256, alpha=alpha, rank=rank, pairs=pairs)
    )  # fmt: skip


def _planned(part: str, origin: Origin, order: Order) -> Iterator[Planned]:
    for name, tensor in origin.tensors[part].items():
        shape = tuple(tensor.shape)
        if name.endswith(SCALE) and is_large(name.removesuffix(SCALE)):
            continue  # comes with its codes
        if part == TRANSFORMER and order.precision == "fp8" and is_large(name):
            yield Planned(name, "F8_E4M3", shape)
            yield Planned(name + SCALE, "F32", shape[:1])
        else:
            yield Planned(name, "BF16", shape)


def _write_part(
    part: str, plan: dict[str, list[Planned]], origin: Origin, adapter: Adapter | None, extra: tuple[Path, ...],
    folder: Path, progress: _Progress,
) -> dict[str, str]:  # fmt: skip
    """Write a part's files; name -> sha256. `extra`: files whose pages may be let go of too."""
    tensors, pages = origin.tensors[part], MappedPages(*origin.files[part], *extra)
    own = adapter if part == TRANSFORMER else None
    source = PartSource(tensors, origin.name(part), "cpu", torch.bfloat16, adapter=own, forget=pages.forget)
    sums, scales = {}, dict[str, Tensor]()
    for name, planned in plan.items():
        progress.what = name
        file = ShardFile(folder / name, planned, progress.add)
        try:
            for tensor in planned:
                ready = scales.pop(tensor.name) if tensor.name in scales else _made(source, tensor, scales)
                file.add(tensor.name, ready, pages.forget)
                if tensor.name in tensors:
                    pages.forget(tensors[tensor.name])
            sums[name] = file.finish()
        finally:
            file.close()
    return sums


def _made(source: PartSource, planned: Planned, scales: dict[str, Tensor]) -> Tensor:
    """One tensor as it is written. Codes leave their scales in `scales`."""
    value = source(planned.name)
    if planned.dtype != "F8_E4M3":
        return value
    if value.dtype == FP8:  # was in eight bits before
        scales[planned.name + SCALE] = source(planned.name + SCALE)
        return value
    codes, scale = torch.empty(value.shape, dtype=FP8), torch.empty(value.shape[0])
    for rows in row_pieces(value.shape):  # rows do not know of each other
        made = quantise_rows(value[rows])
        codes[rows], scale[rows] = made.values, scale_of(made).view(-1)
    scales[planned.name + SCALE] = scale
    return codes


def _source_hashes(order: Order, origin: Origin, progress: _Progress) -> dict[str, str]:
    """Name -> sha256 of the files that are converted. Raises WeightsError where a list of sums says otherwise."""
    demanded = {**demanded_hashes(origin.directory), **origin.known}
    sums = {}
    for path in origin.all_files():
        name = str(path.relative_to(origin.directory))
        progress.what = f"sha256 of {name}"
        sums[name] = order.hashes.of(path, progress.add)
        if path in demanded and demanded[path] != sums[name]:
            what = f"{path} is damaged: its sha256 is {sums[name]}, not {demanded[path]}."
            raise WeightsError(what, hint=HINT, path=str(path))
    return sums


def _copy_words(origin: Origin, folder: Path) -> dict[str, str]:
    sums = {}
    for path in origin.words:
        (folder / WORDS).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / WORDS / path.name)
        sums[f"{WORDS}/{path.name}"] = hash_file(folder / WORDS / path.name)
    return sums


def _manifest(
    order: Order, origin: Origin, merged: tuple[MergedAdapter, ...], files: dict[str, str], sources: dict[str, str]
) -> dict[str, Any]:
    found = origin.manifest
    return {
        "name": found.name, "trained": found.is_trained, "precision": order.precision,
        "shape": {**dataclasses.asdict(found.transformer), "dtype": "bfloat16"}, "vae": dataclasses.asdict(found.vae),
        "speech": found.speech,
        "text": {**dataclasses.asdict(found.text), "tokenizer": WORDS if origin.words else found.text.tokenizer},
        "adapters": [dataclasses.asdict(adapter) for adapter in merged], "files": files, "sources": sources,
    }  # fmt: skip


def _is_taken(target: Path) -> bool:
    return target.is_file() or (target.is_dir() and any(target.iterdir()))


def _same_again(
    order: Order, origin: Origin, merged: tuple[MergedAdapter, ...], progress: _Progress
) -> dict[str, Any]:
    """Nothing to do where the target is this very conversion; anything else is not touched."""
    refusal = TargetRefused(f"{order.target} holds something else.", hint="Name another directory, or remove this one.")
    if not (order.target / "model.json").is_file():
        raise refusal
    there = Manifest.read(order.target)
    wanted = (order.precision, merged, _source_hashes(order, origin, progress))
    if (there.precision, there.adapters, there.sources) != wanted:
        raise refusal
    size = sum((order.target / name).stat().st_size for name in there.files)
    return _report(order, origin, merged, size, is_new=False)


def _report(
    order: Order, origin: Origin, merged: tuple[MergedAdapter, ...], size: int, *, is_new: bool
) -> dict[str, Any]:
    notes = [] if merged or origin.manifest.files else [NO_ADAPTER]
    return {
        "target": str(order.target), "precision": order.precision, "bytes": size, "converted": is_new,
        "adapters": [dataclasses.asdict(adapter) for adapter in merged], "notes": notes,
    }  # fmt: skip
