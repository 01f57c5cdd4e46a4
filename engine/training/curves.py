"""Loss curves as a picture that any browser shows: one line per measure, logarithmic where all values are positive."""

from __future__ import annotations

import math

_WIDTH, _ROW, _LEFT = 640, 120, 110
_COLOURS = ("#2f6db3", "#c4553f", "#3f8f6b", "#8a5fb0", "#b58a2e", "#4a4a55")


def draw_curves(title: str, curves: dict[str, list[list[float]]]) -> str:
    """An SVG with one row per measure; points are [step, value]."""
    height = 30 + _ROW * max(1, len(curves))
    rows = [
        _row(name, points, 30 + _ROW * i, _COLOURS[i % len(_COLOURS)])
        for i, (name, points) in enumerate(curves.items())
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="11">'
    title_text = f'<text x="8" y="18" font-size="14">{title}</text>'
    return (
        "\n".join([head, f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>', title_text, *rows, "</svg>"]) + "\n"
    )


def _row(name: str, points: list[list[float]], top: int, colour: str) -> str:
    sound = [(step, value) for step, value in points if math.isfinite(value)]
    if not sound:
        return f'<text x="8" y="{top + 20}">{name}: nothing finite</text>'
    is_log = all(value > 0 for _, value in sound)
    values = [math.log10(value) if is_log else value for _, value in sound]
    low, high = min(values), max(values)
    last = max(step for step, _ in sound) or 1
    span = (high - low) or 1.0
    places = [
        f"{_LEFT + (_WIDTH - _LEFT - 12) * step / last:.1f},{top + 8 + (_ROW - 28) * (high - value) / span:.1f}"
        for (step, _), value in zip(sound, values, strict=True)
    ]
    labels = [
        f'<text x="8" y="{top + 16}" fill="{colour}">{name}</text>',
        f'<text x="8" y="{top + 32}" fill="#555">max {max(v for _, v in sound):.4g}</text>',
        f'<text x="8" y="{top + 46}" fill="#555">last {sound[-1][1]:.4g}</text>',
        f'<text x="{_WIDTH - 80}" y="{top + _ROW - 6}" fill="#888">step {last:.0f}</text>',
    ]
    return "".join(labels) + f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(places)}"/>'
