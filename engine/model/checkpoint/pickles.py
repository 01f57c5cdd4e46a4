"""Reading `.pth` and `.bin` files: the only place, and tensors only. Nothing in such a file is ever run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor
from torch._weights_only_unpickler import UnpicklingError  # type: ignore[attr-defined]

from engine.errors import WeightsError
from engine.model.header import HINT, explain_other_file
from engine.regular_file import open_regular

LARGEST_OLD_FORMAT = 2 << 30  # bytes; files of the format before 2020 cannot be mapped and are read as a whole
_UNSAFE_HINT = "Do not use this file. Fetch it from its publisher again and compare its sha256."


def load_pickled(path: Path, device: str | None = None) -> dict[str, Tensor]:
    """The tensors of a flat state dict, mapped; device "meta": names, kinds and shapes only.

    Raises WeightsError when the file is missing, cut off, no state dict, or holds anything that would run code.
    """
    is_mapped = _look_at(path)
    try:
        content = torch.load(path, map_location=device or "cpu", weights_only=True, mmap=is_mapped)
    except UnpicklingError as error:
        what = f"{path} holds more than tensors ({_first_line(error)}); nothing of it was run."
        raise WeightsError(what, hint=_UNSAFE_HINT, path=str(path), problem="unsafe") from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise WeightsError(f"{path} is damaged: {_first_line(error)}.", hint=HINT, path=str(path), problem="damaged") from error
    return _flat(content, path)


def damaged_member(path: Path) -> str | None:
    """The first tensor inside the file whose checksum is wrong, or None. Reads everything. Raises WeightsError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(f"{path} is damaged: {error}.", hint=HINT, path=str(path), problem="damaged") from error


def is_archive(path: Path) -> bool:
    """Whether the file is of the current format, which holds checksums and can be mapped."""
    return zipfile.is_zipfile(path)


def _look_at(path: Path) -> bool:
    """Whether the file can be mapped; raises WeightsError for what is no such file at all."""
    try:
        with open_regular(path) as file:
            beginning = file.read(512)
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}.", hint=HINT, path=str(path), problem="unopened") from error
    explain_other_file(beginning, str(path))
    if is_archive(path):
        return True
    if beginning.startswith(b"PK"):
        what = f"{path} is damaged: {size} bytes are there and its end is missing; it was cut off."
        raise WeightsError(what, hint=HINT, path=str(path), problem="damaged")
    if size > LARGEST_OLD_FORMAT:
        hint = "Save it again with torch.save of a current version, or fetch the published file."
        what = f"{path} is no file that can be mapped ({size} bytes)."
        raise WeightsError(what, hint=hint, path=str(path), problem="old_format")
    return False


def _flat(content: object, path: Path) -> dict[str, Tensor]:
    odd = None if isinstance(content, dict) else f"a {type(content).__name__}"
    for key, value in content.items() if isinstance(content, dict) else ():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            odd = f"{key!r}, a {type(value).__name__}"
            break
    if odd is not None or not content:
        what = f"{path} is no flat list of tensors: it holds {odd or 'nothing'}."
        raise WeightsError(what, hint=HINT, path=str(path), problem="no_tensors")
    assert isinstance(content, dict)
    return dict(content)


def _first_line(error: Exception) -> str:
    """What matters of torch's long explanations."""
    text = str(error).strip()
    for line in text.splitlines():
        if "GLOBAL" in line or "Unsupported" in line:
            return line.strip().split(" was not an allowed", 1)[0].removeprefix("WeightsUnpickler error: ")
    return text.splitlines()[0].rstrip(".")[:200] if text else type(error).__name__
