"""The wrap-up of a call as a form; what each outcome needs is checked by the service."""

from typing import Any

from django import forms

from calls.models import CallOutcome
from calls.services import MOST_LABEL, MOST_NOTES, FinishInput
from core.errors import LeadqualError

_WHEN = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_UNREADABLE = {"invalid": "Give a day and a time."}


class FinishForm(forms.Form):
    """How the call ended. Times are those of the person's clock."""

    outcome = forms.CharField(max_length=60, error_messages={"required": "Say how the call ended."})
    callback_at = forms.DateTimeField(
        required=False,
        label="When",
        widget=_WHEN,
        input_formats=_FORMATS,
        error_messages=_UNREADABLE,
    )
    reason = forms.CharField(
        required=False,
        max_length=MOST_LABEL,
        widget=forms.TextInput(attrs={"list": "reasons", "autocomplete": "off"}),
    )
    note = forms.CharField(
        required=False,
        max_length=MOST_NOTES,
        label="Note",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    summary = forms.CharField(
        required=False,
        max_length=MOST_NOTES,
        help_text="From the answers; change what you like.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    next_title = forms.CharField(
        required=False,
        max_length=120,
        label="Next step",
        widget=forms.TextInput(attrs={"placeholder": "As the outcome says"}),
    )
    next_at = forms.DateTimeField(
        required=False,
        label="Due",
        widget=_WHEN,
        input_formats=_FORMATS,
        error_messages=_UNREADABLE,
    )

    anyway = forms.BooleanField(required=False, label="Book it anyway")

    def __init__(self, *args: Any, outcomes: list[CallOutcome], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "finish_%s"
        self.outcomes = outcomes

    @property
    def reasons(self) -> list[str]:
        """All reasons that outcomes name, to choose from."""
        return list(dict.fromkeys(r for outcome in self.outcomes for r in outcome.reasons))

    def to_input(self) -> FinishInput:
        """Return the valid form as the service takes it."""
        return FinishInput(**self.cleaned_data)

    def add_problems(self, error: LeadqualError) -> None:
        """Show what the service found wrong beside its fields."""
        for problem in error.problems:
            name = problem.field if problem.field in self.fields else None
            self.add_error(name, f"{problem.message[:1].upper()}{problem.message[1:]}.")
        if not error.problems:
            self.add_error(None, error.message)
