"""Leads, companies, sources, stages, activities, outcomes and identity."""

from django.apps import AppConfig


class LeadsConfig(AppConfig):
    name = "leads"
