"""The Celery app. Tasks are nudges: every task is a sweep that claims rows (docs/adr/0002)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadqual.settings")

app = Celery("leadqual")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _schedule_sweeps(sender: Celery, **_: object) -> None:
    """Give beat every registered sweep; beat makes certain what a nudge makes fast."""
    from core.sweeps import beat_schedule  # the registry fills while the apps' tasks are imported

    sender.loader.import_default_modules()
    sender.conf.beat_schedule = beat_schedule()
