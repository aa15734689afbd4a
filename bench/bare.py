"""The floor of a list: a view without middleware that dumps the rows of one raw query."""

import orjson
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

QUERY: list[str] = []  # the one query that the view runs, set by the measurement


def dump(request: HttpRequest) -> HttpResponse:
    """Answer the rows of the query as JSON."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY[0])
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return HttpResponse(orjson.dumps(rows, default=str), content_type="application/json")


urlpatterns = [path("bare", dump)]
