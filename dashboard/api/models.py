"""What the API takes and gives, as models: the OpenAPI page is drawn from them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from dashboard.api.body import Body, Query

Context = dict[str, str | int | float | bool]
MAX_SEQ = 10**18  # larger numbers do not fit the store


class NoBody(Body):
    """No fields: an empty body or `{}`."""


class SwitchRole(Body):
    """Make a role ready on a slot and the default of its stage."""

    role: str = Field(min_length=1, max_length=200, examples=["teacher"])
    context: Context = Field(default_factory=dict, examples=[{"topic": "LLM architecture", "audience": "developers"}])
    slot: int | None = Field(default=None, description="which slot; without it the scheduler chooses")


class SubmitJob(Body):
    """One request for one video. What is left out is decided by the role."""

    role: str = Field(min_length=1, max_length=200, examples=["teacher"])
    user: str | None = Field(default=None, min_length=1, max_length=64, description="for whom; without it the caller")
    duration_sec: float | None = Field(default=None, description="seconds of video; without it the voice decides")
    priority: int | None = Field(default=None, description="0 to 100; without it the role's")
    context: Context | None = Field(default=None, description="variables of the role's prompt")
    preset: str | None = None
    size: str | None = Field(default=None, description="area budget W*H")
    steps: int | None = Field(default=None, description="3, 4 or 5")
    seed: int | None = None
    num_clip: int | None = None
    infer_frames: int | None = None
    fill: str | None = Field(default=None, description="loop or pad, where the video is longer than the voice")
    degrade: str | None = Field(default=None, description="allow, ask or never")
    deadline_sec: float | None = Field(default=None, description="wanted within so many seconds; more urgent as it nears")
    start_in_sec: float | None = Field(default=None, description="reserve a slot for so many seconds from now")
    follows: str | None = Field(default=None, description="a part of a session: begins where this job ends, on its slot")
    preview_first: bool | None = Field(
        default=None, description="make a cheap preview now; the video itself waits until somebody has approved that one"
    )
    portrait: str | None = Field(default=None, description="sha256 of a portrait of one's own, brought before; else the role's")
    voice: str | None = Field(default=None, description="sha256 of a voice of one's own, brought before; else the role's")


class SetPriority(Body):
    """Another priority for a job."""

    priority: int = Field(ge=0, le=100)
    reason: str = Field(default="", max_length=500)


class Consent(Body):
    """The answer to a job that asks whether it may be made at a lower rung."""

    is_agreed: bool


class PutRoles(Body):
    """A whole registry, as the text of a roles.yaml; its assets lie on the server."""

    text: str = Field(min_length=1)


class PreviewPrompt(Body):
    """Variables to try a role's prompt with."""

    context: Context = Field(default_factory=dict)


class PreviewPriority(Query):
    """Which priority; without it the lowest that brings the job to the front."""

    priority: int | None = Field(default=None, ge=0, le=100)


class BulkJobs(Body):
    """The same wish about several jobs, named one by one. Nothing is done until `is_sure`: the answer lists what would be."""

    action: Literal["cancel", "again"]
    ids: list[str] = Field(min_length=1, max_length=200, description="at most 200 jobs")
    is_sure: bool = False


class PauseQueue(Body):
    """Why nothing new starts; people who wait read it."""

    reason: str = Field(default="", max_length=500)
    for_s: int | None = Field(default=None, ge=60, le=7 * 86_400, description="resume by itself after so many seconds")


class DrainSlot(Body):
    """Shall the slot take no new work?"""

    is_drained: bool = True


class JobFilters(Query):
    """Which jobs. `state`: one, several with commas, `open` or `final`."""

    user: str | None = None
    role: str | None = None
    state: str | None = None
    text: str | None = None
    verdict: str | None = Field(default=None, description="approved, rejected or unjudged (finished, and nobody has said)")
    sort: str = "-ordinal"
    page: int = Field(default=1, ge=1)
    per_page: int = Field(default=50, ge=1, le=500)


class QueueFilters(Query):
    """Whose jobs; everybody's without it."""

    user: str | None = None


class AuditFilters(Query):
    """Which audit rows. `action` may hold wildcards (`job:*`); times are UTC text."""

    actor: str | None = None
    group: str | None = Field(default=None, description="that the acting person was in at that moment")
    action: str | None = None
    object: str | None = None
    outcome: str | None = None
    since: str | None = None
    until: str | None = None
    text: str | None = None
    before_seq: int | None = Field(default=None, ge=1, le=MAX_SEQ)
    limit: int = Field(default=50, ge=1, le=500)


class VideoQuery(Query):
    """`from`: only what comes after so many bytes of a growing video. `download`: as a file to keep."""

    start: int | None = Field(default=None, ge=0, alias="from")
    download: str | None = None


class SubmitQuery(Query):
    """`estimate=wait`: the answer may take 0.2 s longer and carries the estimate, if there is one by then."""

    estimate: Literal["later", "wait"] = "later"


class NoQuery(Query):
    """No parameters."""


class SpanQuery(Query):
    """`range`: 1h, 6h, 24h or 7d up to now; or `from` and `to` as 2026-11-21T09:00 in the studio's zone."""

    range: str | None = Field(default=None, description="1h, 6h, 24h or 7d")
    start: str | None = Field(default=None, alias="from", description="a time such as 2026-11-21T09:00")
    end: str | None = Field(default=None, alias="to", description="a time such as 2026-11-21T10:00; without it now")


class HistoryQuery(SpanQuery):
    """How far back: `hours`, a `range`, or `from` and `to`."""

    hours: float | None = Field(default=None, gt=0, le=168)


class LogQuery(Query):
    """Which lines of a job's log."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="debug", description="this and worse")
    after: float = Field(default=0.0, ge=0, le=1e11, description="only lines later than this; seconds since 1970")
    download: Literal["yes"] | None = Field(default=None, description="as a file, one JSON object per line")


class WatermarkQuery(SpanQuery):
    """A span, and whose shares of memory stand upon each other."""

    by: Literal["job", "user"] = Field(default="job", description="one share per job, or per person")


class DeviceChart(WatermarkQuery):
    """Which device, and which span."""

    device: str = Field(min_length=1, max_length=40)


class MuteFault(Body):
    """Fold a kind of fault away for an hour."""

    fault: str = Field(min_length=1, max_length=60, examples=["stutter"])
    reason: str = Field(min_length=1, max_length=500, description="why nobody need look at it for an hour")


class UnmuteFault(Body):
    """Show a kind of fault again before the hour is over."""

    fault: str = Field(min_length=1, max_length=60, examples=["stutter"])


class RoleChart(SpanQuery):
    """Which figure of a role, and which span."""

    kind: Literal["blocks", "videos", "memory", "switches", "lips", "blur"] = "blocks"


class SignOff(Body):
    """Sign today's morning check."""

    note: str = Field(default="", max_length=500, description="what the next person should know")


class EventsQuery(Query):
    """Only events about one object, for example `job:j123`."""

    object: str | None = None


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    field: str | None
    hint: str


class Error(BaseModel):
    """The one shape of every error."""

    error: ErrorDetail


class Estimate(BaseModel):
    """Ranges p10, p50, p90 in seconds since 1970."""

    start: tuple[float, float, float]
    goes_on: tuple[float, float, float] | None = Field(
        default=None, description="when a job that has begun and stands in line again plays on"
    )
    finish: tuple[float, float, float]
    runs: int = Field(description="finished jobs that it was learnt from")
    moved: dict[str, Any] | None = Field(
        default=None, description="the last time that the end moved by over a fifth: at, by_s (later: positive), cause, count"
    )


class Place(BaseModel):
    """Where a job stands in line."""

    place: int
    of: int


class Submitted(BaseModel):
    """The answer to a submission."""

    id: str
    state: str
    place: Place | None
    estimate: Estimate | None
    estimate_state: str = Field(
        description="known, few_runs (under 5), pending, stale (no fresh forecast), held, queue_paused, slots_drained, "
        "far_back or over"
    )
    decision: dict[str, Any] | None
    warnings: list[str] = []
    remarks: list[dict[str, Any]] = Field(default=[], description="code and data of each warning")
    preview: dict[str, Any] | None = Field(default=None, description="with preview_first: id, state and place of the preview")
    cost: dict[str, float | None] | None = Field(
        default=None, description="with preview_first: predicted preview_gpu_s and gpu_s; null where nothing was measured"
    )


class Switched(BaseModel):
    """The answer to a switch."""

    role: str
    slot: int
    tier: str = Field(description="gpu, host or prepared")
    switch_ms: float
    prepare_ms: float
    prompt: str
    adapter: str | None
    weights_reloaded: bool
    audit_seq: int


class AnyObject(BaseModel):
    """A JSON object; see the description."""
