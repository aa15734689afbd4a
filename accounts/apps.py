"""Users, teams, roles, tokens and who may see what."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
