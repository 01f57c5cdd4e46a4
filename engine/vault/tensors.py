"""Prepared conditions as tensors. Apart from the rest of the vault, because this is the part that needs torch."""

from __future__ import annotations

from typing import Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor


class Shelf(Protocol):
    """Where images are kept; `VaultClient` is one."""

    def put_image(self, key: str, image: bytes) -> None:
        """Keep an image."""

    def get_image(self, key: str) -> memoryview | None:
        """The image, or None."""


def put_conditions(shelf: Shelf, key: str, conditions: dict[str, Tensor]) -> None:
    """Keep prepared conditions under a key made of everything they depend on. Raises what the shelf raises."""
    shelf.put_image(key, save({name: tensor.detach().cpu().contiguous() for name, tensor in conditions.items()}))


def get_conditions(shelf: Shelf, key: str, device: torch.device | str = "cpu") -> dict[str, Tensor] | None:
    """The conditions on `device`, bit for bit as they were put, or None."""
    image = shelf.get_image(key)
    if image is None:
        return None
    return {name: tensor.to(device) for name, tensor in load(bytes(image)).items()}
