"""The router of the REST API, version 1."""

from django.http import HttpResponse
from django.urls import include, path, re_path
from rest_framework.request import Request

from calls.api.urls import urlpatterns as calls_urls
from core import openapi
from core.api import Endpoint, Missing, endpoint
from desk.api.urls import urlpatterns as desk_urls


class Description(Endpoint):
    """The OpenAPI description, which holds no secret and is open to all."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def get(self, request: Request) -> HttpResponse:
        """Answer the description."""
        return HttpResponse(openapi.description(), content_type="application/json")


v1 = [
    endpoint("openapi.json", Description.as_view(), "openapi"),
    *desk_urls,
    *calls_urls,
]
app_name = "api"
urlpatterns = [
    path("v1/", include(v1)),
    re_path(r"^", Missing.as_view(), name="missing"),
]
