"""Charts: what stands in a page is plain SVG of this site alone, and the style sheet knows it."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from core.charts import COLOURS, Chart, link, render

SPEC = {
    "data": {"values": [{"x": 1, "y": 2, "to": link("/leads/7/")}, {"x": 2, "y": 1, "to": ""}]},
    "layer": [
        {
            "mark": {"type": "line", "clip": True},
            "encoding": {
                "x": {"field": "x", "type": "quantitative"},
                "y": {"field": "y", "type": "quantitative", "title": "Wins"},
            },
        },
        {
            "mark": {"type": "point", "color": COLOURS["hot-mark"]},
            "encoding": {
                "x": {"field": "x", "type": "quantitative"},
                "y": {"field": "y", "type": "quantitative"},
                "href": {"field": "to"},
            },
        },
    ],
}


def test_a_chart_is_of_this_site_alone_and_says_what_it_shows() -> None:
    svg = render(SPEC, title="Gain <b>", description="From 1 to 2")
    assert "//" not in svg
    assert not re.search(r"<style|<script|\bstyle=|\bon\w+=|xmlns|font-family", svg)
    assert '<a href="/leads/7/">' in svg
    assert 'role="group"' in svg  # it has links
    assert "Gain &lt;b&gt;</title>" in svg
    assert "From 1 to 2</desc>" in svg
    colours = set(re.findall(r'(?:fill|stroke)="(#\w+)"', svg))
    assert colours
    assert colours <= set(COLOURS.values())


def test_two_charts_of_a_page_share_no_name() -> None:
    one = render(SPEC, title="One", description="")
    other = render(SPEC, title="Other", description="")
    names = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (one, other)]
    assert names[0].isdisjoint(names[1])
    assert set(re.findall(r"url\(#([^)]+)\)", one)) <= names[0]  # and what is named is there
    assert "url(#" in one
    assert render(SPEC, title="One", description="") == one


def test_a_chart_fetches_nothing() -> None:
    remote = {**SPEC, "data": {"url": "https://elsewhere.example/data.csv"}}
    with pytest.raises(ValueError, match="fetches none"):
        Chart("Title", "Words", remote).svg  # noqa: B018


def test_the_style_sheet_turns_every_colour_into_its_token() -> None:
    css = (Path(settings.BASE_DIR) / "static/css/leadqual.css").read_text()
    for token, colour in COLOURS.items():
        assert re.search(rf"--{token}: light-dark\({colour}\b", css), token
        for attribute in ("fill", "stroke"):
            rule = f'.vega [{attribute}="{colour}"] {{ {attribute}: var(--{token}); }}'
            assert rule in css, rule
    assert len(set(COLOURS.values())) == len(COLOURS)
