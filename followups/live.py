"""Plays as they run: the live one for each tier and phase, and any version by its id."""

from functools import lru_cache

from followups.definitions import PublishedPlay, parse_play
from followups.models import PlayVersion


def live_plays() -> dict[tuple[str, str], PublishedPlay]:
    """Return the live plays by tier and phase; one query, parsed once a process."""
    ids = (
        PlayVersion.objects.filter(state=PlayVersion.State.LIVE)
        .order_by("key")
        .values_list("pk", flat=True)
    )
    return {live.play.target: live for live in map(play_version, ids)}


@lru_cache(maxsize=512)
def play_version(version_id: int) -> PublishedPlay:
    """Return a published version. It never changes, so its id is the whole key of the cache."""
    version = PlayVersion.objects.get(pk=version_id)
    return PublishedPlay(version.pk, version.key, version.number, parse_play(version.definition))
