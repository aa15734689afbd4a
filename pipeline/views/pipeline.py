"""The manager's pages: policy, selector, render."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from core.clock import now
from core.filters import require_known
from pipeline import links, policies, selectors
from scoring.tiers import Tier


@require_safe
def show_pipeline(request: HttpRequest) -> HttpResponse:
    """Leads by stage and tier, with counts and expected value that lead to their lists."""
    viewer = cast(User, request.user)
    policies.can_read_pipeline(viewer).require()
    require_known(request.GET, (), "the pipeline")
    pipeline = selectors.read_pipeline(viewer)
    labels = {tier.value: tier.label for tier in Tier} | {selectors.NO_TIER: "No tier"}
    context = {
        "pipeline": pipeline,
        "now": now(),
        "columns": [
            (column, labels[column], links.of_column(column)) for column in selectors.COLUMNS
        ],
        "open_rows": [_linked(row) for row in pipeline.open_rows],
        "closed_rows": [_linked(row) for row in pipeline.closed_rows],
        "open_cells": list(
            zip(
                pipeline.open_cells,
                [links.of_column(column) for column in selectors.COLUMNS],
                strict=True,
            )
        ),
        "open_link": links.of_open(),
        "leaks": [
            ("Nobody’s", pipeline.leaks.unowned, links.LEAKS["unowned"]),
            ("No next step", pipeline.leaks.without_next_step, links.LEAKS["without_next_step"]),
            ("Clock running", pipeline.leaks.clocks, links.LEAKS["clocks"]),
        ],
    }
    return render(request, "pipeline/pipeline.html", context)


def _linked(row: selectors.StageRow) -> dict[str, object]:
    """Return a row with the links of its cells."""
    return {
        "row": row,
        "cells": [
            (cell, links.of_cell(row.key, column))
            for cell, column in zip(row.cells, selectors.COLUMNS, strict=True)
        ],
        "link": links.of_stage(row.key, closed=row.closed),
    }
