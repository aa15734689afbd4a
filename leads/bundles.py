"""The section `stages` of bundles: labels and order of the stages, whose keys are fixed."""

from collections.abc import Iterable

from accounts.models import User
from accounts.policies import can_change_configuration
from core.bundles import Change, Items, Section, register_section
from core.errors import FieldProblem
from leads.models import Stage
from leads.stages import StageKey

MOST_LABEL = 40


class StageSection(Section):
    """Labels of stages. They have no versions: no score depends on them."""

    fields = {"stages": ("key", "label", "position")}

    def check(self, items: Items) -> Iterable[FieldProblem]:
        """Yield unknown keys, and labels and positions of a wrong kind."""
        for index, item in enumerate(items["stages"]):
            path = f"stages[{index}]"
            label, position = item["label"], item["position"]
            if item["key"] not in StageKey.values:
                keys = ", ".join(StageKey)
                yield FieldProblem(f"{path}.key", "not_a_choice", f"must be one of {keys}")
            if not isinstance(label, str) or not 0 < len(label.strip()) <= MOST_LABEL:
                yield FieldProblem(
                    f"{path}.label", "wrong_type", f"must be a text of 1 to {MOST_LABEL} characters"
                )
            if type(position) is not int or not 0 <= position <= 100:
                yield FieldProblem(
                    f"{path}.position", "wrong_type", "must be a whole number from 0 to 100"
                )

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterable[Change]:
        """Write the labels at once: there is nothing to try out in a label."""
        if by is not None:
            can_change_configuration(by).require()
        present = {stage.key: stage for stage in Stage.objects.all()}
        for item in items["stages"]:
            stage = Stage(item["key"], item["label"].strip(), item["position"])
            before = present.get(stage.key)
            same = before and (before.label, before.position) == (stage.label, stage.position)
            if not same:
                stage.save(force_insert=before is None, force_update=before is not None)
            yield Change("stages", stage.key, "unchanged" if same else "changed")

    def export(self) -> Items:
        """Return the stages in order."""
        return {
            "stages": [
                {"key": stage.key, "label": stage.label, "position": stage.position}
                for stage in Stage.objects.all()
            ]
        }


register_section(StageSection())
