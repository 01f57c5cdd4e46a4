"""`python -m engine.training.evaluate MODEL_DIR [--people 10] [--sheet FILE.png]`: judge a trained pocket model.

People that no training seed draws talk with the voices of flite, a synthesiser that training never heard (Debian:
`apt-get install flite`; without it `--voices own` uses unheard voices of our own, and the answer says so). Prints one
JSON object: per person lip-sync, blur, flicker, drift, seams; the autoencoder's PSNR; a long video's drift; the mouth in silence.
Exit codes: 0 judged, 3 a model or synthesiser is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.catalog import BLOCK_FRAMES, FPS, SPEECH_RATE
from engine.config import Settings
from engine.errors import EngineError
from engine.media.fragment import FragmentEncoder
from engine.media.lips import mouth_looks
from engine.media.quality import Quality, measure, read_frames
from engine.media.seams import find_seams
from engine.model.block_engine import BlockEngine
from engine.model.loading import load_engine
from engine.model.vae_parts import Stream
from engine.training.clips import Casting
from engine.training.espeak import sentence, speak_flite
from engine.training.faces import mouth_box, portrait
from engine.training.identity import Identity, People, draw_people
from engine.training.takes import make_take, to_bytes
from engine.training.voices import draw_script, speak

HELD_OUT_SEED = 987_654_321  # far from any seed that training uses
FLITE_VOICES = ("slt", "rms", "awb", "kal")
_WIDE, _HIGH = 192, 128


def evaluate(
    engine: BlockEngine, people: int, seconds: float, long_seconds: float, steps: int, voices: str
) -> dict[str, Any]:
    """All judgements as plain data."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    crowd = draw_people(rng, people)
    settings = Settings(size="192*128", steps=steps, seed=11)
    results: list[dict[str, Any]] = []
    for number in range(people):
        sound = _voice(rng, number, seconds, voices)
        quality, seams = _judge(engine, crowd, number, sound, settings)
        results.append({"prompt": crowd.prompts[number], **quality.to_json(), "seams": seams})
    passed = [r for r in results if _is_in_sync(r)]
    return {
        "voices": "flite" if voices == "flite" else "own formulas, unheard seed", "people": results, "steps": steps,
        "in_sync": len(passed), "of": people,
        "blurred_ratio": float(np.mean([r["blurred_ratio"] for r in results])),
        "seams": {kind: _mean([r["seams"][kind] for r in results]) for kind in ("made", "played")},
        "psnr_db": _psnr(engine), "long_video": _long(engine, crowd, rng, long_seconds, settings, voices),
        "silence_mouth_moves": _silence(engine, crowd, settings),
    }  # fmt: skip


def _is_in_sync(result: dict[str, Any]) -> bool:
    offset, correlation = result["lip_offset_s"], result["lip_correlation"]
    return offset is not None and abs(offset) <= 0.08 and correlation >= 0.6


def _judge(
    engine: BlockEngine, crowd: People, number: int, sound: np.ndarray, settings: Settings
) -> tuple[Quality, dict[str, dict[str, float]]]:
    """Scores of one person's video, and its seams: of the frames as they were made, and as a player shows them."""
    face = _picture(crowd.identity, number)
    frames = make_take(engine, face, crowd.prompts[number], sound, settings).frames
    quality = measure(frames, sound, face, mouth_box(crowd.identity.take([number]), _WIDE, _HIGH)[0])
    return quality, {"made": find_seams(frames).to_json(), "played": find_seams(_played(frames, sound)).to_json()}


def _played(frames: np.ndarray, sound: np.ndarray) -> Iterator[np.ndarray]:
    """The frames after encoding, block by block, and decoding."""
    with tempfile.TemporaryDirectory() as folder:
        voice, video = Path(folder) / "voice.wav", Path(folder) / "video.mp4"
        heard = np.zeros(len(frames) * SPEECH_RATE // FPS)
        heard[: min(len(heard), len(sound))] = sound[: len(heard)]
        with wave.open(str(voice), "wb") as file:
            file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
            file.writeframes((heard * 32767).astype("<i2").tobytes())
        encoder = FragmentEncoder(frames.shape[2], frames.shape[1], voice)
        blocks = frames.reshape(-1, BLOCK_FRAMES, *frames.shape[1:])
        video.write_bytes(encoder.init_bytes + b"".join(encoder.encode(k, block) for k, block in enumerate(blocks)))
        yield from read_frames(video)


def _mean(values: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([value[name] for value in values])), 3) for name in values[0]}


def _picture(who: Identity, number: int) -> np.ndarray:
    return to_bytes(portrait(who.take([number]), _WIDE, _HIGH)[0] * 2 - 1)


def _voice(rng: np.random.Generator, number: int, seconds: float, voices: str) -> np.ndarray:
    """float32 [N] of so many seconds."""
    wanted = round(seconds * SPEECH_RATE)
    if voices == "own":
        script = torch.from_numpy(draw_script(rng, seconds + 0.1))[None]
        return speak(script, torch.Generator().manual_seed(number)).sound[0, :wanted].numpy()
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < wanted:
        parts += [
            speak_flite(sentence(rng), FLITE_VOICES[number % len(FLITE_VOICES)]),
            np.zeros(SPEECH_RATE // 3, np.float32),
        ]
    sound = np.concatenate(parts)[:wanted]
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)


@torch.inference_mode()
def _psnr(engine: BlockEngine) -> float:
    """The autoencoder on moving pictures that it was not trained on, dB."""
    like = engine.vae.conv1.weight
    cast = Casting(HELD_OUT_SEED, "cpu").draw(0, 4, 25)
    error = []
    for video in cast.frames(0, 25, _WIDE, _HIGH):
        frames = video.transpose(0, 1).to(like)
        made, _ = engine.vae.decode(engine.vae.encode(frames), Stream(before=None))
        error.append(float((made - frames).float().square().mean()))
    return round(float(-10 * np.log10(np.mean(error) / 4)), 2)


def _long(
    engine: BlockEngine, crowd: People, rng: np.random.Generator, seconds: float, settings: Settings, voices: str
) -> dict[str, Any]:
    """One long video: does the character stay, do the lips?"""
    sound = _voice(rng, 0, seconds, voices)
    quality, seams = _judge(engine, crowd, 0, sound, settings)
    return {"asked_seconds": seconds, **quality.to_json(), "seams": seams}


def _silence(engine: BlockEngine, crowd: People, settings: Settings) -> bool:
    """Whether the mouth moves though nobody speaks."""
    face = _picture(crowd.identity, 0)
    take = make_take(engine, face, crowd.prompts[0], np.zeros(3 * SPEECH_RATE, np.float32), settings)
    grey = np.rint(take.frames @ np.array((0.299, 0.587, 0.114))).astype(np.uint8)
    box = mouth_box(crowd.identity.take([0]), _WIDE, _HIGH)[0]
    return bool(np.abs(mouth_looks(grey, box)).max() > 0)


def contact_sheet(engine: BlockEngine, file: Path, steps: int) -> None:
    """Six people, eight moments each, the portrait first, as one PNG."""
    from PIL import Image

    rng = np.random.default_rng(HELD_OUT_SEED + 1)
    crowd = draw_people(rng, 6)
    settings = Settings(size="192*128", steps=steps, seed=11)
    rows = []
    for number in range(6):
        face = _picture(crowd.identity, number)
        take = make_take(engine, face, crowd.prompts[number], _voice(rng, number, 2.4, "own"), settings)
        rows.append(np.concatenate([face, *take.frames[3::8][:7]], axis=1))
    Image.fromarray(np.concatenate(rows)).save(file)


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.evaluate", description=__doc__)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each person's video")
    parser.add_argument("--long", type=float, default=60.0, help="seconds of the long video")
    parser.add_argument("--steps", type=int, choices=(3, 4, 5), default=4)
    parser.add_argument("--voices", choices=("flite", "own"), default="flite")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG)")
    options = parser.parse_args(arguments)
    try:
        engine = load_engine(options.model_dir, device=options.device, precision="plain")
        answer = evaluate(engine, options.people, options.seconds, options.long, options.steps, options.voices)
        if options.sheet is not None:
            contact_sheet(engine, options.sheet, options.steps)
    except EngineError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return 3
    print(
        json.dumps(
            {"model": dataclasses.asdict(engine.shape)["name"], "trained": engine.is_trained, **answer}, indent=1
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
