"""Plays, runs and follow-ups: what happens next, and when."""

from django.apps import AppConfig


class FollowupsConfig(AppConfig):
    name = "followups"
