"""How much disk a plan's videos leave behind: learnt of finished jobs' folders, else an upper bound that needs no guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.catalog import BLOCK_FRAMES, BLOCK_LATENTS
from engine.memory import LATENT_CHANNELS
from scheduler.plan.check import ATTENTION, BAD, OK, UNKNOWN, Check, checked
from scheduler.plan.demand import Demand
from scheduler.plan.figures import size_text
from scheduler.plan.sentences import sentence
from scheduler.plan.studio import Studio

FLOOR_BYTES = 200 << 20  # below it nothing is started (scheduler.preflight)
WARN_BYTES = 2 << 30
FOLDERS_SEEN = 10
COPIES = 3  # fragments, segments, the video
RAW_BYTES_PER_PIXEL = 1.5  # a frame in yuv420
LATENT_SIDE = 8  # pixels per latent


@dataclass(frozen=True, kw_only=True)
class DiskRate:
    """Bytes per pixel and block that finished jobs left behind, and of how many jobs."""

    bytes_per_pixel_block: float
    count: int


def learnt_rate(studio: Studio, jobs_dir: Path) -> DiskRate | None:
    """The mean over the newest finished jobs whose folders are still there; None when there is none."""
    total_bytes, total_weight, count = 0, 0, 0
    for row in studio.costs[:FOLDERS_SEEN]:
        folder = jobs_dir / row["id"]
        if row["width"] is None or not folder.is_dir():
            continue
        total_bytes += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        total_weight += row["width"] * row["height"] * row["total_blocks"]
        count += 1
    if not count or not total_bytes:
        return None
    return DiskRate(bytes_per_pixel_block=total_bytes / total_weight, count=count)


def most_bytes(wanted: Iterable[Demand]) -> int:
    """An upper bound: every picture kept uncompressed in every file, and latents in float32."""
    total = 0.0
    for one in wanted:
        pixels = one.setting.width * one.setting.height
        frames = COPIES * BLOCK_FRAMES * RAW_BYTES_PER_PIXEL * pixels
        latents = BLOCK_LATENTS * LATENT_CHANNELS * 4 * pixels / LATENT_SIDE**2
        total += one.blocks * (frames + latents)
    return int(total)


def disk_check(wanted: list[Demand], studio: Studio, rate: DiskRate | None) -> Check:
    """Is there room for what the plan makes, above what has to stay free?"""
    have = max(0, studio.free_bytes - FLOOR_BYTES)
    need = most_bytes(wanted)
    basis = sentence("disk_basis_most")
    if rate is not None:
        pixels = sum(one.setting.width * one.setting.height * one.blocks for one in wanted)
        need = int(rate.bytes_per_pixel_block * pixels)
        basis = sentence("disk_basis_learnt", count=rate.count)
    figures = {
        "need_bytes": need, "free_bytes": studio.free_bytes, "floor_bytes": FLOOR_BYTES,
        "basis": "most" if rate is None else "learnt",
    }  # fmt: skip
    words = {"need": size_text(need), "have": size_text(have), "floor": size_text(FLOOR_BYTES)}
    code, state = "disk_ok", OK if studio.free_bytes - need >= WARN_BYTES else ATTENTION
    if need > have:
        code, state = ("disk_unknown", UNKNOWN) if rate is None else ("disk_small", BAD)
    english = checked("plan disk", state, code, figures, basis=basis["en"], **words)
    chinese = checked("plan disk", state, code, figures, basis=basis["zh"], **words)
    return Check(name="plan disk", state=state, text=english.text, zh=chinese.zh, data=figures)
