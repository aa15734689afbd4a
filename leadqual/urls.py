"""All URLs, by name `app:verb_noun` (docs/adr/0001)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from core.views import healthz

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("accounts.urls")),
    path("", include("desk.urls")),
    path("", include("pipeline.urls")),
    path("", include("intake.urls")),
    path("", include("calls.urls")),
    path("", include("scoring.urls")),
    path("api/", include("leadqual.api")),
    path("healthz", healthz, name="healthz"),
]

handler400 = "core.views.bad_request"
handler500 = "core.views.server_error"
