"""The manager's pages: the pipeline by stage and tier."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    name = "pipeline"
