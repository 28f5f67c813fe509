"""Charts as SVG: bars in groups, and lines, on logarithmic scales."""

import html
import math

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
INK, FAINT, GRID = "#1f2933", "#66727f", "#e4e7eb"
WIDTH, MARGIN = 820, 24
BAR, GAP, LABEL_WIDTH = 13, 14, 206


class Svg:
    """A drawing on a white card with a title."""

    def __init__(self, title, note, height, width=WIDTH):
        self.width, self.height, self.parts = width, height, []
        self.text(MARGIN, 32, title, size=16, weight=600)
        self.text(MARGIN, 51, note, size=12, colour=FAINT)

    def text(self, x, y, text, size=11, anchor="start", weight=400, colour=INK):
        """On a rim of the card's colour, which keeps grid lines away."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{colour}" stroke="#ffffff" stroke-width="3" '
            f'paint-order="stroke">{html.escape(text)}</text>'
        )

    def line(self, x1, y1, x2, y2, colour=GRID, width=1):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )

    def bar(self, x, y, width, height, colour, corner=2):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{corner}" fill="{colour}"/>'
        )

    def path(self, points, colour, width):
        joined = " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<path d="M{joined}" fill="none" stroke="{colour}" stroke-width="{width}" '
            'stroke-linejoin="round"/>'
        )
        for x, y in points:
            self.parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1}" fill="{colour}"/>'
            )

    def legend(self, y, series):
        """series: (label, colour)"""
        x = MARGIN
        for label, colour in series:
            self.legend_entry(x, y, label, colour)
            x += 34 + 6.6 * len(label)

    def legend_entry(self, x, y, label, colour):
        self.bar(x, y - 9, 11, 11, colour)
        self.text(x + 16, y, label, size=12)

    def __str__(self):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height:.0f}" '
            f'width="{self.width}" height="{self.height:.0f}" font-family="{FONT}">\n'
            f'<rect x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1:.0f}" rx="8" '
            f'fill="#ffffff" stroke="{GRID}"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


class LogScale:
    """Positions of values between two pixels; ends at whole powers of ten, or parts of them."""

    def __init__(self, values, start, end, whole=False):
        low, high = math.log10(min(values)), math.log10(max(values))
        self.low = math.floor(low) if whole else math.floor(low * 4 - 0.2) / 4
        self.high = math.ceil(high) if whole else math.ceil(high * 4 + 0.2) / 4
        self.start, self.end = start, end

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        return [10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]


def short(value):
    """A number in at most four digits."""
    if value >= 999_500:
        return f"{value / 1e6:.3g}M"
    if value >= 9_995:
        return f"{value / 1e3:.0f}k"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def bars(title, note, groups, colours, unit=""):
    """Horizontal bars in groups. groups: (label, second line of it, {series: value}); colours: by
    series in their order, which is that of the bars."""
    values = [value for _, _, bars_ in groups for value in bars_.values()]
    top = 96
    height = top + sum(max(len(b), 2) * (BAR + 2) + GAP for _, _, b in groups) + 26
    svg = Svg(title, note, height)
    svg.legend(
        76,
        [(name, colour) for name, colour in colours.items() if any(name in b for *_, b in groups)],
    )
    scale = LogScale(values, MARGIN + LABEL_WIDTH, WIDTH - MARGIN - 62)
    for tick in scale.ticks():
        svg.line(scale(tick), top - 6, scale(tick), height - 28)
        svg.text(scale(tick), height - 12, f"{short(tick)}{unit}", anchor="middle", colour=FAINT)
    y = top
    for label, more, group in groups:
        svg.text(MARGIN, y + 11, label, size=13, weight=600)
        svg.text(MARGIN, y + 26, more, size=10.5, colour=FAINT)
        first = y
        for name, colour in colours.items():
            if name in group:
                end = scale(group[name])
                svg.bar(scale.start, y, end - scale.start, BAR, colour)
                weight = 600 if name == "mlrace" else 400
                svg.text(end + 5, y + 10.5, f"{short(group[name])}{unit}", weight=weight)
                y += BAR + 2
        y = max(y, first + 2 * (BAR + 2)) + GAP
    return str(svg)


def lines(title, note, panels, colours):
    """Panels side by side on one logarithmic scale. panels: (label, {series: {x: y}})."""
    values = [y for _, series in panels for points in series.values() for y in points.values()]
    xs = sorted({x for _, series in panels for points in series.values() for x in points})
    top, bottom, height = 122, 350, 390
    svg = Svg(title, note, height)
    used = {name for _, series in panels for name in series}
    svg.legend(76, [(name, colour) for name, colour in colours.items() if name in used])
    left, space = MARGIN + 34, 18
    width = (WIDTH - MARGIN - left - space * (len(panels) - 1)) / len(panels)
    vertical = LogScale(values, bottom, top)
    for number, (label, series) in enumerate(panels):
        start = left + number * (width + space)
        svg.text(start, top - 14, label, size=12.5, weight=600)
        for tick in vertical.ticks():
            svg.line(start, vertical(tick), start + width, vertical(tick))
            if number == 0:
                svg.text(start - 7, vertical(tick) + 4, short(tick), anchor="end", colour=FAINT)
        step = (width - 24) / max(1, len(xs) - 1)
        place = {x: start + 12 + i * step for i, x in enumerate(xs)}
        for x in xs:
            svg.text(place[x], bottom + 20, str(x), anchor="middle", colour=FAINT)
        for name, colour in colours.items():
            points = sorted(series.get(name, {}).items())
            if points:
                thick = 3 if name.startswith("mlrace") else 1.8
                svg.path([(place[x], vertical(y)) for x, y in points], colour, thick)
    return str(svg)


def stacked(title, note, rows, colours):
    """Bars of parts on a linear scale. rows: (label, {part: value}); colours: by part, in order."""
    shown = [name for name in colours if any(parts.get(name, 0) > 0 for _, parts in rows)]
    columns = 5
    top = 84 + 18 * math.ceil(len(shown) / columns)
    height = top + len(rows) * 46 + 34
    svg = Svg(title, note, height)
    for i, name in enumerate(shown):
        svg.legend_entry(MARGIN + i % columns * 152, 76 + i // columns * 18, name, colours[name])
    start, end = MARGIN + LABEL_WIDTH + 20, WIDTH - MARGIN - 50
    most = max(sum(parts.values()) for _, parts in rows)
    per_unit = (end - start) / most
    for tick in range(0, int(most) + 1, max(1, round(most / 8))):
        svg.line(start + tick * per_unit, top - 6, start + tick * per_unit, height - 30)
        svg.text(start + tick * per_unit, height - 14, f"{tick} us", anchor="middle", colour=FAINT)
    for number, (label, parts) in enumerate(rows):
        y, x = top + number * 46 + 4, start
        svg.text(MARGIN, y + 19, label, size=13, weight=600)
        for name in shown:
            width = parts.get(name, 0) * per_unit
            if width > 0:
                svg.bar(x, y, width, 28, colours[name], corner=0)
                x += width
        svg.text(x + 6, y + 19, f"{sum(parts.values()):.1f} us", size=12, weight=600)
    return str(svg)
