"""Configuration versions in Django's admin: read all, edit drafts, checked before they are kept.

Publishing goes through `scoring.publishing` (load_bundle --publish), never through here.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from core.errors import Invalid
from core.versions import Version
from scoring.definitions import parse_framework, parse_icp, parse_model
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion

_FIXED = (
    "key",
    "number",
    "state",
    "created_by",
    "created_at",
    "published_by",
    "published_at",
    "retired_at",
)


class DefinitionForm(forms.ModelForm):
    """Refuses a definition that scoring could not use, naming each wrong field."""

    def clean_definition(self) -> Any:
        """Parse the definition as scoring will."""
        definition = self.cleaned_data["definition"]
        types = field_types(all_fields())
        version = self.instance
        try:
            if isinstance(version, IcpVersion):
                parse_icp(definition, types)
            elif isinstance(version, FrameworkVersion):
                parse_framework(definition, types)
            else:
                icp = parse_icp(version.icp.definition, types)
                framework = parse_framework(version.framework.definition, types)
                parse_model(definition, icp, framework, types)
        except Invalid as error:
            raise ValidationError([f"{p.field}: {p.message}" for p in error.problems]) from None
        return definition


class VersionAdmin(admin.ModelAdmin):
    """Versions of one kind of configuration."""

    form = DefinitionForm
    list_display = ("key", "number", "state", "published_at", "published_by")
    list_filter = ("state", "key")
    list_select_related = ("published_by",)
    exclude = ("is_demo",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What was published is read only; so is what a version is called."""
        published = obj is not None and obj.state not in (
            Version.State.DRAFT,
            Version.State.PROPOSED,
        )
        pins = ("icp", "framework") if self.model is ModelVersion else ()
        return (*_FIXED, *pins, "definition") if published else (*_FIXED, *pins)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """New versions come from a bundle."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts may go; what was published stays."""
        return obj is not None and obj.state == Version.State.DRAFT


admin.site.register(IcpVersion, VersionAdmin)
admin.site.register(FrameworkVersion, VersionAdmin)
admin.site.register(ModelVersion, VersionAdmin)
