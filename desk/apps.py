"""The rep's pages, and reads that join apps: queue, lead page, Today, REST API of leads."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    name = "desk"
