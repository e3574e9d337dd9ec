"""A picture as shapes in the page's colour tokens: written as SVG for pages, as PNG for slides; no plotting library."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from html import escape
from typing import Literal, TypeAlias

__all__ = ["PRINT_COLOURS", "Anchor", "Drawing"]

Anchor: TypeAlias = Literal["start", "middle", "end"]

PRINT_COLOURS = {
    "for": "#1a639f", "against": "#a3480a", "unclear": "#66717d", "ink": "#16202c", "soft": "#55616f",
    "line": "#dde2e8", "axis": "#b9c2cc", "paper": "#ffffff", "wash": "#e9f0f7", "accent": "#1f4e79",
    "heat-0": "#f3f6fa", "heat-1": "#e3ecf5", "heat-2": "#cfdfee", "heat-3": "#b4cee6", "heat-4": "#93b9db",
    "heat-5": "#6f9fcd", "heat-6": "#3f77ad", "heat-7": "#2f69a3", "heat-8": "#1d4f85",
}  # fmt: skip
"""Token -> colour on paper: the light values of ``static/pages.css``."""


@dataclass(frozen=True)
class _Shape:
    kind: Literal["line", "rect", "circle", "text", "path"]
    at: tuple[float, ...]
    colour: str
    width: float = 1.0
    text: str = ""
    anchor: Anchor = "start"
    strong: bool = False
    size: float = 12.5
    title: str = ""
    dashed: bool = False
    points: tuple[tuple[float, float], ...] = ()


@dataclass
class Drawing:
    """Shapes on a sheet; origin top left, units are CSS pixels.

    Colours are names of :data:`PRINT_COLOURS`; in pages they follow the theme.

    Attributes
    ----------
    width, height : float
    """

    width: float
    height: float
    shapes: list[_Shape] = field(default_factory=list)

    # -- shapes ----------------------------------------------------------------------------------------------------
    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1.0, dashed: bool = False
    ) -> None:
        """Straight line."""
        self.shapes.append(_Shape("line", (x1, y1, x2, y2), colour, width=width, dashed=dashed))

    def rect(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Filled rectangle."""
        self.shapes.append(_Shape("rect", (x, y, max(width, 0.0), max(height, 0.0)), colour))

    def circle(self, x: float, y: float, radius: float, colour: str, *, title: str = "") -> None:
        """Filled circle; ``title`` is shown while pointing at it."""
        self.shapes.append(_Shape("circle", (x, y, radius), colour, title=title))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = "ink",
        *,
        anchor: Anchor = "start",
        strong: bool = False,
        size: float = 12.5,
    ) -> None:
        """One line of text; ``y`` is its base line."""
        self.shapes.append(_Shape("text", (x, y), colour, text=text, anchor=anchor, strong=strong, size=size))

    def path(self, points: list[tuple[float, float]], colour: str, *, width: float = 1.5) -> None:
        """Open line through points."""
        if points:
            self.shapes.append(_Shape("path", (), colour, width=width, points=tuple(points)))

    # -- out -------------------------------------------------------------------------------------------------------
    def to_svg(self, css: str = "") -> str:
        """Inline SVG, hidden from assistive technology: the figure around it has the label."""
        classes = f"chart {css}".strip()
        size = f'width="{_n(self.width)}" height="{_n(self.height)}"'
        box = f"0 0 {_n(self.width)} {_n(self.height)}"
        head = f'<svg class="{classes}" viewBox="{box}" {size} aria-hidden="true" focusable="false">'
        return "".join([head, *(_svg(shape) for shape in self.shapes), "</svg>"])

    def to_png(self, title: str = "") -> bytes:
        """The same picture on white paper."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        dpi = 96.0
        head = 34.0 if title else 0.0
        margin = 16.0
        size = (self.width + 2 * margin, self.height + head + 2 * margin)
        figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=2.0 * dpi, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(-margin, self.width + margin)
        axes.set_ylim(self.height + margin, -head - margin)
        axes.axis("off")
        if title:
            axes.text(0, -head + 14, title, fontsize=14 * 72 / dpi, fontweight="bold", color=PRINT_COLOURS["ink"])
        for order, shape in enumerate(self.shapes):
            _paint(axes, shape, order + 2, 72 / dpi)
        out = io.BytesIO()
        figure.savefig(out, format="png")
        return out.getvalue()


def _svg(shape: _Shape) -> str:
    title = f"<title>{escape(shape.title)}</title>" if shape.title else ""
    at = [_n(value) for value in shape.at]
    match shape.kind:
        case "line":
            dash = ' stroke-dasharray="4 3"' if shape.dashed else ""
            return (
                f'<line x1="{at[0]}" y1="{at[1]}" x2="{at[2]}" y2="{at[3]}" class="s-{shape.colour}" '
                f'stroke-width="{_n(shape.width)}"{dash}/>'
            )
        case "rect":
            return (
                f'<rect x="{at[0]}" y="{at[1]}" width="{at[2]}" height="{at[3]}" rx="1.5" '
                f'class="f-{shape.colour}">{title}</rect>'
            )
        case "circle":
            return f'<circle cx="{at[0]}" cy="{at[1]}" r="{at[2]}" class="f-{shape.colour}">{title}</circle>'
        case "path":
            path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in shape.points)
            return (
                f'<path d="{path}" class="f-none s-{shape.colour}" stroke-width="{_n(shape.width)}" '
                f'stroke-linejoin="round"/>'
            )
        case _:
            weight = " strong" if shape.strong else ""
            small = " small-text" if shape.size < 12 else ""
            return (
                f'<text x="{at[0]}" y="{at[1]}" class="f-{shape.colour}{weight}{small}" text-anchor="{shape.anchor}">'
                f"{escape(shape.text)}</text>"
            )


def _paint(axes: object, shape: _Shape, order: int, points: float) -> None:
    from matplotlib.patches import Circle, Rectangle

    put = axes.add_patch  # type: ignore[attr-defined]
    colour = PRINT_COLOURS[shape.colour]
    match shape.kind:
        case "line":
            x1, y1, x2, y2 = shape.at
            style = (0, (4, 3)) if shape.dashed else "solid"
            axes.plot(  # type: ignore[attr-defined]
                [x1, x2], [y1, y2], color=colour, linewidth=shape.width * points, linestyle=style, zorder=order,
                solid_capstyle="butt",
            )  # fmt: skip
        case "rect":
            x, y, width, height = shape.at
            put(Rectangle((x, y), width, height, facecolor=colour, zorder=order))
        case "circle":
            x, y, radius = shape.at
            put(Circle((x, y), radius, facecolor=colour, linewidth=0, zorder=order))
        case "path":
            xs, ys = zip(*shape.points, strict=True)
            axes.plot(xs, ys, color=colour, linewidth=shape.width * points, zorder=order)  # type: ignore[attr-defined]
        case _:
            axes.text(  # type: ignore[attr-defined]
                *shape.at,
                shape.text,
                color=colour,
                fontsize=shape.size * points,
                fontweight="bold" if shape.strong else "normal",
                ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
                va="baseline",
                zorder=order,
                parse_math=False,
            )


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
