"""The attributes of a lead that rules may read: name, type, and the SQL that fetches each.

The SQL refers to the aliases `l` (leads_lead), `c` (leads_company), `src` (leads_source, the first)
and `w` (accounts_workspace). Text is fetched as a 64-bit hash (docs/adr/0005), numbers as float8.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.conditions import FieldType

CUSTOM = "custom."


@dataclass(frozen=True)
class Field:
    """One readable attribute."""

    name: str
    label: str
    type: FieldType
    sql: str


# In the workspace's currency; an unknown currency counts as the workspace's.
WORKSPACE_VALUE = "l.value_minor * coalesce((w.rates->>l.currency)::float8, 1)"

BUILT_IN: tuple[Field, ...] = (
    Field("kind", "Kind of lead", "text", "l.kind"),
    Field("title", "Job title", "text", "l.title"),
    Field("seniority", "Seniority", "text", "l.seniority"),
    Field("email_kind", "Kind of e-mail address", "text", "l.email_kind"),
    Field("age", "Age (years)", "number", "l.age"),
    Field("country", "Country", "text", "coalesce(nullif(l.country, ''), c.country)"),
    Field("industry", "Industry", "text", "c.industry"),
    Field("employees", "Employees", "number", "c.employees"),
    Field("revenue", "Revenue", "number", "c.revenue_minor / 100.0"),
    Field("value", "Deal value", "number", f"{WORKSPACE_VALUE} / 100.0"),
    Field("channel", "Source channel", "text", "src.channel"),
    Field("source", "Source", "text", "src.name"),
)


def all_fields() -> dict[str, Field]:
    """Return built-in and custom fields by name; one query."""
    # Here, so that all else can be imported where no database is (tests/test_house.py).
    from leads.models import CustomField

    types: dict[str, FieldType] = {
        CustomField.Type.NUMBER: "number",
        CustomField.Type.BOOL: "bool",
    }
    fields = {field.name: field for field in BUILT_IN}
    for custom in CustomField.objects.all():
        name = f"{CUSTOM}{custom.key}"
        kind = types.get(custom.type, "text")
        # Keys are slugs, so they can stand in SQL text; CustomField's validator and the
        # importer both enforce that, and this refuses to build SQL from anything else.
        if not custom.key.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"custom field key {custom.key!r} is not a slug")
        fields[name] = Field(name, custom.label, kind, f"l.custom->>'{custom.key}'")
    return fields


def field_types(fields: Mapping[str, Field]) -> dict[str, FieldType]:
    """Return the types by name, as core.conditions wants them."""
    return {name: field.type for name, field in fields.items()}
