"""Tiers and the states that are not tiers. Pure."""

from django.db import models


class Tier(models.TextChoices):
    """From the shown score, coldest first; '' for a lead that is disqualified or not yet scored."""

    COLD = "cold", "Cold"
    WARM = "warm", "Warm"
    HOT = "hot", "Hot"


# Codes that arrays use: −1 none, 0 cold, 1 warm, 2 hot.
CODES = {"": -1, **{tier.value: code for code, tier in enumerate(Tier)}}
NAMES = {code: name for name, code in CODES.items()}
NONE, COLD, WARM, HOT = -1, 0, 1, 2


class State(models.TextChoices):
    """Whether a lead has a tier at all."""

    UNSCORED = "unscored", "Not scored yet"
    SCORED = "scored", "Scored"
    DISQUALIFIED = "disqualified", "Disqualified"
