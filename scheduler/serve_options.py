"""What `role_scheduler serve` was asked for, as the launcher needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scheduler import gpus


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options. `gpus`: names of the GPUs in the order of the slots, one each; empty: what the environment leaves."""

    data_dir: Path = Path("var")
    preload_roles: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    engine: str = "real"  # or "fake": the scripted program, for tests of everything above the engine
    model: str = "pocket"
    slots: int = 1
    gpus: tuple[str, ...] = ()
    standbys: int = 1
    threads: int = 0  # CPU threads of one worker; 0: all cores but one, shared out
    vault_limit_gib: float = 4.0
    park_gib: float | None = None  # None: as long as a quarter of the host's memory is left

    def __post_init__(self) -> None:
        if self.engine not in ("real", "fake"):
            raise ValueError(f"engine {self.engine!r} is unknown; use real or fake")

    @property
    def model_dir(self) -> Path:
        """Where the model's files lie."""
        return self.data_dir / "models" / self.model

    @property
    def gpu_environment(self) -> dict[str, str]:
        """For vault and daemon: which GPUs they see."""
        return gpus.environment(self.gpus) if self.gpus else {}

    @property
    def vault_socket(self) -> Path:
        """Where the vault listens."""
        return self.data_dir / "run" / "vault-0.sock"
