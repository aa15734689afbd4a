"""Single-key shortcuts can be switched off and given other keys (WCAG 2.1.4)."""

import html
import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts import shortcuts
from accounts.models import User
from core.errors import Invalid


def test_a_person_chooses_keys_and_pages_say_and_deliver_them(client: Client, rep: User) -> None:
    client.force_login(rep)
    page = reverse("accounts:edit_shortcuts")
    assert "data-keys" not in client.get(page).content.decode()
    assert client.post(page, {"on": "1", "page:n": "X", "call:back": "v"}).status_code == 302
    rep.refresh_from_db()
    assert rep.shortcuts == {"on": True, "page": {"n": "x"}, "call": {"back": "v"}}
    text = client.get(reverse("desk:queue")).content.decode()
    given = re.search(r"data-keys='([^']*)'", text)
    assert given is not None
    assert json.loads(html.unescape(given[1])) == rep.shortcuts
    assert "<dt><kbd>x</kbd></dt><dd>Note</dd>" in text
    # Freed keys can be taken; two actions on one key are refused, both by name; nothing is kept.
    swapped = {"on": "1", "page:n": "t", "page:t": "n"}
    assert client.post(page, swapped).status_code == 302
    refused = client.post(page, {"on": "1", "page:h": "e", "call:later": "5", "call:dial": "é"})
    assert refused.status_code == 422
    assert refused.context["problems"] == {
        "page:h": "“Snooze” and “Done, on Today; edit facts, on a lead” are both on e.",
        "call:later": "1 to 9 choose an answer.",
        "call:dial": "Must be one letter, digit or sign.",
    }
    rep.refresh_from_db()
    assert rep.shortcuts["page"] == {"n": "t", "t": "n"}
    assert client.post(page, {}).status_code == 302  # switched off, the keys stay
    rep.refresh_from_db()
    assert (rep.shortcuts["on"], rep.shortcuts["page"]) == (False, {"n": "t", "t": "n"})
    client.post(page, {"on": "1", "reset": "1"})
    rep.refresh_from_db()
    assert rep.shortcuts == {"on": True, "page": {}, "call": {}}


def test_every_key_of_the_pages_and_of_the_console_can_be_chosen() -> None:
    root = Path(settings.BASE_DIR)
    used = {
        key.split()[0]
        for path in (root / "templates").rglob("*.html")
        for key in re.findall(r'data-key="([^"{]+)"', path.read_text())
    }
    assert used | {"j", "k"} == set(shortcuts.PAGE)
    source = (root / "static" / "js" / "calls.js").read_text()
    table = re.search(r"const KEYS = \{(.*?)\};", source, re.DOTALL)
    assert table is not None
    assert dict(re.findall(r'(\w+): "([^"]+)"', table[1])) == shortcuts.defaults("call")


def test_the_usual_keys_are_free_of_conflicts() -> None:
    usual = {scope: shortcuts.defaults(scope) for scope in shortcuts.SCOPES}
    assert shortcuts.checked(True, usual) == {"on": True, "page": {}, "call": {}}
    with pytest.raises(Invalid):
        shortcuts.checked(True, {**usual, "page": {"e": "Enter"}})
