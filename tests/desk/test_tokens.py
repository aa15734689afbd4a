"""The contrast of every pair of tokens that the style sheet puts together, in both themes."""

import re

import pytest
from django.conf import settings

SHEET = (settings.BASE_DIR / "static" / "css" / "leadqual.css").read_text()
THEMES = ("light", "dark")


def _tokens() -> dict[str, tuple[str, str]]:
    pairs = re.findall(
        r"--([a-z0-9-]+):\s*light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", SHEET.split("}")[0]
    )
    return {name: (light, dark) for name, light, dark in pairs}


TOKENS = _tokens()


def _luminance(colour: str) -> float:
    def channel(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (channel(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(first: str, second: str, theme: str) -> float:
    at = THEMES.index(theme)
    bright, dim = sorted(
        (_luminance(TOKENS[first][at]), _luminance(TOKENS[second][at])), reverse=True
    )
    return (bright + 0.05) / (dim + 0.05)


TEXTS = [
    (text, ground)
    for text in ("text", "text-muted", "text-faint", "accent", "ok", "warn", "danger")
    for ground in ("canvas", "surface", "hover")
] + [
    ("on-accent", "accent"),
    ("text", "accent-tint"),
    ("text-muted", "accent-tint"),
    ("text-faint", "accent-tint"),
    ("accent", "accent-tint"),
    ("danger", "accent-tint"),
    ("ok", "ok-tint"),
    ("warn", "warn-tint"),
    ("danger", "danger-tint"),
    ("text", "warn-tint"),
    ("text", "danger-tint"),
    ("hot-text", "hot-fill"),
    ("warm-text", "warm-fill"),
    ("cold-text", "surface"),
    ("cold-text", "accent-tint"),
    ("more", "surface"),
    ("less-text", "surface"),
]
MARKS = [
    ("border-control", "surface"),
    ("border-control", "canvas"),
    ("accent", "canvas"),
    ("hot-mark", "surface"),
    ("warm-mark", "surface"),
    ("cold-mark", "surface"),
    ("none-mark", "surface"),
    ("warm-border", "surface"),
    ("cold-border", "surface"),
    ("more", "surface"),
    ("less", "surface"),
]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_has_a_contrast_of_at_least_4_5(text: str, ground: str, theme: str) -> None:
    assert _contrast(text, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("mark", "ground"), MARKS)
def test_controls_and_marks_have_a_contrast_of_at_least_3(
    mark: str, ground: str, theme: str
) -> None:
    assert _contrast(mark, ground, theme) >= 3


@pytest.mark.parametrize("theme", THEMES)
def test_tiers_differ_in_lightness_so_that_they_survive_greyscale(theme: str) -> None:
    assert _contrast("hot-mark", "warm-mark", theme) >= 1.5
    assert _contrast("hot-fill", "warm-fill", theme) >= 3


def test_every_colour_is_a_token_outside_the_first_block() -> None:
    rest = SHEET.split("}", 1)[1]
    # A selector that looks for a drawn colour turns it into a token (core.charts).
    stray = re.findall(r'(?<!light-dark\()(?<!, )(?<!=")#[0-9a-f]{3,8}\b', rest)
    assert stray == []


def test_layout_uses_logical_properties() -> None:
    physical = re.findall(
        r"^\s*(?:margin|padding|border)-(?:left|right|top|bottom)|^\s*(?:left|right):", SHEET, re.M
    )
    assert physical == []
