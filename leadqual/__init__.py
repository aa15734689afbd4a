"""Wiring only: settings, URLs, API router, Celery. No domain word lives here."""

from leadqual.celery import app as celery_app

__all__ = ["celery_app"]
