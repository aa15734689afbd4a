"""Versions of plays in Django's admin: read all, edit drafts, checked before they are kept."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError

from core.errors import Invalid
from followups.definitions import parse_play
from followups.models import PlayVersion
from scoring.admin import DefinitionForm, VersionAdmin


class PlayForm(DefinitionForm):
    """Refuses a definition that planning could not use, naming each wrong field."""

    def clean_definition(self) -> Any:
        """Parse the definition as planning will."""
        definition = self.cleaned_data["definition"]
        try:
            parse_play(definition)
        except Invalid as error:
            raise ValidationError([f"{p.field}: {p.message}" for p in error.problems]) from None
        return definition


class PlayAdmin(VersionAdmin):
    """Versions of plays; published through `followups.publishing`, never through here."""

    form = PlayForm


admin.site.register(PlayVersion, PlayAdmin)
