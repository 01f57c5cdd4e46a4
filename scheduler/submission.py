"""From a person's request to a job: everything is checked here, and everything needed to make the video is in the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine import config
from engine.catalog import BLOCK_SECONDS, FPS, PRESETS, PROMPT_BYTES
from engine.errors import SettingsError
from scheduler.context_size import context_bytes
from scheduler.errors import SchedulerError
from scheduler.prompts import Remark, render
from scheduler.registry import Role

# Spelling of the request → spelling of engine.config.Settings.
_SETTINGS = {"size": "size", "steps": "steps", "seed": "seed", "num_clip": "clips", "infer_frames": "infer_frames"}
_KNOWN: dict[str, tuple[type, ...]] = {
    "user": (str,), "role": (str,), "duration_sec": (int, float), "priority": (int,), "context": (dict,),
    "preset": (str,), "fill": (str,), "degrade": (str,), "size": (str,), "steps": (int,), "seed": (int,),
    "num_clip": (int,), "infer_frames": (int,),
    "deadline_sec": (int, float), "start_in_sec": (int, float), "follows": (str,),
    "preview_first": (bool,),
    "portrait": (str,), "voice": (str,),  # sha256 of files of one's own (scheduler.own_files)
}  # fmt: skip
_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", dict: "an object", bool: "true or false"}
MAX_DURATION_S = 36_000.0
MAX_AHEAD_S = 30 * 86_400.0
MAX_SLACK_S = BLOCK_SECONDS  # a duration this much beyond the voice is the same length in blocks


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A checked request: what the core must know, and the recipe for the worker."""

    user: str
    role: Role
    priority: int
    degrade: str
    total_blocks: int
    context_bytes: int
    width: int
    height: int
    recipe: config.Recipe
    deadline_s: float | None = None  # from submission until it is wanted
    start_in_s: float | None = None  # from submission until the time that is to be reserved
    follows: str = ""  # the job of the session whose end lets it begin
    preview: Submission | None = None  # what is made and judged before it
    warnings: tuple[Remark, ...] = ()


def bad_request(message: str, field: str, hint: str = "", code: str = "bad_request", **data: Any) -> SchedulerError:
    """A 422 that names the field."""
    return SchedulerError(422, code, message, field=field, hint=hint, **data)


def check_fields(request: Mapping[str, Any]) -> None:
    """Every field known and of the right type, the needed ones there. Raises SchedulerError naming the first at fault."""
    for name, value in request.items():
        if name not in _KNOWN:
            raise bad_request(
                f"Unknown field {name!r}.", name, f"Known fields: {', '.join(sorted(_KNOWN))}.", problem="unknown_field"
            )
        types = _KNOWN[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            message = f"{name} must be {_TYPE_NAMES[types[-1]]}, not {value!r:.60}."
            raise bad_request(message, name, problem=f"not_{types[-1].__name__}")
    for name in ("user", "role"):
        if not request.get(name):
            raise bad_request(f"{name} is {'empty' if name in request else 'missing'}.", name, problem="missing")
    if not _is_name(request["user"]):
        raise bad_request("user may have letters, digits and . _ - @, at most 64.", "user")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and all(c.isalnum() or c in "._-@" for c in text)


def work_out(
    request: Mapping[str, Any], role: Role, model: str, weights_sha256: str, *, kv: str | None
) -> Submission:  # fmt: skip
    """The submission for a request of an existing role. `kv`: the form of rings in this house (`scheduler.context_size`).

    Raises SchedulerError naming the field and the way out.
    """
    priority = request.get("priority", role.priority)
    if not 0 <= priority <= 100:
        raise bad_request(f"priority {priority} is outside 0 … 100.", "priority")
    degrade = request.get("degrade", "ask")
    if degrade not in ("allow", "ask", "never"):
        raise bad_request(f"degrade {degrade!r} is unknown.", "degrade", "Use allow, ask or never.")
    if request.get("start_in_sec") and request.get("follows"):
        raise bad_request(
            "A part of a session begins where the part before it ends; no other time can be reserved for it.", "start_in_sec",
            "Reserve a time for the session's first part.", problem="session_time",
        )  # fmt: skip
    deadline_s, start_in_s = _ahead(request, "deadline_sec"), _ahead(request, "start_in_sec")
    if deadline_s is not None and start_in_s is not None and deadline_s <= start_in_s:
        raise bad_request(
            f"It is wanted within {deadline_s:g} s and would begin in {start_in_s:g} s: too late for certain.", "deadline_sec",
            "Reserve an earlier time, or give it longer.", problem="late_start",
            wanted=f"{deadline_s:g}", begins=f"{start_in_s:g}",
        )  # fmt: skip
    rendered = render(role, request.get("context", {}), read_bytes=PROMPT_BYTES.get(model))
    settings, warnings = _settings(request, role)
    seconds, blocks = _length(request, role, settings)
    try:
        width, height = config.fit_size(settings.size, role.image_width, role.image_height)
    except SettingsError as error:
        raise bad_request(str(error), error.field or "size", error.hint, code=error.code, **error.data) from error
    recipe = config.Recipe(
        settings={name: getattr(settings, name) for name in settings.__dataclass_fields__},
        role=role.name,
        role_version=role.version,
        prompt=rendered.prompt,
        context=dict(rendered.used),
        style=role.style,
        portrait_sha256=role.portrait_sha256,
        voice_sha256=role.voice_sha256,
        voice_seconds=seconds,
        fill=request.get("fill"),
        adapters=role.adapters,
        model=model,
        weights_sha256=weights_sha256,
    )
    made = Submission(
        user=request["user"],
        role=role,
        priority=priority,
        degrade=degrade,
        total_blocks=blocks,
        context_bytes=context_bytes(model, width, height, settings, kv),
        width=width,
        height=height,
        recipe=recipe,
        deadline_s=deadline_s,
        start_in_s=start_in_s,
        follows=request.get("follows", ""),
        warnings=(*warnings, *rendered.warnings),
    )
    if not request.get("preview_first"):
        return made
    cheap = work_out(preview_request(request, settings), role, model, weights_sha256, kv=kv)
    if _work(cheap) >= _work(made):
        raise bad_request(
            "This video takes no more computing than its preview would.", "preview_first",
            "Submit it without a preview.", code="preview_not_cheaper",
        )  # fmt: skip
    return replace(made, preview=cheap)


def preview_request(request: Mapping[str, Any], settings: config.Settings) -> dict[str, Any]:
    """The request of a video's preview: the same words, portrait, voice and seed, at no more than the preset's cost."""
    for field in ("start_in_sec", "follows"):
        if request.get(field):
            raise bad_request(
                f"preview_first does not go with {field}: nobody knows when the preview will be approved.", field,
                "Leave one of them out.", code="preview_unplanned",
            )  # fmt: skip
    cheap = PRESETS["preview"]
    assert cheap.clips is not None, "a preview ends"
    left_out = ("preview_first", "deadline_sec")
    return {
        **{name: value for name, value in request.items() if name not in left_out}, "preset": cheap.name,
        "size": min(cheap.size, settings.size, key=area), "steps": min(cheap.steps, settings.steps),
        "num_clip": min(cheap.clips, settings.clips or cheap.clips),
        "infer_frames": min(cheap.infer_frames, settings.infer_frames), "seed": settings.seed,
    }  # fmt: skip


def area(size: str) -> int:
    """Pixels of a size such as 384*256."""
    width, _, height = size.partition("*")
    return int(width) * int(height)


def _work(made: Submission) -> int:
    """What a video costs, in pixels times steps: enough to say which of two is cheaper."""
    return made.total_blocks * made.width * made.height * made.recipe.checked_settings().steps


def _ahead(request: Mapping[str, Any], field: str) -> float | None:
    """Seconds from now; None where nothing is asked for."""
    value = request.get(field)
    if value is None:
        return None
    if not 0 < value <= MAX_AHEAD_S:
        hint = f"Use more than 0 and at most {MAX_AHEAD_S:.0f} seconds."
        raise bad_request(f"{field} {value} is not possible.", field, hint, problem="too_far", days=round(MAX_AHEAD_S / 86_400))
    return float(value)


def _settings(request: Mapping[str, Any], role: Role) -> tuple[config.Settings, tuple[Remark, ...]]:
    warnings: tuple[Remark, ...] = ()
    chosen = {ours: request[theirs] for theirs, ours in _SETTINGS.items() if theirs in request}
    frames = chosen.get("infer_frames")
    if frames is not None and frames > 0 and frames % 12:
        chosen["infer_frames"] = config.round_up_infer_frames(frames)
        warnings = (Remark("frames_rounded", asked=frames, used=chosen["infer_frames"]),)
    try:
        return config.Settings.from_preset(request.get("preset", role.preset), **chosen), warnings
    except SettingsError as error:
        spelled = {ours: theirs for theirs, ours in _SETTINGS.items()}
        field = spelled.get(error.field or "", error.field or "preset")
        raise bad_request(str(error), field, error.hint, code=error.code, **error.data) from error


def _length(request: Mapping[str, Any], role: Role, settings: config.Settings) -> tuple[float, int]:
    """(seconds of sound, blocks). The voice decides; longer needs `fill`, shorter is cut at a pause (requirements B1)."""
    fill, asked = request.get("fill"), request.get("duration_sec")
    if fill not in (None, "loop", "pad"):
        raise bad_request(f"fill {fill!r} is unknown.", "fill", "Use loop or pad, or leave it out.")
    seconds = role.voice_seconds
    if asked is not None:
        if not 0 < asked <= MAX_DURATION_S:
            raise bad_request(
                f"duration_sec {asked} is not possible.", "duration_sec", f"Use more than 0 and at most {MAX_DURATION_S:.0f}."
            )
        if asked > seconds + MAX_SLACK_S and fill is None:
            raise bad_request(
                f"{asked:g} s are asked for, but the voice of {role.name} lasts {seconds:.2f} s.", "duration_sec",
                "Say fill: loop to repeat the voice, fill: pad to end in silence, or ask for at most the voice's length.",
                code="voice_too_short", asked=f"{asked:g}", seconds=f"{seconds:.2f}",
            )  # fmt: skip
        if asked > seconds:
            seconds = float(asked)
        elif seconds - asked >= 1 / FPS:  # less than a frame is the voice's own length, rounded by somebody
            seconds = _cut(role.pauses, float(asked))
    blocks = config.blocks_for_seconds(seconds)
    if settings.max_blocks is not None and blocks > settings.max_blocks:
        blocks = settings.max_blocks
        seconds = min(seconds, blocks * BLOCK_SECONDS)
    return seconds, blocks


def _cut(pauses: tuple[tuple[float, float], ...], seconds: float) -> float:
    """Where to end a voice that is longer than wanted: at the last pause that begins before, else right there."""
    starts = [start for start, _ in pauses if 0 < start <= seconds]
    return max(starts) if starts else seconds
