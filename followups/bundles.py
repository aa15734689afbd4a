"""The list `plays` of bundles."""

from collections.abc import Iterator

from accounts.models import User
from accounts.policies import can_change_configuration
from core.bundles import Change, Items, Section, register_section
from core.errors import FieldProblem, Invalid
from core.versioning import live_versions, version_with
from followups.definitions import Phase, parse_play
from followups.models import PlayVersion
from followups.publishing import Target, publish_plays


class PlaysSection(Section):
    """The plays, each with its key and its whole content (followups.definitions.Play)."""

    fields = {"plays": ("key", "definition")}

    def check(self, items: Items) -> Iterator[FieldProblem]:
        """Yield what is wrong with each definition, and plays that are for the same leads."""
        keys = {item["key"] for item in items["plays"]}
        taken: dict[Target, str] = {
            parse_play(version.definition).target: key
            for key, version in live_versions(PlayVersion).items()
            if key not in keys
        }
        for index, item in enumerate(items["plays"]):
            path = f"plays[{index}].definition"
            try:
                play = parse_play(item["definition"])
            except Invalid as error:
                for p in error.problems:
                    field = "" if p.field == "definition" else p.field
                    yield FieldProblem(f"{path}.{field}".rstrip("."), p.code, p.message)
                continue
            rival = taken.setdefault(play.target, item["key"])
            if rival != item["key"]:
                yield FieldProblem(
                    f"{path}.phase",
                    "duplicate",
                    f"{rival!r} is the play for {play.tier}, {Phase(play.phase).label} already",
                )

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterator[Change]:
        """Make the versions that differ and, with `publish`, make them live."""
        if by is not None and items["plays"]:
            can_change_configuration(by).require()
        made = [
            version_with(PlayVersion, item["key"], item["definition"], by=by)
            for item in items["plays"]
        ]
        waiting = {version.pk for version, _ in made if version.state != PlayVersion.State.LIVE}
        if publish:
            publish_plays([version for version, _ in made], by=by)
        for version, new in made:
            if publish and version.pk in waiting:
                yield Change("plays", version.key, "published", version.number)
            else:
                yield Change("plays", version.key, "draft" if new else "unchanged", version.number)

    def export(self) -> Items:
        """Return the live plays."""
        return {
            "plays": [
                {"key": key, "definition": version.definition}
                for key, version in sorted(live_versions(PlayVersion).items())
            ]
        }


register_section(PlaysSection())
