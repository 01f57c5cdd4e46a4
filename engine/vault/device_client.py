"""The vault's device memory for one process: what may be asked for, as descriptors of handles."""

from __future__ import annotations

import time

from engine import protocol
from engine.vault.client import VaultBusy, VaultClient

_RETRY_S = 0.05
FILLING_S = 600.0  # a network that is being loaded from a slow disk
CLAIM_S = 2.0  # the vault hears of a dead worker within milliseconds


class DeviceClient:
    """Raises what `VaultClient` raises; VaultBusy when another worker does not get done in time."""

    def __init__(self, vault: VaultClient, *, filling_s: float = FILLING_S, claim_s: float = CLAIM_S) -> None:
        self._vault, self._filling_s, self._claim_s = vault, filling_s, claim_s

    def open_context(self, job_id: str, size: int, layout: str, reserve: int) -> tuple[int, bool]:
        """Descriptor of a job's context, and whether it was there (else it is zero-filled)."""
        request = protocol.OpenDeviceContext(job_id=job_id, bytes=size, layout_sha256=layout, reserve_bytes=reserve)
        answer, descriptor = self._vault.ask_device(request)
        return descriptor, answer.was_there

    def open_weights(self, key: str, size: int) -> tuple[int, str]:
        """Descriptor of the weights, and their fingerprint; an empty one: fill and seal them. Waits while another does."""
        deadline = time.monotonic() + self._filling_s
        while True:
            try:
                answer, descriptor = self._vault.ask_device(protocol.OpenWeights(key=key, bytes=size))
                return descriptor, answer.sha256
            except VaultBusy:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_S)

    def seal_weights(self, key: str, fingerprint: str) -> None:
        """They are filled."""
        self._vault.tell(protocol.SealWeights(key=key, fingerprint=fingerprint))

    def drop_weights(self, key: str) -> None:
        """They are not what they were."""
        self._vault.tell(protocol.DropWeights(key=key))

    def claim_weights(self, key: str, *, is_claimed: bool) -> None:
        """The right to attach adapters. Waits a moment: a worker that was killed may still seem to have it."""
        deadline = time.monotonic() + self._claim_s
        while True:
            try:
                return self._vault.tell(protocol.ClaimWeights(key=key, is_claimed=is_claimed))
            except VaultBusy:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_S)
