"""Last stage: an adapter per example role, trained on roll-outs of the finished model, whose weights stay as they are."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine.training.adapters import Adapter
from engine.training.clips import Formats
from engine.training.scenes import Pool
from engine.training.stage_transformer import DistilStage, Student

RANK = 12
ALPHA = RANK / 2
ROLE_FORMATS: Formats = ((192, 128, 0.75), (128, 192, 0.25))


class RoleStage(DistilStage):
    """Trains an `Adapter` of a frozen `Student`."""

    learning_rate = 8e-3  # after 260 steps of 24 clips 0.15 of the captain was left, with 3e-3 0.21
    uses_muon = False  # an adapter's matrices are narrow
    ways = ((4, 0), (4, 1))

    def __init__(self, role: str, student: Student, pool: Pool, clips: int, seed: int) -> None:
        super().__init__(student, pool, clips)
        self.name = f"role-{role}"
        student.text.requires_grad_(False)
        self.adapter = Adapter(student.transformer, RANK, ALPHA, seed)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The adapter's pairs."""
        return self.adapter.parameters()

    def facts(self) -> dict[str, Any]:
        """Rank and scale, which the weights alone do not tell."""
        return {"rank": RANK, "alpha": ALPHA}
