"""Clients of the people in tests/conftest.py, logged in to the pages."""

import pytest
from django.test import Client

from accounts.models import User


def log_in(user: User) -> Client:
    """Return a client with the user's session."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def rep_client(rep: User) -> Client:
    """The rep's browser."""
    return log_in(rep)


@pytest.fixture
def manager_client(manager: User) -> Client:
    """The manager's browser."""
    return log_in(manager)
