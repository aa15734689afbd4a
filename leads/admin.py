"""Sources, stages' labels and custom fields in Django's admin. Leads are worked at the desk."""

from django.contrib import admin

from leads.models import CustomField, Source, Stage


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin):
    """Where leads come from, and whether what they do is recorded."""

    list_display = ("name", "channel", "tracked")
    list_filter = ("channel", "tracked")


@admin.register(Stage)
class StageAdmin(admin.ModelAdmin):
    """Labels of the stages; keys, order and moves are fixed."""

    list_display = ("key", "label", "position")
    readonly_fields = ("key", "position")

    def has_add_permission(self, request: object) -> bool:
        """Stages are fixed."""
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """Stages are fixed."""
        return False


@admin.register(CustomField)
class CustomFieldAdmin(admin.ModelAdmin):
    """Typed attributes that the workspace added."""

    list_display = ("label", "key", "type", "known_when")

    def get_readonly_fields(self, request: object, obj: object = None) -> tuple[str, ...]:
        """Key and type are what stored values and rules rely on."""
        return ("key", "type") if obj else ()
