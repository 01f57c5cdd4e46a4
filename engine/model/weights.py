"""Safetensors without copies: tensors are views of a buffer that somebody else holds (the vault, or a mapped file)."""

from __future__ import annotations

import contextlib
import mmap
import os
import warnings
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.errors import WeightsError
from engine.model.header import HINT, Entry, read_header
from engine.regular_file import open_regular

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_PIECE = 1 << 19  # numbers: 2 MB of float32, so that the heap does not fill with holes


def map_file(path: Path) -> memoryview:
    """A whole file as read-only shared memory. Raises WeightsError when it is not there or empty."""
    try:
        with open_regular(path) as file:
            if not os.fstat(file.fileno()).st_size:
                raise WeightsError(f"{path} is empty.", hint=HINT, path=str(path), problem="empty")
            return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: {error}.", hint=HINT, path=str(path), problem="unopened") from error


def tensors_of(buffer: memoryview, name: str) -> dict[str, Tensor]:
    """Tensors of a safetensors image as views of `buffer`. Raises WeightsError naming the file when it is damaged."""
    return {key: _view(buffer, entry) for key, entry in read_header(buffer, name).items()}


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, mapped read-only."""
    return tensors_of(map_file(path), path.name)


class _NoDraws(TorchFunctionMode):
    """Random initialisation does nothing: no generator is touched, and torch's compiler stays unimported."""

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextlib.contextmanager
def empty_weights() -> Iterator[None]:
    """Modules built inside have shapes but no memory, and draw no random numbers."""
    with torch.device("meta"), _NoDraws():
        yield


def assign(module: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    """Make `tensors` the module's parameters, without copying. Names and shapes must agree exactly."""
    check_names(module, tensors, name)
    module.load_state_dict(tensors, assign=True)
    module.requires_grad_(False)
    module.eval()


def row_pieces(shape: Sequence[int]) -> Iterator[slice]:
    """A matrix in pieces of some rows: what is computed in float32 on the way stays small, whatever the matrix."""
    step = max(1, _PIECE // max(1, shape[1]))
    return (slice(first, first + step) for first in range(0, shape[0], step))


def check_names(module: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    """Raises WeightsError where names and shapes of `tensors` are not exactly those of the module's parameters."""
    wanted = dict(module.state_dict())
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or extra:
        what = f"misses {len(missing)} tensors, first {missing[0]}" if missing else f"has an unknown tensor {extra[0]}"
        names = {"missing": missing[:20], "extra": extra[:20]}
        raise WeightsError(f"{name} {what}.", hint=HINT, problem="other_tensors", **names)
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            shapes = f"{list(tensor.shape)}, not {list(wanted[key].shape)}"
            hint = "The file belongs to a model of another shape."
            raise WeightsError(f"{name}: {key} has shape {shapes}.", hint=hint, problem="other_tensors")


def _view(buffer: memoryview, entry: Entry) -> Tensor:
    dtype, count = DTYPES[entry.dtype], prod(entry.shape)
    if not count:
        return torch.empty(entry.shape, dtype=dtype)
    with warnings.catch_warnings():
        # torch warns that a write to a read-only buffer would fault. That is what we want: nobody writes to weights.
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(buffer, dtype=dtype, count=count, offset=entry.first).view(entry.shape)
