"""The default configuration, loaded where there is none yet."""

import json

from django.conf import settings

from core.bundles import export_bundle, load_bundle

DEFAULT = settings.BASE_DIR / "bundles" / "default.json"


def configure() -> list[str]:
    """Load and publish those lists of the default bundle that the database has nothing of.

    What people changed stays as it is. Returns the names of the lists that were loaded.
    """
    document = json.loads(DEFAULT.read_text(encoding="utf-8"))
    present = export_bundle("present")
    missing = [name for name in document if isinstance(document[name], list) and not present[name]]
    if missing:
        envelope = {"format": document["format"], "name": document["name"]}
        load_bundle(envelope | {name: document[name] for name in missing}, by=None, publish=True)
    return missing
