"""What a person's role lets the navigation show; the views ask the same sets again."""

from django import template

from accounts.roles import READS_PIPELINE, Role

register = template.Library()


@register.filter
def reads_pipeline(user: object) -> bool:
    """True for those who may open the pipeline page."""
    return getattr(user, "role", "") in READS_PIPELINE


@register.filter
def imports_leads(user: object) -> bool:
    """True for those who may add leads."""
    return getattr(user, "role", Role.MODEL_OWNER) != Role.MODEL_OWNER
