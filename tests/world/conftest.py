"""A small world's numbers, as the default configuration wants them."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from scoring.live import LiveConfig, live_config
from world import tasks
from world.chunk import Setting

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def make_setting(leads: int, *, seed: int = 1, closes: float = 0.6) -> Setting:
    """A setting as the job makes it."""
    args = {
        "seed": seed,
        "leads": leads,
        "now": NOW.timestamp(),
        "closes": closes,
        "reps": [[1, 1], [2, 1], [3, 2], [4, 2]],
    }
    return tasks.setting_of(args, live_config())


@pytest.fixture
def live(config: None) -> LiveConfig:
    """The live configuration."""
    return live_config()


@pytest.fixture
def data_folder(tmp_path: Path) -> Iterator[Path]:
    """Where files are kept during the test."""
    before, settings.DATA_DIR = settings.DATA_DIR, tmp_path
    yield tmp_path
    settings.DATA_DIR = before
