"""Template tags of all pages: icons, bars, times, money. Nothing here emits a style attribute."""

import datetime as dt
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zipfile import ZipFile

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from core import money as amounts

register = template.Library()

THEMES = ("light", "dark")


@lru_cache(maxsize=1)
def _glyphs() -> ZipFile:
    """The icons of the `lucide` package. Its own tag opens the archive anew for every icon, which
    makes the first page of each process a second late.
    """
    return ZipFile(str(files("lucide").joinpath("lucide.zip")))


@lru_cache(maxsize=256)
def _svg(name: str) -> str:
    """Return an icon's shapes; KeyError for a name that the set does not have."""
    text = _glyphs().read(f"{name}.svg").decode()
    shapes = re.sub(r"<!--.*?-->|<svg[^>]*>|</svg>", "", text, flags=re.S)
    return re.sub(r"\s*\n\s*", "", shapes).replace(" />", "/>").strip()


@register.simple_tag
def icon(name: str, label: str = "", css: str = "") -> SafeString:
    """Return an icon of the Lucide set; without a label it is decoration for screen readers."""
    return format_html(
        '<svg class="icon{}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        f" {css}" if css else "",
        format_html('role="img" aria-label="{}"', label)
        if label
        else mark_safe('aria-hidden="true"'),
        mark_safe(_svg(name)),
    )


@register.simple_tag
def bar(value: float, most: float = 100, css: str = "", label: str = "") -> SafeString:
    """Return a bar of `value` out of `most`, as SVG with a width attribute (CSP: no styles)."""
    share = 0.0 if not most else max(0.0, min(100.0, 100.0 * abs(value) / abs(most)))
    return format_html(
        '<svg class="bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" {}>'
        '<rect class="track" width="100" height="6"/>'
        '<rect class="fill" width="{}" height="6"/></svg>',
        css,
        format_html('role="img" aria-label="{}"', label)
        if label
        else mark_safe('aria-hidden="true"'),
        f"{share:.1f}",
    )


@register.simple_tag
def range_bar(low: float, value: float, high: float, css: str = "", label: str = "") -> SafeString:
    """Return a 0–100 scale with the span from `low` to `high` and a tick at `value`."""
    return format_html(
        '<svg class="bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" {}>'
        '<rect class="track" width="100" height="6"/>'
        '<rect class="range" x="{}" width="{}" height="6"/>'
        '<rect class="tick" x="{}" width="1.5" height="6"/></svg>',
        css,
        format_html('role="img" aria-label="{}"', label)
        if label
        else mark_safe('aria-hidden="true"'),
        f"{low:g}",
        f"{max(high - low, 1):g}",
        f"{min(max(value - 0.75, 0), 98.5):g}",
    )


@register.filter
def money(minor_units: int | None, currency: str) -> str:
    """Return an amount of minor units in words, "" for none."""
    return "" if minor_units is None else amounts.words(int(minor_units), currency)


@register.filter
def short_money(minor_units: int | None, currency: str) -> str:
    """Return an amount of minor units in three figures, "" for none."""
    return "" if minor_units is None else amounts.short(int(minor_units), currency)


@register.filter
def signed(value: float) -> str:
    """Return a number with its sign, as "+3.5" or "−2"."""
    text = f"{abs(value):g}"
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


@register.filter
def points(value: float) -> str:
    """Return points with one decimal and their sign."""
    return f"+{value:.1f}" if value > 0 else f"−{abs(value):.1f}" if value < 0 else "0.0"


@register.filter
def percent(share: float) -> str:
    """Return a share in percent: two significant digits below ten."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def _now(context: Context) -> dt.datetime:
    """The page's moment when the view names it, so that all times of a page agree."""
    moment = context.get("now")
    return moment if isinstance(moment, dt.datetime) else timezone.now()


def span_words(seconds: float) -> str:
    """Return a span of time in its largest unit: "4 min", "3 h", "12 d"."""
    minutes = int(abs(seconds) // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


@register.simple_tag(takes_context=True)
def ago(context: Context, moment: dt.datetime | None) -> str:
    """Return when something was, in words, with the exact time as a title; "–" for never."""
    if moment is None:
        return "–"
    seconds = (_now(context) - moment).total_seconds()
    if abs(seconds) < 60:
        text = "just now"
    elif seconds < 0:
        text = f"in {span_words(seconds)}"
    elif seconds < 30 * 86400:
        text = f"{span_words(seconds)} ago"
    else:
        text = f"{timezone.localtime(moment):%-d %b %Y}"
    return _time(moment, text)


@register.simple_tag(takes_context=True)
def due(context: Context, moment: dt.datetime | None) -> str:
    """Return a deadline that the page counts down by itself: "in 4 min", "12 min overdue"."""
    if moment is None:
        return "–"
    left = (moment - _now(context)).total_seconds()
    state = "over" if left < 0 else "soon" if left < 900 else ""
    text = f"{span_words(left)} overdue" if left < 0 else f"in {span_words(left)}"
    return format_html(
        '<time class="due {}" datetime="{}" title="{}" data-due="{}">{}</time>',
        state,
        moment.isoformat(timespec="seconds"),
        _exact(moment),
        int(moment.timestamp()),
        text,
    )


@register.simple_tag(takes_context=True)
def when(context: Context, moment: dt.datetime | None) -> str:
    """Return when something is to be done: overdue ones by how much, the others by the clock."""
    if moment is not None and moment < _now(context):
        return due(context, moment)
    return at(context, moment)


@register.simple_tag(takes_context=True)
def at(context: Context, moment: dt.datetime | None) -> str:
    """Return a clock time today, tomorrow or on a day: "09:30", "tomorrow 09:30", "Mon 24 Nov"."""
    if moment is None:
        return "–"
    local, today = timezone.localtime(moment), timezone.localtime(_now(context)).date()
    days = (local.date() - today).days
    if days == 0:
        text = f"{local:%H:%M}"
    elif days in (1, -1):
        text = f"{'tomorrow' if days == 1 else 'yesterday'} {local:%H:%M}"
    elif 0 < days < 7:
        text = f"{local:%a %-d %b, %H:%M}"
    elif local.year == today.year:
        text = f"{local:%a %-d %b}"
    else:
        text = f"{local:%-d %b %Y}"
    return _time(moment, text)


def _exact(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%a %-d %b %Y, %H:%M %Z}"


def _time(moment: dt.datetime, text: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        _exact(moment),
        text,
    )


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """Return the attribute that pins a theme; none while the system decides."""
    chosen = _theme(context)
    return format_html(' data-theme="{}"', chosen) if chosen in THEMES else ""


@register.simple_tag(takes_context=True)
def theme_choice(context: Context) -> str:
    """Return "light", "dark" or "system"."""
    return _theme(context)


def _theme(context: Context) -> str:
    request: Any = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in THEMES else "system"
