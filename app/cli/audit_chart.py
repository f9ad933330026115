"""The chart of an audit's report: grants, prints and outcomes, counted up over time."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1800, 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 130, 60, 90, 90
_INK, _GRID = (40, 44, 52), (222, 226, 232)
_COLOURS: Final = ((33, 102, 172), (217, 95, 2), (27, 138, 90))
_TICKS_MAX: Final = 6
_LINE_PX: Final = 6


def draw(series: Mapping[str, Sequence[int]], until: int) -> bytes:
    """Return a PNG of how often each happened by when; `series` gives Unix times in order, `until` the right
    edge. The same input gives the same bytes.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    first = min((times[0] for times in series.values() if times), default=until)
    span = max(until - first, 1)
    most = max((len(times) for times in series.values()), default=0)
    top = _ceiling(most)
    _axes(canvas, first, span, top)
    for (name, times), colour, place in zip(series.items(), _COLOURS, range(len(series)), strict=False):
        _line(canvas, times, first, span, top, colour)
        _legend(canvas, f"{name} ({len(times):,})", colour, place)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _line(
    canvas: ImageDraw.ImageDraw,
    times: Sequence[int],
    first: int,
    span: int,
    top: int,
    colour: tuple[int, int, int],
) -> None:
    """Draw a staircase, one step a column of the picture at most."""
    points: list[tuple[float, float]] = []
    columns = WIDTH - _LEFT - _RIGHT
    for column in range(columns + 1):
        count = bisect_right(times, first + span * column / columns)
        height = _BOTTOM + (HEIGHT - _TOP - _BOTTOM) * count / top
        if points:
            points.append((_LEFT + column, points[-1][1]))
        points.append((_LEFT + column, HEIGHT - height))
    canvas.line(points, fill=colour, width=_LINE_PX)


def _axes(canvas: ImageDraw.ImageDraw, first: int, span: int, top: int) -> None:
    step = max(top // 4, 1)
    for value in range(0, top + 1, step):
        height = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top
        canvas.line([(_LEFT, height), (WIDTH - _RIGHT, height)], fill=_GRID, width=2)
        canvas.text((_LEFT - 16, height), f"{value:,}", fill=_INK, font=_font(30), anchor="rm")
    for tick in range(_TICKS_MAX):
        share = tick / (_TICKS_MAX - 1)
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * share
        anchor = "ma" if 0 < tick < _TICKS_MAX - 1 else "la" if tick == 0 else "ra"
        label = _moment(int(first + span * share), span)
        canvas.text((x, HEIGHT - _BOTTOM + 20), label, fill=_INK, font=_font(28), anchor=anchor)
    canvas.line([(_LEFT, HEIGHT - _BOTTOM), (WIDTH - _RIGHT, HEIGHT - _BOTTOM)], fill=_INK, width=3)


def _legend(canvas: ImageDraw.ImageDraw, text: str, colour: tuple[int, int, int], place: int) -> None:
    x = _LEFT + place * 420
    canvas.rectangle([x, 30, x + 44, 50], fill=colour)
    canvas.text((x + 60, 40), text, fill=_INK, font=_font(34), anchor="lm")


def _ceiling(most: int) -> int:
    """Return the smallest of 4, 8, 20, 40, 80, 200… at or above the greatest count."""
    size = 4
    while True:
        for factor in (1, 2, 5):
            if size * factor >= most:
                return size * factor
        size *= 10


def _moment(time: int, span: int) -> str:
    shape = "%Y-%m-%d" if span > 5 * 86400 else "%m-%d %H:%M" if span > 3600 else "%H:%M:%S"
    return datetime.fromtimestamp(time, UTC).strftime(shape)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
