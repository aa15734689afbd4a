"""Template tags for what a lead scores: the tier chip and the score with its range.

A tier is told four times over (word, icon, fill, colour), so that it survives greyscale print and
every kind of colour blindness.
"""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.templatetags.ui import icon, range_bar
from scoring.tiers import State, Tier

register = template.Library()

_CHIPS = {
    Tier.HOT: ("hot", "flame", "Hot"),
    Tier.WARM: ("warm", "sun", "Warm"),
    Tier.COLD: ("cold", "snowflake", "Cold"),
}
_DISQUALIFIED = ("disqualified", "ban", "Disqualified")
_UNSCORED = ("unscored", "circle-question-mark", "Not scored")


@register.simple_tag
def tier_chip(tier: str, state: str = State.SCORED) -> SafeString:
    """Return the chip of a tier, or of the state that stands in for one."""
    if state == State.DISQUALIFIED:
        css, glyph, word = _DISQUALIFIED
    else:
        css, glyph, word = _CHIPS.get(Tier(tier), _UNSCORED) if tier else _UNSCORED
    return format_html('<span class="tier tier-{}">{}{}</span>', css, icon(glyph), word)


@register.simple_tag
def score_range(low: int, score: int, high: int, css: str = "") -> SafeString:
    """Return the range bar of a score, told in words to screen readers."""
    return range_bar(low, score, high, css, f"Score {score}, possible {low} to {high}")


@register.filter
def tier_label(tier: str) -> str:
    """Return a tier's word, "no tier" for none."""
    return str(Tier(tier).label) if tier else "no tier"
