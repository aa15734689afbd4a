"""Rows for tests, made the way the product makes them and scored at once."""

import datetime as dt
from itertools import count
from typing import Any

from accounts.models import User
from accounts.roles import Role
from core.clock import now
from leads.activities import Kind
from leads.identity import email_kind
from leads.models import Activity, Company, Identity, Lead, Source
from leads.titles import seniority_of
from scoring.models import Evidence
from scoring.rescoring import rescore

PASSWORD = "correct horse battery"
_numbers = count(1)


def make_user(email: str = "", *, role: str = Role.REP, **fields: Any) -> User:
    """Make a user who can log in with PASSWORD."""
    email = email or f"user{next(_numbers)}@leadqual.example"
    return User.objects.create_user(
        email, PASSWORD, role=role, **{"name": email.split("@")[0].title(), **fields}
    )


def make_lead(*, owner: User | None = None, scored: bool = True, **fields: Any) -> Lead:
    """Make a lead; `company` may be a dict of company fields. Scored unless told otherwise."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "first_name": "Ada",
        "last_name": f"Number{number}",
        "email": f"ada{number}@works{number}.example",
        **fields,
    }
    company = values.get("company")
    if isinstance(company, dict):
        values["company"] = Company.objects.create(**{"name": f"Works {number}", **company})
    values.setdefault("seniority", seniority_of(values.get("title", "")))
    values.setdefault("email_kind", email_kind(values["email"]))
    if owner is not None:
        values.setdefault("team", owner.team)
    lead = Lead.objects.create(owner=owner, **values)
    if lead.email:
        Identity.objects.create(lead=lead, kind="email", normal=lead.email)
    if scored:
        rescore([lead.pk])
    return lead


def make_evidence(lead: Lead, dimension: str, rating: int, **fields: Any) -> Evidence:
    """Make a current answer and rescore the lead."""
    Evidence.objects.filter(lead=lead, dimension=dimension, current=True).update(current=False)
    evidence = Evidence.objects.create(
        lead=lead,
        dimension=dimension,
        rating=rating,
        **{
            "source": Evidence.Source.CALL,
            "expires_at": now() + dt.timedelta(days=90),
            **fields,
        },
    )
    rescore([lead.pk])
    return evidence


def make_activity(lead: Lead, kind: str = Kind.PAGE_VIEWED, **fields: Any) -> Activity:
    """Make an activity and rescore the lead."""
    activity = Activity.objects.create(lead=lead, kind=kind, **fields)
    rescore([lead.pk])
    return activity


def make_source(name: str = "Website", **fields: Any) -> Source:
    """Make a source; tracked ones know that silence means no interest."""
    return Source.objects.create(
        name=name, **{"channel": Source.Channel.INBOUND, "tracked": True, **fields}
    )
