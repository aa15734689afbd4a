"""URLs of one's own account, beside those of allauth."""

from django.urls import path

from accounts import views

app_name = "accounts"

urlpatterns = [path("profile/shortcuts/", views.edit_shortcuts, name="edit_shortcuts")]
