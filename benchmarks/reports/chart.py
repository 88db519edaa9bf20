"""Charts as SVG strings; their colours are classes that the page's style sheet fills in."""

import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpie.system.files import write_atomic

# Narrow, so that on a phone, where the drawing fills the width, its text is still about 11 px.
_WIDTH = 400
_HEIGHT = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 36
# Mean advance of a letter at the style sheet's 13 px; SVG cannot measure text without a browser.
_LETTER = 7.2
_COLORS = 6
# More points than this lie closer than one pixel.
_MOST_POINTS = 400
# From the smallest to the largest value; a linear axis would crowd the small ones.
_WIDE = 20
# Of a drawing outside of a page, whose style sheet (page.html) says the same for both themes.
_STYLE = (
    "svg{font:13px system-ui,sans-serif}text{fill:#52606d}.grid{stroke:#d5dce3}"
    "polyline{fill:none;stroke-width:1.8}.dashed{stroke:#52606d;stroke-dasharray:5 4}"
    ".c0{stroke:#0b5cad}.c1{stroke:#b8480b}circle{fill:#fff;stroke-width:2}circle.c0{fill:#0b5cad}"
)


@dataclass(frozen=True)
class Series:
    """A line through finite points (x, y) in ascending x; a dashed one is a grey reference."""

    label: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar from 0 to `value`, with a whisker from low to high; pale when it is doubtful."""

    label: str
    value: float
    low: float
    high: float
    doubtful: bool = False


def line_chart(series: Sequence[Series], *, title: str, x_label: str) -> str:
    """Return an `<svg>` of `series` with axes, ticks and a legend; `title` is read to the blind.

    Beyond 400 points a line shows the means of equal runs of neighbours. A line of one point is
    a dot. Raises `ValueError` when no series has a point.
    """
    lines = [(s, _thin(s.points)) for s in series]
    xs = [x for _, points in lines for x, _ in points]
    place, body = _axes(xs, [y for _, points in lines for _, y in points], x_label)
    styles = _styles(series)
    body += [
        _line([place(*p) for p in points], style)
        for style, (_, points) in zip(styles, lines, strict=True)
    ]
    legend, height = _legend([s.label for s in series], styles)
    return _svg(body + legend, height, title)


def bar_chart(bars: Sequence[Bar], *, title: str, unit: str) -> str:
    """Return an `<svg>` of horizontal bars from 0, under their labels, with values in `unit`.

    Raises `ValueError` when there is no bar.
    """
    left, room = 4, 90  # room for the value behind the longest whisker
    top = ticks(0, _span([0, *(max(b.value, b.high) for b in bars)])[1])[-1]
    scale = (_WIDTH - left - room) / top
    body = []
    for index, bar in enumerate(bars):
        y = 14 + 42 * index
        low, value, high = (left + scale * max(v, 0) for v in (bar.low, bar.value, bar.high))
        body.append(_text(left, y, _shorten(bar.label, _WIDTH - left), "start"))
        kind = "bar doubtful" if bar.doubtful else "bar"
        body.append(
            f'<rect class="{kind}" x="{left}" y="{y + 6}" width="{value - left:.1f}" height="16"/>'
        )
        if bar.high > bar.low:
            whisker = f"M{low:.1f} {y + 9}v10m0 -5H{high:.1f}m0 -5v10"
            body.append(f'<path class="whisker" d="{whisker}"/>')
        body.append(_text(max(value, high) + 6, y + 18, f"{_amount(bar.value)} {unit}", "start"))
    return _svg(body, 42 * len(bars), title)


def scatter_chart(
    points: Sequence[tuple[str, float, float]], *, title: str, x_label: str, y_label: str
) -> str:
    """Return an `<svg>` of labelled points (label, x, y); a line joins those that no other beats.

    A point is beaten by one that is smaller in x and larger in y. Each has the number of its line
    in the legend. The x-axis is logarithmic where the largest x is more than 20 times the smallest,
    as a linear one would crowd the small ones. Raises `ValueError` when there is no point.
    """
    xs = [x for _, x, _ in points]
    logarithmic = min(xs) > 0 and max(xs) > _WIDE * min(xs)
    place, body = _axes(xs, [y for _, _, y in points], x_label, edge=0.08, logarithmic=logarithmic)
    body.append(_text(_LEFT + 5, _TOP + 11, y_label, "start"))
    best = front(points)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(x, y) for _, x, y in best))
    body.append(f'<polyline class="dashed" points="{corners}"/>')
    for number, (label, x, y) in enumerate(points, start=1):
        across, up = place(x, y)
        kind = "c0" if (label, x, y) in best else "c1"
        body.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="4"/>')
        left = across > _WIDTH - 40
        body.append(
            _text(across + (-7 if left else 7), up - 5, str(number), "end" if left else "start")
        )
        line = f"{number}  {label}"
        body.append(
            _text(_LEFT, _HEIGHT + 20 * number - 6, _shorten(line, _WIDTH - _LEFT), "start")
        )
    return _svg(body, _HEIGHT + 20 * len(points) + 4, title)


def write_svg(path: Path, drawings: Sequence[str]) -> None:
    """Write charts side by side to `path`, an .svg file that needs no page around it."""
    heights = [int(h) for d in drawings for h in re.findall(r'viewBox="0 0 \d+ (\d+)"', d[:500])]
    inner = "".join(
        drawing.replace("<svg ", f'<svg x="{_WIDTH * i}" width="{_WIDTH}" height="{height}" ', 1)
        for i, (drawing, height) in enumerate(zip(drawings, heights, strict=True))
    )
    size = f'viewBox="0 0 {_WIDTH * len(drawings)} {max(heights)}"'
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>',
        f'<rect width="100%" height="100%" fill="#fff"/>{inner}</svg>',
    ]
    write_atomic(path, "\n".join(lines) + "\n")


def front(points: Sequence[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Return the points (label, x, y) that no other beats in both, small x and large y."""
    best: list[tuple[str, float, float]] = []
    for point in sorted(points, key=lambda p: (p[1], -p[2])):
        if not best or point[2] > best[-1][2]:
            best.append(point)
    return best


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers, 1, 2 or 5 times a power of ten apart, that cover [low, high].

    Needs low < high.
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    # A hair of slack, or 0.3 / 0.1 = 2.9999 would add a tick below the data.
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [i * step for i in range(first, last + 1)]


def _axes(
    xs: Sequence[float],
    ys: Sequence[float],
    x_label: str,
    *,
    edge: float = 0.0,
    logarithmic: bool = False,
) -> tuple[Callable[[float, float], tuple[float, float]], list[str]]:
    """Return (where a point of the data lies in the drawing, the axes with their ticks).

    edge: room on both sides, as a share of the range.
    """
    scaled: Callable[[float], float] = math.log10 if logarithmic else float
    levels = ticks(*_span(ys))
    low, high = _span([scaled(x) for x in xs])
    low, high = low - edge * (high - low), high + edge * (high - low)
    bottom = _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = (scaled(x) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)
        up = (y - levels[0]) / (levels[-1] - levels[0]) * (bottom - _TOP)
        return _LEFT + across, bottom - up

    body = [_rule(place(low, y)[1], _number(y)) for y in levels]
    marks = _decades(low, high) if logarithmic else ticks(low, high)
    inside = [x for x in marks if low <= scaled(x) <= high]
    body += [_text(place(x, levels[0])[0], bottom + 16, _number(x), "middle") for x in inside]
    body.append(_text(_WIDTH - _RIGHT, bottom + 31, x_label, "end"))
    return place, body


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten between 10**low and 10**high and around them."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [factor * 10.0**power for power in powers for factor in (1, 2, 5)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and largest value, widened when they (almost) coincide."""
    low, high = min(values), max(values)
    if high - low > 1e-9 * max(abs(low), abs(high), 1e-90):
        return low, high
    margin = abs(low) * 0.1 if abs(low) > 1e-6 else 1.0
    return low - margin, high + margin


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    run = math.ceil(len(points) / _MOST_POINTS)
    runs = [points[i : i + run] for i in range(0, len(points), max(run, 1))]
    return [(sum(x for x, _ in r) / len(r), sum(y for _, y in r) / len(r)) for r in runs]


def _styles(series: Sequence[Series]) -> list[str]:
    solid = iter(range(len(series)))
    return ["dashed" if s.dashed else f"c{next(solid) % _COLORS}" for s in series]


def _line(points: Sequence[tuple[float, float]], style: str) -> str:
    if len(points) == 1:
        x, y = points[0]
        return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{path}"/>'


def _legend(labels: Sequence[str], styles: Sequence[str]) -> tuple[list[str], int]:
    """The keys, wrapped into rows below the axes, and the height of the whole drawing."""
    x, y, parts = float(_LEFT), _HEIGHT + 10, []
    for label, style in zip(labels, styles, strict=True):
        shown = _shorten(label, _WIDTH - _LEFT - 30)
        width = 30 + len(shown) * _LETTER
        if x > _LEFT and x + width > _WIDTH:
            x, y = float(_LEFT), y + 20
        parts.append(f'<polyline class="{style}" points="{x:.1f},{y - 4} {x + 20:.1f},{y - 4}"/>')
        parts.append(_text(x + 25, y, shown, "start"))
        x += width + 10
    return parts, y + 8


def _rule(y: float, label: str) -> str:
    line = f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
    return line + _text(_LEFT - 6, y + 4, label, "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _shorten(text: str, width: float) -> str:
    """`text` with its middle left out where it would be wider than `width`."""
    most = int(width / _LETTER)
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[1 - most // 2 :]}"


def _number(value: float) -> str:
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e9:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _svg(body: Sequence[str], height: int, title: str) -> str:
    name = html.escape(title)
    return (
        f'<svg role="img" aria-label="{name}" viewBox="0 0 {_WIDTH} {height}">{"".join(body)}</svg>'
    )
