"""Keys as the person at the screen has chosen them."""

import json
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.shortcuts import keys_of

register = template.Library()


def _kept(context: Context) -> dict[str, Any]:
    user = getattr(context.get("request"), "user", None) or context.get("user")
    return getattr(user, "shortcuts", None) or {}


@register.simple_tag(takes_context=True)
def key_name(context: Context, key: str) -> str:
    """Return the key that stands for a page's default key."""
    return keys_of(_kept(context), "page").get(key, key)


@register.simple_tag(takes_context=True)
def key(context: Context, key: str) -> SafeString:
    """Return the same as it is shown."""
    return format_html("<kbd>{}</kbd>", key_name(context, key))


@register.simple_tag(takes_context=True)
def keys_attribute(context: Context) -> SafeString:
    """Return the attribute of the body that tells scripts what differs from the defaults."""
    kept = _kept(context)
    return format_html(" data-keys='{}'", json.dumps(kept)) if kept else format_html("")
