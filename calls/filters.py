"""What lists of calls can be filtered by, on the page and in the API."""

from calls.models import Call
from core.filters import Choices, FilterSet, Moment, Text, Whole


class CallFilters(FilterSet):
    """Filters of calls; repeated outcomes mean any of them."""

    noun = "calls"
    lead = Whole(field_name="lead_id", lookup_expr="exact", label="Lead")
    state = Choices(Call.State.choices, label="State")
    rep = Whole(field_name="rep_id", lookup_expr="exact", label="Id of who began it")
    outcome = Text(60, field_name="outcome_id", label="Key of the outcome")
    started_at__gte = Moment(field_name="started_at", lookup_expr="gte", label="Begun from")
    started_at__lt = Moment(field_name="started_at", lookup_expr="lt", label="Begun before")

    class Meta:
        model = Call
        fields: list[str] = []
