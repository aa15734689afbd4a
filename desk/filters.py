"""Filters of leads, the same on the queue page, in the lead list and in the API.

The queryset is of standings, which repeat what a queue filters by; the rest is a join away.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, Value

from accounts.models import User
from core.filters import Choices, Filter, FilterSet, Moment, Text, Whole, YesNo
from leads.identity import clean_text, normal_email
from leads.models import Company, Identity, Lead
from leads.querysets import company_named, lead_named
from leads.stages import StageKey
from scoring.models import Standing
from scoring.tiers import State, Tier

MOST_WORDS = 8
MOST_COMPANIES = 1_000  # whose names hold a word; a word in more of them says nothing
MOST_FOUND = 2_000  # leads; more than that are dense enough to be met in the order of rank
_INDEXABLE = re.compile(r"\w{3}")  # what a trigram index can find


class _Whose(Text):
    """`me`, `none` or the id of a user; of a team only ids and `none`."""

    def __init__(self, allow_me: bool = False, **kwargs: Any) -> None:
        super().__init__(most=19, **kwargs)
        self.allow_me = allow_me

    def condition(self, value: Sequence[str], viewer: User) -> Q:
        """Match any of the people or teams."""
        wanted = Q(pk__in=[])
        for text in value:
            if text == "me" and self.allow_me:
                wanted |= Q(**{self.field_name: viewer.pk})
            elif text == "none":
                wanted |= Q(**{f"{self.field_name}__isnull": True})
            elif text.isascii() and text.isdigit() and len(text) < 19:
                wanted |= Q(**{self.field_name: int(text)})
            else:
                words = "me, none or an id" if self.allow_me else "none or an id"
                raise ValidationError(f"is {words}", code="not_an_id")
        return wanted


class _Country(Text):
    """ISO 3166 codes of two letters."""

    def condition(self, value: Sequence[str], viewer: User) -> Q:
        """Match any of the codes, whatever their case."""
        if any(not re.fullmatch("[A-Za-z]{2}", code) for code in value):
            raise ValidationError("is a country's code of two letters", code="not_a_country")
        return super().condition([code.upper() for code in value], viewer)


class _Email(Text):
    """An address in any spelling, looked up in its normal form."""

    def condition(self, value: Sequence[str], viewer: User) -> Q:
        """Match any of the addresses."""
        normal = [normal_email(text) for text in value]
        if None in normal:
            raise ValidationError("is an e-mail address", code="not_an_email")
        known = Identity.objects.filter(kind="email", normal__in=normal)
        return Q(lead_id__in=known.values("lead_id"))


class _ExternalId(Text):
    """`<source>:<id>`, the id by which another system knows the lead."""

    def condition(self, value: Sequence[str], viewer: User) -> Q:
        """Match any of the ids."""
        wanted = Q(pk__in=[])
        for text in value:
            source, colon, number = text.partition(":")
            if not (source and colon and number):
                raise ValidationError("is written source:id", code="not_an_external_id")
            known = Identity.objects.filter(
                kind=f"external:{clean_text(source)}", normal=clean_text(number)
            )
            wanted |= Q(lead_id__in=known.values("lead_id"))
        return wanted


class _Search(Filter):
    """Every word is in the lead's name or address, or in its company's name."""

    field_class = forms.CharField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=3, max_length=100, **kwargs)

    def condition(self, value: str, viewer: User) -> Q:
        """Match all words; one query for the companies and one for the leads."""
        words = clean_text(value).split()
        if len(words) > MOST_WORDS:
            raise ValidationError(f"has at most {MOST_WORDS} words", code="too_many_words")
        if not any(_INDEXABLE.search(word) for word in words):
            raise ValidationError(
                "needs a word with three letters or digits in a row", code="too_short"
            )
        companies = _companies_named(words)
        found = list(
            Lead.objects.visible_to(viewer)
            .filter(_all_of(words, companies, ""))
            .values_list("pk", flat=True)[: MOST_FOUND + 1]
        )
        # Found by the trigram index first: in the order of rank alone, a word that the viewer's
        # leads lack would be looked for in every one of them.
        return Q(pk__in=found) if len(found) <= MOST_FOUND else _all_of(words, companies, "lead__")


def _all_of(words: Sequence[str], companies: Mapping[str, Sequence[int]], prefix: str) -> Q:
    wanted = Q()
    for word in words:
        at_company = Q(**{f"{prefix}company_id__in": companies[word]})
        wanted &= lead_named(word, prefix) | at_company
    return wanted


def _companies_named(words: Sequence[str]) -> dict[str, list[int]]:
    """Return the ids of the companies that have each word in their names, none where it is in too
    many; one query. An OR with a sub-query could use no index.
    """
    found: dict[str, list[int]] = {word: [] for word in words}
    parts = [
        Company.objects.filter(company_named(word))
        .annotate(word=Value(word))
        .values_list("word", "pk")[: MOST_COMPANIES + 1]
        for word in found
        if _INDEXABLE.search(word)
    ]
    for word, company_id in parts[0].union(*parts[1:], all=True):
        found[word].append(company_id)
    return {word: ids if len(ids) <= MOST_COMPANIES else [] for word, ids in found.items()}


class LeadFilters(FilterSet):
    """What leads can be filtered by."""

    noun = "leads"

    q = _Search(label="Search")
    tier = Choices(Tier.choices, label="Tier")
    state = Choices(State.choices, label="State")
    stage = Choices(StageKey.choices, label="Stage")
    is_open = YesNo(label="Open")
    owner = _Whose(field_name="owner_id", allow_me=True, label="Owner")
    team = _Whose(field_name="team_id", label="Team")
    icp = Text(field_name="model_version__icp__key", most=60, label="ICP")
    score = Whole(high=100, label="Score")
    score__gte = Whole(high=100, field_name="score", lookup_expr="gte", label="Score from")
    score__gt = Whole(high=100, field_name="score", lookup_expr="gt")
    score__lte = Whole(high=100, field_name="score", lookup_expr="lte", label="Score to")
    score__lt = Whole(high=100, field_name="score", lookup_expr="lt")
    scored_at__gte = Moment(field_name="scored_at", lookup_expr="gte")
    scored_at__lt = Moment(field_name="scored_at", lookup_expr="lt")
    next_due_at__gte = Moment(field_name="next_due_at", lookup_expr="gte")
    next_due_at__lt = Moment(field_name="next_due_at", lookup_expr="lt", label="Next step before")
    has_next_step = YesNo(present=True, field_name="next_due_at", label="Has a next step")
    has_clock = YesNo(present=True, field_name="sla_due_at", label="Has a running clock")
    kind = Choices(Lead.LeadKind.choices, field_name="lead__kind", label="Kind")
    country = _Country(field_name="lead__country", most=2, label="Country")
    source = Text(field_name="lead__first_source__name", most=100, label="Source")
    company = Whole(low=1, field_name="lead__company_id", lookup_expr="exact", label="Company")
    email = _Email(label="E-mail")
    external_id = _ExternalId(most=400, label="External id")
    contacted = YesNo(present=True, field_name="lead__contacted_at", label="Contacted")
    created_at__gte = Moment(field_name="lead__created_at", lookup_expr="gte", label="Created from")
    created_at__lt = Moment(field_name="lead__created_at", lookup_expr="lt", label="Created before")

    class Meta:
        model = Standing
        fields: list[str] = []
