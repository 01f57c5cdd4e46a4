"""A witness to whom nothing matters; those who care about something override it."""

from __future__ import annotations

from scheduler.forecast.witness import Request


class Silent:
    """Does nothing, whatever happens."""

    def submitted(self, request: Request) -> None:
        """A job was accepted."""

    def leased(self, at: float, job_id: str, slot: int) -> None:
        """A slot was given to a job."""

    def started(self, at: float, job_id: str) -> None:
        """Its worker has prepared and begins."""

    def block_done(self, at: float, job_id: str, seconds: float) -> None:
        """A block is durable."""

    def stopped(self, at: float, job_id: str, cause: str) -> None:
        """It gave its slot up and goes on later."""

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """It is over."""

    def slot_lost(self, at: float, slot: int) -> None:
        """A slot has no worker any more."""

    def slot_back(self, at: float, slot: int) -> None:
        """A slot has a worker again."""
