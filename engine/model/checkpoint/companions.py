"""Text encoder, autoencoder and speech encoder of a public directory as files that can be mapped.

What is published as `.pth` is converted once into a cache, whole or not at all, and found there ever after.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from engine.errors import DiskFull, WeightsError
from engine.model.checkpoint.pages import MappedPages
from engine.model.checkpoint.pickles import load_pickled
from engine.model.checkpoint.public import PICKLES, PublicDirectory
from engine.model.checkpoint.shards import SPELLING, Planned, ShardFile, plan_shards
from engine.model.checkpoint.workplace import TargetRefused, check_room, publish, workplace
from engine.model.manifest import SPEECH, TEXT, VAE

OnProgress = Callable[[str, int, int], None]  # (what, bytes done, bytes in all)


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody wants to know."""


def mapped_companions(public: PublicDirectory, cache_dir: Path, on_progress: OnProgress = silent) -> dict[str, Path]:
    """Part -> safetensors file, converting where need be. Raises WeightsError, DiskFull, TargetRefused."""
    found = {part: public.companion(part) for part in (VAE, SPEECH, TEXT)}
    for part, path in found.items():
        if path.suffix in PICKLES:
            found[part] = _converted(path, part, cache_dir, on_progress)
    return found


def cached(path: Path, part: str, cache_dir: Path) -> Path:
    """Where the conversion of this very file (path, size, time of change) is kept."""
    status = path.stat()
    text = json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
    return cache_dir / f"{path.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}" / part


def write_pickled(source: Path, target: Path, on_progress: OnProgress = silent) -> str:
    """The tensors of a `.pth` file as they are, as safetensors; returns the sha256. One tensor in memory at a time."""
    tensors = load_pickled(source)
    planned = [Planned(name, SPELLING[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()]
    ((_, order),) = plan_shards(target.name, planned, sum(t.bytes for t in planned) + 1).items()
    total, done, pages = sum(t.bytes for t in planned), 0, MappedPages(source)

    def count(new: int) -> None:
        nonlocal done
        done += new
        on_progress(f"{source.name} → safetensors", done, total)

    file = ShardFile(target, order, count)
    try:
        for tensor in order:
            file.add(tensor.name, tensors.pop(tensor.name), pages.forget)
        return file.finish()
    finally:
        file.close()


def _converted(path: Path, part: str, cache_dir: Path, on_progress: OnProgress) -> Path:
    target = cached(path, part, cache_dir)
    if target.exists():
        return target
    try:
        with workplace(target.parent, wait=True) as folder:
            if target.exists():  # another process did it while this one waited
                return target
            check_room(target.parent, path.stat().st_size)
            write_pickled(path, folder / part, on_progress)
            publish(folder, target.parent)
    except (DiskFull, TargetRefused) as error:
        raise WeightsError(
            f"{path} has to be converted before it can be used, and {error.detail}",
            hint=f"Convert the directory yourself: role_scheduler weights convert {path.parent} TARGET",
        ) from error
    return target
