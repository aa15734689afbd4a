"""Rows of other tables inside the row that they belong to: one query instead of one for each table.

found = Lead.objects.annotate(last=nested(lead_notes, "id", "text", "author_id", "author__name"))
notes = made_of(Note, found.last)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Model, QuerySet
from django.db.models.functions import JSONObject

Row = TypeVar("Row", bound=Model)


def nested(rows: QuerySet[Any], *names: str) -> ArraySubquery:
    """Return an expression: the columns `names` of `rows`, in their order, as an array of JSON.

    A name may go on to a row that a foreign key points at (`author__name`), whose own column
    (`author_id`) is then among the names too.
    """
    return ArraySubquery(rows.values(row=JSONObject(**{name: F(name) for name in names})))


def made_of(model: type[Row], rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the instances that `nested` has read; what was not named is read when it is asked."""
    if not rows:
        return []
    make = _maker(model, list(rows[0]))
    return [make(row) for row in rows]


def _maker(model: type[Model], names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    fields = [field for field in model._meta.concrete_fields if field.attname in names]
    own = [field.attname for field in fields]
    related = []
    for relation in dict.fromkeys(name.split("__")[0] for name in names if "__" in name):
        key: Any = model._meta.get_field(relation)
        inner = [name.split("__", 1)[1] for name in names if name.startswith(f"{relation}__")]
        pk = key.related_model._meta.pk.attname
        related.append((relation, key.attname, pk, inner, _maker(key.related_model, [pk, *inner])))

    def make(row: Mapping[str, Any]) -> Model:
        made = model.from_db("default", own, [f.to_python(row[f.attname]) for f in fields])
        for relation, attname, pk, inner, make_related in related:
            of = {name: row[f"{relation}__{name}"] for name in inner}
            known = row[attname] is not None
            setattr(made, relation, make_related({**of, pk: row[attname]}) if known else None)
        return made

    return make
