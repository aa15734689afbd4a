"""The stages section of bundles."""

from typing import Any

import pytest

from accounts.models import User
from core.bundles import FORMAT, load_bundle
from core.errors import Forbidden, Invalid
from leads.models import Stage

pytestmark = pytest.mark.django_db


def _bundle(**stage: Any) -> dict[str, Any]:
    item = {"key": "mql", "label": "MQL", "position": 2, **stage}
    return {"format": FORMAT, "name": "Labels", "stages": [item]}


def test_a_label_changes_at_once_and_the_others_stay(config: None) -> None:
    before = dict(Stage.objects.values_list("key", "label"))
    load_bundle(_bundle(label=" Ready for sales "), by=None, publish=False)
    assert dict(Stage.objects.values_list("key", "label")) == before | {"mql": "Ready for sales"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "contacted"),
        ("label", ""),
        ("label", "   "),
        ("label", "x" * 41),
        ("label", 5),
        ("label", None),
        ("position", "first"),
        ("position", -1),
        ("position", 101),
        ("position", 1.5),
        ("position", True),
    ],
)
def test_a_wrong_stage_is_refused_with_its_field(config: None, field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        load_bundle(_bundle(**{field: value}), by=None, publish=False)
    assert [problem.field for problem in caught.value.problems] == [f"stages[0].{field}"]


def test_a_rep_does_not_change_labels(rep: User, manager: User, model_owner: User) -> None:
    for person in (rep, manager):
        with pytest.raises(Forbidden):
            load_bundle(_bundle(label="Mine"), by=person, publish=False)
    assert Stage.objects.get(pk="mql").label == "MQL"
    load_bundle(_bundle(label="Ours"), by=model_owner, publish=False)
    assert Stage.objects.get(pk="mql").label == "Ours"
