"""The list `call_outcomes` of bundles."""

from collections.abc import Iterable, Iterator
from typing import Any

from accounts.models import User
from accounts.policies import can_change_configuration
from calls import outcomes
from calls.models import CallOutcome
from core.bundles import Change, Items, Section, register_section
from core.errors import FieldProblem


class OutcomeSection(Section):
    """How calls may end. They have no versions: a finished call keeps what followed from it."""

    fields = {"call_outcomes": outcomes.FIELDS}

    def check(self, items: Items) -> Iterator[FieldProblem]:
        """Yield what is wrong with each outcome."""
        for index, item in enumerate(items["call_outcomes"]):
            yield from outcomes.problems(item, f"call_outcomes[{index}]")

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterable[Change]:
        """Write the outcomes at once; those that the bundle does not name stay as they are."""
        if by is not None and items["call_outcomes"]:
            can_change_configuration(by).require()
        present = {outcome.key: outcome for outcome in CallOutcome.objects.all()}
        for item in items["call_outcomes"]:
            before = present.get(item["key"])
            same = before is not None and _item(before) == dict(item)
            if not same:
                CallOutcome(**item).save(
                    force_insert=before is None, force_update=before is not None
                )
            yield Change("call_outcomes", item["key"], "unchanged" if same else "changed")

    def export(self) -> Items:
        """Return the outcomes in order."""
        return {"call_outcomes": [_item(outcome) for outcome in CallOutcome.objects.all()]}


def _item(outcome: CallOutcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in outcomes.FIELDS}


register_section(OutcomeSection())
