"""Charts of the manager's pages as SVG: plain bars, drawn by the server, with a table beside."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from pipeline.effectiveness import log_place, missed_words
from pipeline.selectors import COLUMNS, StageRow

register = template.Library()
register.filter(missed_words)

ROW = 44  # pixels a stage
BAR = 14
TEXT = 14  # baseline of the label above its bar


@register.simple_tag
def stage_chart(rows: Sequence[StageRow]) -> SafeString:
    """Return stacked bars of lead counts by tier, one a stage; the table below holds the numbers.

    Widths are per cents of the longest bar, so that the chart fits any screen and its text stays
    readable.
    """
    longest = max((row.total.count for row in rows), default=0) or 1
    return format_html(
        '<svg class="chart" width="100%" height="{}" role="img" aria-labelledby="chart-title"'
        ' aria-describedby="chart-desc">'
        '<title id="chart-title">Open leads by stage and tier</title>'
        '<desc id="chart-desc">{}</desc>{}</svg>',
        ROW * len(rows),
        _described(rows),
        format_html_join("", "{}", ((_bar(row, i, longest),) for i, row in enumerate(rows))),
    )


def _described(rows: Sequence[StageRow]) -> str:
    parts = [f"{row.label} {row.total.count}, of them {row.cells[0].count} hot" for row in rows]
    return "; ".join(parts)


def _bar(row: StageRow, index: int, longest: int) -> SafeString:
    top, x = ROW * index, 0.0
    pieces = []
    for cell, column in zip(row.cells, COLUMNS, strict=True):
        width = 100.0 * cell.count / longest
        if cell.count:
            pieces.append((column, f"{x:.2f}%", f"{width:.2f}%", top + TEXT + 6, BAR))
        x += width
    return format_html(
        '<text class="value" x="0" y="{}">{}</text>'
        '<text x="100%" y="{}" text-anchor="end">{}</text>'
        '<line class="axis" x1="0" x2="100%" y1="{}" y2="{}"/>{}',
        top + TEXT,
        row.label,
        top + TEXT,
        f"{row.total.count:,}",
        top + TEXT + 6 + BAR,
        top + TEXT + 6 + BAR,
        format_html_join(
            "", '<rect class="mark-{}" x="{}" width="{}" y="{}" height="{}"/>', pieces
        ),
    )


@register.simple_tag
def lift_plot(line: Mapping[str, Any]) -> SafeString:
    """Return a lift as a dot with its interval on a logarithmic scale from a quarter to four, with
    a mark at 1. The numbers stand beside it.
    """
    low, dot, high = (log_place(line[name]) for name in ("lift_low", "lift", "lift_high"))
    return _interval(low, dot, high, log_place(1.0))


@register.simple_tag
def share_plot(share: Mapping[str, Any], most: float, mark: float | None = None) -> SafeString:
    """Return a share as a dot with its interval on a scale from 0 to `most`; `mark` is a share
    to compare it with. The numbers stand beside it.
    """
    scale = 100.0 / most if most else 100.0
    low, dot, high = (min(100.0, scale * share[name]) for name in ("low", "rate", "high"))
    return _interval(low, dot, high, None if mark is None else min(100.0, scale * mark))


def _interval(low: float, dot: float, high: float, mark: float | None) -> SafeString:
    sure = "" if mark is None or low <= mark <= high else " sure"
    return format_html(
        '<svg class="interval{}" width="100%" height="18" aria-hidden="true">{}'
        '<line class="span" x1="{}" x2="{}" y1="9" y2="9"/>'
        '<line class="span" x1="{}" x2="{}" y1="5" y2="13"/>'
        '<line class="span" x1="{}" x2="{}" y1="5" y2="13"/>'
        '<circle cx="{}" cy="9" r="4"/></svg>',
        sure,
        ""
        if mark is None
        else format_html('<line class="mark" x1="{0}" x2="{0}" y1="0" y2="18"/>', f"{mark:.1f}%"),
        f"{low:.1f}%",
        f"{high:.1f}%",
        *[f"{low:.1f}%"] * 2,
        *[f"{high:.1f}%"] * 2,
        f"{dot:.1f}%",
    )


@register.simple_tag
def drift_bars(months: Sequence[Mapping[str, Any]]) -> SafeString:
    """Return the stability index by month as bars, those that alarm in another colour, told in
    words to screen readers.
    """
    told = "; ".join(
        f"{month['month']} {month['psi']:.2f}{' drifted' if month['alert'] else ''}"
        for month in months
        if month["psi"] is not None
    )
    step = 100.0 / max(1, len(months))
    bars = [
        (
            "month drifted" if month["alert"] else "month",
            f"{index * step:.2f}%",
            f"{step * 0.7:.2f}%",
            f"{20 - min(20.0, 2 + 18 * month['psi'] / 0.5):.1f}",
            f"{min(20.0, 2 + 18 * month['psi'] / 0.5):.1f}",
            f"{month['month']}: {month['psi']:.2f}, n {month['n']}",
        )
        for index, month in enumerate(months)
        if month["psi"] is not None
    ]
    return format_html(
        '<svg class="drift" width="100%" height="20" role="img" aria-label="{}">{}</svg>',
        f"Stability index by month: {told or 'too few leads a month'}",
        format_html_join(
            "",
            '<rect class="{}" x="{}" width="{}" y="{}" height="{}"><title>{}</title></rect>',
            bars,
        ),
    )


@register.filter
def rate(share: Mapping[str, Any]) -> str:
    """Return a share in per cent with its interval: "24 % (20–29)", "–" for nobody."""
    if share["rate"] is None:
        return "–"
    return f"{100 * share['rate']:.0f} % ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


@register.simple_tag
def score_histogram(counts: Sequence[int], hot: int, warm: int) -> SafeString:
    """Return open leads by score as bars in the colours of the tiers, with the marks as lines; the
    table beside it holds the numbers.
    """
    most = max(int(max(counts)), 1)
    bars, height = [], 120
    for score, n in enumerate(counts):
        if n:
            tier = "hot" if score >= hot else "warm" if score >= warm else "cold"
            tall = max(1.0, height * int(n) / most)
            bars.append(
                (f"mark-{tier}", f"{score / 1.01:.2f}%", f"{height - tall + 16:.1f}", f"{tall:.1f}")
            )
    marks = [
        (f"{score / 1.01:.2f}%", f"{word} {score}")
        for score, word in ((warm, "warm"), (hot, "hot"))
    ]
    return format_html(
        '<svg class="chart histogram" width="100%" height="{}" role="img" aria-label="{}">{}{}'
        '<line class="axis" x1="0" x2="100%" y1="{}" y2="{}"/>{}</svg>',
        height + 36,
        f"Open leads by score; warm from {warm}, hot from {hot}. The table has the numbers.",
        format_html_join("", '<rect class="{}" x="{}" width="0.95%" y="{}" height="{}"/>', bars),
        format_html_join(
            "",
            '<line class="mark" x1="{0}" x2="{0}" y1="14" y2="136"/>'
            '<text class="value" x="{0}" y="11">{1}</text>',
            marks,
        ),
        height + 16,
        height + 16,
        format_html_join(
            "",
            '<text x="{}" y="{}" text-anchor="{}">{}</text>',
            [
                (
                    f"{score}%",
                    height + 32,
                    "start" if score == 0 else "end" if score == 100 else "middle",
                    score,
                )
                for score in range(0, 101, 20)
            ],
        ),
    )


@register.simple_tag
def difference(before: int, after: int) -> str:
    """Return the change between two counts with its sign."""
    change = after - before
    return f"+{change:,}" if change > 0 else f"−{-change:,}" if change < 0 else "0"
