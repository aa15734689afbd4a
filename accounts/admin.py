"""Users, teams, tokens and the workspace in Django's admin (role admin only)."""

from django import forms
from django.contrib import admin

from accounts.models import ApiToken, Team, User, Workspace


class UserForm(forms.ModelForm):
    """Sets a password only where one is typed."""

    new_password = forms.CharField(
        required=False,
        min_length=12,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields = ("email", "name", "role", "team", "is_active")

    def clean_email(self) -> str:
        """Addresses are kept case-folded, the form by which they are looked up."""
        return str(self.cleaned_data["email"]).casefold()

    def save(self, commit: bool = True) -> User:
        """Set the password, an unusable one for a new user without any."""
        if self.cleaned_data.get("new_password"):
            self.instance.set_password(self.cleaned_data["new_password"])
        elif self.instance.pk is None:
            self.instance.set_unusable_password()
        return super().save(commit)


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """People who work here."""

    form = UserForm
    list_display = ("email", "name", "role", "team", "is_active")
    list_filter = ("role", "team", "is_active")
    search_fields = ("email", "name")
    list_select_related = ("team",)


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """Teams with their calendars and capacity."""

    list_display = ("name", "time_zone", "country", "day_start", "day_end", "capacity")


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):
    """The one row of settings."""

    def has_add_permission(self, request: object) -> bool:
        """There is exactly one."""
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """There is exactly one."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens can be seen and revoked here; `manage.py create_token` makes them."""

    list_display = ("name", "user", "read_only", "created_at", "expires_at", "revoked_at")
    list_select_related = ("user",)
    readonly_fields = ("user", "name", "read_only", "created_at", "last_used_at")
    exclude = ("digest",)

    def has_add_permission(self, request: object) -> bool:
        """A token's text could not be shown here."""
        return False
