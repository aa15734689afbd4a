"""Charts as SVG, drawn on the server from Vega-Lite specifications.

One drawing serves light and dark: marks carry the light colours of tokens as plain attributes, and
the style sheet turns them by attribute selectors (`.vega`). The SVG holds no style, no script and
no address of another host, so the strict policy lets it be. Beside each chart stands its table.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import vl_convert
from django.core.cache import cache
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from redis.exceptions import RedisError

VERSION = 1  # of the drawing; part of the cache key
TTL = 7 * 86_400  # seconds
VEGA_LITE = "5.21"
WIDTH, HEIGHT = 262, 190  # of the plot; with its axes it fits a phone

# Token of the style sheet → the attribute value that `.vega [fill=…]` looks for. All differ, so
# that a selector can tell them apart; they are the light values, so a saved file looks right too.
COLOURS: Mapping[str, str] = {
    "text": "#1b2430",
    "text-muted": "#566172",
    "border": "#d5dae1",
    "surface": "#ffffff",
    "accent": "#2457c5",
    "accent-tint": "#eff4fc",
    "less": "#bb6802",
    "hot-mark": "#9b1c10",
    "warm-mark": "#bd8600",
    "cold-mark": "#2f80c9",
    "none-mark": "#6b7585",
}
# Vega rewrites relative links to a host of its own, so they carry this one until they are drawn.
LINK = "https://link.leadqual.invalid"

_CONFIG: Mapping[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": COLOURS["text-muted"],
        "titleColor": COLOURS["text-muted"],
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 12,
        "gridColor": COLOURS["border"],
        "domainColor": COLOURS["border"],
        "tickColor": COLOURS["border"],
        "labelFlush": False,
    },
    "legend": {
        "labelColor": COLOURS["text-muted"],
        "titleColor": COLOURS["text-muted"],
        "labelFontSize": 11,
        "orient": "bottom",
        "title": None,
        "symbolStrokeWidth": 2,
    },
    "line": {"strokeWidth": 2, "color": COLOURS["accent"]},
    "point": {"filled": True, "color": COLOURS["accent"]},
    "bar": {"color": COLOURS["accent"]},
    "rule": {"color": COLOURS["text-muted"]},
    "text": {"color": COLOURS["text"], "fontSize": 11},
}


@dataclass(frozen=True)
class Chart:
    """A chart with its title, what it shows in words, and the table that holds its numbers.

    `spec` is a Vega-Lite specification with its data inside. `rows` hold ready texts, one per
    name in `columns`; the first column names the row.
    """

    title: str
    description: str
    spec: Mapping[str, Any]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)

    @property
    def svg(self) -> SafeString:
        """The drawing."""
        return render(self.spec, title=self.title, description=self.description)


def render(spec: Mapping[str, Any], *, title: str, description: str) -> SafeString:
    """Return a specification's drawing, from the cache when it was drawn before.

    `title` and `description` are what a screen reader says. Raises ValueError for a specification
    that would fetch its data, or that Vega-Lite does not understand.
    """
    source = json.dumps([VERSION, spec, title, description], sort_keys=True, allow_nan=False)
    digest = hashlib.sha256(source.encode()).hexdigest()[:32]
    key = f"chart:{digest}"
    try:
        kept = cache.get(key)
    except RedisError:
        kept = None
    if kept is None:
        kept = _draw(spec, digest[:8], title, description)
        with suppress(RedisError):  # it is drawn anew next time
            cache.set(key, kept, TTL)
    return mark_safe(kept)


def link(path: str) -> str:
    """Return what a specification's `href` must hold for a path of this site."""
    return LINK + path


def _draw(spec: Mapping[str, Any], name: str, title: str, description: str) -> str:
    if '"url"' in json.dumps(spec):
        raise ValueError("a chart holds its data and fetches none")
    whole = {"width": WIDTH, "height": HEIGHT, **spec}
    raw = vl_convert.vegalite_to_svg(
        whole, vl_version=VEGA_LITE, config=dict(_CONFIG), allowed_base_urls=[]
    )
    return _inlined(raw, name, title, description)


def _inlined(svg: str, name: str, title: str, description: str) -> str:
    """Return an SVG as it may stand inside a page."""
    svg = re.sub(r' (?:aria-[a-z]+|role|xmlns(?::\w+)?|version|font-family)="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href").replace(LINK, "")
    # Names are unique on the page, however many charts it has.
    svg = re.sub(r'(\bid="|url\(#)', rf"\g<1>c{name}-", svg)
    head = re.match(r"<svg[^>]*>", svg)
    size = re.search(r'width="(\d+)" height="(\d+)"', head.group() if head else "")
    if head is None or size is None:
        raise ValueError("Vega-Lite drew no SVG")
    width, height = size.groups()
    # Links inside an image would be out of a screen reader's reach.
    role = "group" if "<a href" in svg else "img"
    opening = (
        f'<svg class="vega" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="{role}" aria-labelledby="c{name}-title" aria-describedby="c{name}-desc">'
        f'<title id="c{name}-title">{escape(title)}</title>'
        f'<desc id="c{name}-desc">{escape(description)}</desc>'
    )
    return opening + svg[head.end() :]
