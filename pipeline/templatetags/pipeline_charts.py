"""Charts of the manager's pages as SVG: plain bars, drawn by the server, with a table beside."""

from collections.abc import Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from pipeline.selectors import COLUMNS, StageRow

register = template.Library()

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
