"""What the desk's pages let people enter: read by type here, judged by the services."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django import forms
from django.utils import timezone

from core import money
from core.errors import FieldProblem
from desk.timeline import field_label
from followups.models import Followup
from followups.services import DEFAULT_MINUTES
from leads.consent import Channel, ConsentState
from leads.models import CustomField, Lead, Outcome
from leads.services import LeadInput
from scoring.definitions import Question
from scoring.feedback import MOST_REASON
from scoring.models import Evidence, Feedback
from scoring.tiers import Tier

MOST_AGE = 130
OVERRIDE_DAYS = 14
MORNING = dt.time(9)


class PageForm(forms.Form):
    """A form whose ids carry its name, so that several stand on one page without clashing."""

    name = "form"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", f"{self.name}-%s")
        super().__init__(*args, **kwargs)

    def add_problems(self, problems: Iterable[FieldProblem], message: str = "") -> None:
        """Put what a service found wrong beside the fields that it names."""
        told = False
        for problem in problems:
            field = self.field_of(problem.field)
            if field in self.fields:
                self.add_error(field, _sentence(problem.message))
            else:
                self.add_error(None, _sentence(f"{field_label(problem.field)} {problem.message}"))
            told = True
        if message and not told:
            self.add_error(None, message)

    def field_of(self, path: str) -> str:
        """Return the form's name of a field that a service calls `path`."""
        return path


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _kept(field: forms.Field) -> forms.Field:
    """Make a field post its first value too, so that only what the person changed is written."""
    field.show_hidden_initial = True
    field.required = False
    return field


class FactsForm(PageForm):
    """Facts of a lead. `version` is the one that the person was looking at."""

    name = "facts"

    first_name = _kept(forms.CharField(max_length=100))
    last_name = _kept(forms.CharField(max_length=100))
    title = _kept(forms.CharField(max_length=150, label="Job title"))
    email = _kept(forms.CharField(max_length=254, label="E-mail"))
    phone = _kept(forms.CharField(max_length=40))
    age = _kept(forms.IntegerField(min_value=0, max_value=MOST_AGE))
    country = _kept(forms.RegexField("^([A-Za-z]{2})?$", label="Country (two letters)"))
    company_name = _kept(forms.CharField(max_length=200, label="Company"))
    company_domain = _kept(
        forms.CharField(
            max_length=253, label="Company domain", help_text="Companies are told apart by it."
        )
    )
    company_industry = _kept(forms.CharField(max_length=100, label="Industry"))
    company_employees = _kept(
        forms.IntegerField(min_value=0, max_value=2_000_000_000, label="Employees")
    )
    value = _kept(forms.DecimalField(min_value=0, max_digits=15, decimal_places=3))
    currency = _kept(forms.RegexField("^([A-Za-z]{3})?$"))
    version = forms.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            "This form has lost its version. Reload the page.",
        ),
    )

    def __init__(
        self, data: Any = None, *, lead: Lead, custom_fields: Sequence[CustomField]
    ) -> None:
        self.lead, self.custom_fields = lead, custom_fields
        super().__init__(data, initial=facts_of(lead))
        for custom in custom_fields:
            self.fields[f"custom_{custom.key}"] = _custom_field(custom)
        if lead.kind == Lead.LeadKind.B2C:
            for name in [name for name in self.fields if name.startswith("company_")]:
                del self.fields[name]
            del self.fields["title"]
        else:
            del self.fields["age"]
        # What stood there when the page was made, for telling who changed what.
        self.conflicts: dict[str, str] = {}

    def shown(self) -> list[tuple[forms.BoundField, str]]:
        """Return the visible fields, each with the value that somebody else gave it meanwhile."""
        return [(field, self.conflicts.get(field.name, "")) for field in self.visible_fields()]

    def field_of(self, path: str) -> str:
        """See PageForm; companies' and custom fields have their prefixes."""
        if path == "value_minor":
            return "value"
        return path.replace("company.", "company_").replace("custom.", "custom_")

    def to_input(self) -> LeadInput:
        """Return what the person changed as the service's input."""
        changed = set(self.changed_data) - {"version"}
        data = self.cleaned_data
        given: dict[str, Any] = {
            name: data[name] or ""
            for name in ("first_name", "last_name", "title", "email", "phone")
            if name in changed
        }
        if "age" in changed:
            given["age"] = data["age"]
        if "country" in changed:
            given["country"] = data["country"]
        if changed & {"value", "currency"}:
            currency = (data["currency"] or self.lead.currency).upper()
            given["currency"] = currency
            amount = data["value"]
            given["value_minor"] = None if amount is None else money.minor(amount, currency)
        company = self._company(changed)
        if company is not _SAME:
            given["company"] = company
        custom = {
            name.removeprefix("custom_"): _json(data[name])
            for name in changed
            if name.startswith("custom_")
        }
        if custom:
            given["custom"] = custom
        return LeadInput(**given)

    def _company(self, changed: set[str]) -> Any:
        names = {name for name in changed if name.startswith("company_")}
        if not names:
            return _SAME
        data = self.cleaned_data
        if not data["company_name"] and not data["company_domain"]:
            return None
        # Name and domain say together which company it is.
        if names & {"company_name", "company_domain"}:
            names |= {"company_name", "company_domain"}
        return {name.removeprefix("company_"): data[name] for name in names}

    def find_conflicts(self, lead: Lead) -> bool:
        """Note which of the changed fields somebody else changed too; return whether any.

        `lead` is the lead as it is now. A field is in conflict when it no longer holds what the
        person saw, nor what the person wants.
        """
        present = facts_of(lead)
        for name in set(self.changed_data) - {"version"}:
            field = self.fields[name]
            seen = self._text(name, self.data.get(self.add_initial_prefix(name)))
            now = self._text(name, present.get(name))
            mine = self._text(name, self.data.get(self.add_prefix(name)))
            if now not in (seen, mine):
                self.conflicts[name] = now or "nothing"
                field.widget.attrs["aria-invalid"] = "true"
        return bool(self.conflicts)

    def rebase(self, lead: Lead) -> None:
        """Make the form one about the lead as it is now: what the person changed stays in the
        fields, the rest is taken over, and saving again replaces what is there.
        """
        present, mine = facts_of(lead), set(self.changed_data)
        data: dict[str, Any] = dict(self.data.items())
        for name, field in self.fields.items():
            value = field.prepare_value(present.get(name))
            text = "" if value is None else str(value)
            data[self.add_initial_prefix(name)] = text
            if name not in mine or name == "version":
                data[self.add_prefix(name)] = text
        self.data = data

    def _text(self, name: str, value: Any) -> str:
        field = self.fields[name]
        with suppress(forms.ValidationError):
            value = field.to_python(value)
        return "" if value is None else str(field.prepare_value(value)).strip()


_SAME: Any = object()


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def _day_input() -> forms.DateInput:
    """A date field of the browser, which reads and writes ISO dates only."""
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


def _custom_field(custom: CustomField) -> forms.Field:
    kinds = CustomField.Type
    label = custom.label
    field: forms.Field
    if custom.type == kinds.NUMBER:
        field = forms.FloatField(label=label)
    elif custom.type == kinds.DATE:
        field = forms.DateField(label=label, widget=_day_input())
    elif custom.type == kinds.BOOL:
        field = forms.TypedChoiceField(
            label=label,
            choices=[("", "Unknown"), ("true", "Yes"), ("false", "No")],
            coerce=lambda text: text == "true",
            empty_value=None,
        )
    elif custom.type == kinds.CHOICE and custom.choices:
        choices = [("", "Unknown"), *((str(c), str(c)) for c in custom.choices)]
        field = forms.ChoiceField(label=label, choices=choices)
    else:
        field = forms.CharField(label=label, max_length=1_000)
    return _kept(field)


def facts_of(lead: Lead) -> dict[str, Any]:
    """Return a lead's facts under the names of the form."""
    company = lead.company
    facts: dict[str, Any] = {
        name: getattr(lead, name)
        for name in ("first_name last_name title email phone age country currency version".split())
    }
    facts["value"] = (
        None if lead.value_minor is None else money.major(lead.value_minor, lead.currency)
    )
    facts |= {
        "company_name": company.name if company else "",
        "company_domain": (company.domain or "") if company else "",
        "company_industry": company.industry if company else "",
        "company_employees": company.employees if company else None,
    }
    for key, value in lead.custom.items():
        facts[f"custom_{key}"] = str(value).lower() if isinstance(value, bool) else value
    return facts


class NoteForm(PageForm):
    """A note for the timeline."""

    name = "note"

    note = forms.CharField(
        max_length=20_000, widget=forms.Textarea(attrs={"rows": 3}), label="Note"
    )


class MoveForm(PageForm):
    """A move to another stage."""

    name = "move"

    target = forms.CharField(max_length=12)
    reason = forms.CharField(max_length=500, required=False, label="Reason")


class OutcomeForm(PageForm):
    """How the round ends."""

    name = "outcome"

    result = forms.ChoiceField(choices=Outcome.Result.choices, label="Outcome")
    reason = forms.CharField(
        max_length=200,
        required=False,
        label="Reason",
        help_text="Needed for lost and disqualified.",
    )
    value = forms.DecimalField(
        min_value=0, max_digits=15, decimal_places=3, required=False, label="Value, if won"
    )


class AssignForm(PageForm):
    """Who shall own the lead: an id, `me`, or `none`."""

    name = "assign"

    owner = forms.RegexField(r"^(me|none|[0-9]{1,18})$", label="Owner")


class ConsentForm(PageForm):
    """What the lead said about being contacted."""

    name = "consent"

    channel = forms.ChoiceField(choices=Channel.choices, label="By")
    state = forms.ChoiceField(choices=ConsentState.choices, label="The lead")
    wording = forms.CharField(
        max_length=500,
        required=False,
        label="What it agreed to or said",
        help_text="Needed for an agreement: the words, and where they were given.",
    )


class EvidenceForm(PageForm):
    """An answer about a dimension: an answer of the script (`q:question:answer`) or a rating."""

    name = "evidence"

    dimension = forms.SlugField(max_length=40)
    answer = forms.CharField(
        max_length=200,
        label="Answer",
        error_messages={"required": "Choose the answer that comes closest."},
    )
    quote = forms.CharField(
        max_length=20_000,
        required=False,
        label="In their words",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    source = forms.ChoiceField(
        choices=[
            (Evidence.Source.CALL, "Call"),
            (Evidence.Source.FORM, "Form"),
            (Evidence.Source.RESEARCH, "Research"),
        ],
        required=False,
        label="Heard in",
    )

    def resolve(self, questions: Iterable[Question]) -> Mapping[str, Any] | None:
        """Return rating, question and answer of what was chosen, None when that is not offered."""
        text = self.cleaned_data["answer"]
        kind, _, rest = text.partition(":")
        if kind == "r":
            ratings: dict[str, int | None] = {
                "0": 0,
                "33": 33,
                "67": 67,
                "100": 100,
                "unknown": None,
            }
            if rest in ratings:
                return {"rating": ratings[rest], "question": "", "answer": ""}
            return None
        asked, _, chosen = rest.partition(":")
        for question in questions:
            if kind == "q" and question.key == asked:
                for answer in question.answers:
                    if answer.key == chosen:
                        return {"rating": answer.rating, "question": asked, "answer": chosen}
        return None


class OverrideForm(PageForm):
    """A tier set by hand until a day, in the words of the person who does it."""

    name = "override"

    tier = forms.ChoiceField(
        choices=[("", "As scored"), *reversed(Tier.choices)], required=False, label="Tier"
    )
    reason = forms.CharField(max_length=200, required=False, label="Reason")
    until = forms.DateField(required=False, label="Until", widget=_day_input())


def _moment_input() -> forms.DateTimeInput:
    """A field for date and time of the browser, in the person's own time zone."""
    return forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})


class FollowupForm(PageForm):
    """A next step planned by hand."""

    name = "followup"

    kind = forms.ChoiceField(
        choices=[(Followup.Kind.CALL, "Call"), (Followup.Kind.TASK, "Task")], label="Kind"
    )
    title = forms.CharField(max_length=120, label="What is to be done")
    due_at = forms.DateTimeField(label="When", widget=_moment_input())
    body = forms.CharField(
        max_length=20_000,
        required=False,
        label="Script or details",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class FeedbackForm(PageForm):
    """A verdict on one line of the ledger; `none` takes it back."""

    name = "feedback"
    NONE = "none"

    signal = forms.CharField(max_length=60, label="Line")
    verdict = forms.ChoiceField(
        choices=[*Feedback.Verdict.choices, (NONE, "Take back")],
        label="Verdict",
        error_messages={"required": "Choose what is wrong with it."},
    )
    reason = forms.CharField(max_length=MOST_REASON, required=False, label="Why")


class BookingForm(PageForm):
    """A call at a time agreed with the lead."""

    name = "booking"

    title = forms.CharField(max_length=120, label="What is it about", initial="Discovery call")
    at = forms.DateTimeField(label="When, on your clock", widget=_moment_input())
    minutes = forms.TypedChoiceField(
        choices=[(n, f"{n} minutes") for n in (15, 30, 45, 60, 90)],
        coerce=int,
        initial=DEFAULT_MINUTES,
        label="How long",
    )
    anyway = forms.BooleanField(required=False, label="Book it anyway")


class RescheduleForm(PageForm):
    """Another time for a booked call."""

    name = "reschedule"

    at = forms.DateTimeField(label="New time, on your clock", widget=_moment_input())
    anyway = forms.BooleanField(required=False, label="Book it anyway")


class SnoozeForm(PageForm):
    """Until when a step is put off: a shortcut, or a moment of one's own choice."""

    name = "snooze"

    until = forms.ChoiceField(
        choices=[
            ("hour", "1 hour"),
            ("tomorrow", "Tomorrow, 9:00"),
            ("week", "Next week"),
            ("at", "At"),
        ]
    )
    at = forms.DateTimeField(required=False, widget=_moment_input())

    def moment(self, now: dt.datetime) -> dt.datetime | None:
        """Return the chosen moment, reckoned from `now` (aware) where the person is."""
        chosen = self.cleaned_data["until"]
        if chosen == "at":
            moment: dt.datetime | None = self.cleaned_data["at"]
            return moment
        if chosen == "hour":
            return now + dt.timedelta(hours=1)
        day = timezone.localdate(now)
        days = 1 if chosen == "tomorrow" else 7 - day.weekday()
        return timezone.make_aware(dt.datetime.combine(day + dt.timedelta(days=days), MORNING))
