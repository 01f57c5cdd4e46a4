"""Everything that forecasts know of the house, learnt from what anybody can see."""

from __future__ import annotations

from scheduler.forecast.demand import Demand
from scheduler.forecast.losses import Losses
from scheduler.forecast.paces import Nominal, Paces
from scheduler.forecast.preparing import Preparing
from scheduler.forecast.witness import Forecaster, Request


class Learnt(Forecaster):
    """Paces, demand, losses and preparations; told of what happens in order of time."""

    def __init__(self, nominal: Nominal) -> None:
        self.paces = Paces(nominal)
        self.demand = Demand()
        self.losses = Losses()
        self.preparing = Preparing()
        self.requests: dict[str, Request] = {}  # of jobs that have not ended
        self._since: dict[str, float] = {}  # when a running job's present block began

    def submitted(self, request: Request) -> None:
        """A job was accepted."""
        self.requests[request.id] = request
        self.demand.submitted(request)
        self.paces.submitted(request)

    def leased(self, at: float, job_id: str, slot: int) -> None:
        """A slot was given to a job."""
        self.preparing.leased(at, job_id, slot, self.requests[job_id].role)

    def started(self, at: float, job_id: str) -> None:
        """Its worker has prepared."""
        self.preparing.started(at, job_id)
        self._since[job_id] = at

    def block_done(self, at: float, job_id: str, seconds: float) -> None:
        """A block is durable. What counts is the time until the next can begin, not the computing in it alone."""
        took_s = max(seconds, at - self._since.get(job_id, at))
        self._since[job_id] = at
        self.paces.block_done(job_id, took_s)
        self.preparing.block_done(at, job_id)

    def stopped(self, at: float, job_id: str, cause: str) -> None:
        """It gave its slot up and goes on later."""
        self._since.pop(job_id, None)

    def in_block_s(self, job_id: str, now: float) -> float | None:
        """How long a running job has been at its present block; None where that was never told."""
        since = self._since.get(job_id)
        return None if since is None else max(0.0, now - since)

    def ended(self, at: float, job_id: str, is_success: bool) -> None:
        """It is over."""
        self.requests.pop(job_id, None)
        self._since.pop(job_id, None)
        self.paces.ended(job_id)
        self.preparing.ended(at, job_id, is_success)

    def slot_lost(self, at: float, slot: int) -> None:
        """A slot has no worker any more."""
        self.losses.slot_lost(at, slot)

    def slot_back(self, at: float, slot: int) -> None:
        """A slot has a worker again."""
        self.losses.slot_back(at, slot)
