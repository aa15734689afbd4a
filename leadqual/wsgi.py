"""WSGI entry point (gunicorn gthread; ASGI was measured slower and unsafe, see docs/adr/0001)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadqual.settings")

application = get_wsgi_application()
