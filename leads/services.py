"""Writes of leads: lock, policy, change, activity row; one transaction each.

Callers above scoring (desk, intake) rescore as the last step of their transaction; everything else
is found by the sweep through the mark that the triggers leave.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts.models import User, Workspace
from core.clock import DatabaseNow, now
from core.errors import Conflict, FieldProblem, Forbidden, Invalid, StaleVersion
from leads import custom_fields, identity, policies, titles
from leads.activities import Kind
from leads.consent import Channel, ConsentSource, ConsentState, address_hash
from leads.models import (
    Activity,
    Company,
    Consent,
    Identity,
    Lead,
    Outcome,
    Source,
    Suppression,
)
from leads.selectors import refused_contact
from leads.stages import MOVES, StageKey

CLOCKS_DIFFER = dt.timedelta(minutes=5)  # between us and who tells us what happened
UNSET: Any = object()  # a field that the caller did not name, which differs from null


@dataclass
class LeadInput:
    """What a caller may set on a lead. Fields left `UNSET` stay as they are.

    `value_minor` is in minor units of `currency`; `country` is ISO 3166 alpha-2; `custom` holds
    values of custom fields by key, null removing one; `external_ids` maps source names to ids.
    """

    kind: str = UNSET
    first_name: str = UNSET
    last_name: str = UNSET
    email: str = UNSET
    phone: str = UNSET
    title: str = UNSET
    seniority: str = UNSET
    age: int | None = UNSET
    country: str = UNSET
    time_zone: str = UNSET
    value_minor: int | None = UNSET
    currency: str = UNSET
    company: Mapping[str, Any] | None = UNSET
    custom: Mapping[str, Any] = UNSET
    external_ids: Mapping[str, str] = UNSET
    source: str = UNSET
    touch: Mapping[str, str] = field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller named."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in named.items() if value is not UNSET}


_PLAIN = (
    "kind",
    "first_name",
    "last_name",
    "title",
    "age",
    "country",
    "time_zone",
    "value_minor",
    "currency",
)


@transaction.atomic
def create_lead(data: LeadInput, *, by: User, via: str = Source.Channel.API) -> Lead:
    """Create a lead owned by its creator; raise Conflict when its e-mail or external id is known.

    A duplicate that the creator may see is named; one elsewhere is not (`duplicate_elsewhere`).
    """
    policies.can_create_lead(by).require()
    workspace = Workspace.current()
    lead = Lead(
        currency=workspace.currency,
        country="",
        owner=by,
        team_id=by.team_id,
        first_touch_at=DatabaseNow(),
        last_touch_at=DatabaseNow(),
        is_demo=False,
    )
    given = data.given()
    source = _source(given.get("source") or via, via)
    lead.first_source = lead.last_source = source
    lead.first_touch = lead.last_touch = dict(data.touch)
    _apply(lead, given, workspace)
    known_by = (lead.first_name, lead.last_name, lead.email, lead.phone, given.get("external_ids"))
    if not any(known_by):
        raise Invalid.field("email", "required", "a lead needs a name, an e-mail or a phone number")
    lead.save()
    _write_identities(lead, given, by)
    Activity.objects.create(
        lead=lead, kind=Kind.CREATED, actor=by, data={"source": source.name, "via": via}
    )
    return lead


@transaction.atomic
def change_lead(lead: Lead, data: LeadInput, *, by: User, version: int | None = None) -> Lead:
    """Change facts of a lead; raise StaleVersion when `version` is not the present one.

    Writes nothing when nothing differs. The activity names each field's old and new value.
    """
    lead = _lock(lead)
    policies.can_change_lead(by, lead).require()
    if version is not None and version != lead.version:
        raise StaleVersion(f"This lead was changed meanwhile (version {lead.version}).")
    given = data.given()
    before = _facts(lead)
    company = lead.company
    company_before = _company_facts(company) if company else {}
    _apply(lead, given, Workspace.current())
    changes = _differences(before, _facts(lead))
    if lead.company is not None and company == lead.company:
        changes |= _differences(company_before, _company_facts(lead.company))
    identities_changed = _write_identities(lead, given, by)
    if changes or identities_changed:
        lead.version += 1
        lead.save()
        Activity.objects.create(lead=lead, kind=Kind.CHANGED, actor=by, data={"changes": changes})
    return lead


@transaction.atomic
def assign_lead(lead: Lead, owner: User | None, *, by: User) -> Lead:
    """Give a lead to `owner` (or nobody). Its team becomes the owner's; without one it stays."""
    lead = _lock(lead)
    claim = owner is not None and owner.pk == by.pk and lead.owner_id is None
    check = policies.can_claim_lead if claim else policies.can_assign_lead
    check(by, lead).require()
    if owner is not None and not owner.is_active:
        raise Invalid.field("owner", "inactive", "this person no longer works here")
    if owner is not None and not claim and by.role != "admin" and owner.team_id != by.team_id:
        raise Forbidden("Managers assign within their own team.")
    if lead.owner_id == (owner.pk if owner else None):
        return lead
    before, lead.owner = lead.owner, owner
    if owner is not None and owner.team_id is not None:
        lead.team_id = owner.team_id
    lead.version += 1
    lead.save(update_fields=["owner", "team", "version"])
    Activity.objects.create(
        lead=lead,
        kind=Kind.ASSIGNED,
        actor=by,
        data={"from": before.pk if before else None, "to": owner.pk if owner else None},
    )
    return lead


@transaction.atomic
def move_lead(
    lead: Lead, target: str, *, by: User, reason: str = "", gates_met: bool = True
) -> Lead:
    """Move a lead to another stage by the table. Won → opportunity begins a new round."""
    lead = _lock(lead)
    policies.can_move_lead(by, lead, target, gates_met=gates_met, reason=reason).require()
    before, lead.stage = lead.stage, target
    if before in (StageKey.WON, StageKey.LOST, StageKey.DISQUALIFIED):
        lead.round += 1
    lead.version += 1
    lead.save(update_fields=["stage", "round", "version"])
    Activity.objects.create(
        lead=lead,
        kind=Kind.STAGE_MOVED,
        actor=by,
        data={"from": before, "to": target, "reason": reason, "round": lead.round},
    )
    return lead


@transaction.atomic
def record_outcome(
    lead: Lead,
    result: str,
    *,
    by: User,
    reason: str = "",
    value_minor: int | None = None,
    currency: str = "",
    at: dt.datetime | None = None,
) -> Outcome:
    """Close the round of a lead; lost and disqualified need a reason."""
    lead = _lock(lead)
    policies.can_record_outcome(by, lead).require()
    if result not in Outcome.Result.values:
        raise Invalid.field("result", "not_a_choice", "must be won, lost or disqualified")
    if result != Outcome.Result.WON and not reason.strip():
        raise Invalid.field("reason", "required", f"say why it was {result}")
    assert (lead.stage, result) in MOVES
    outcome = Outcome(
        lead=lead,
        round=lead.round,
        result=result,
        reason=identity.clean_text(reason)[:200],
        value_minor=value_minor if value_minor is not None else lead.value_minor,
        currency=currency or lead.currency,
        recorded_by=by,
    )
    if at is not None:
        outcome.at = at
    outcome.save()
    before, lead.stage = lead.stage, result
    lead.version += 1
    lead.save(update_fields=["stage", "version"])
    Activity.objects.create(
        lead=lead,
        kind=Kind.OUTCOME_RECORDED,
        actor=by,
        data={"result": result, "reason": outcome.reason, "round": lead.round, "from": before},
    )
    return outcome


@transaction.atomic
def add_note(lead: Lead, text: str, *, by: User) -> Activity:
    """Write a note on the timeline."""
    policies.can_change_lead(by, lead).require()
    text = identity.clean_text(text)
    if not text:
        raise Invalid.field("note", "required", "a note needs words")
    if len(text) > 20_000:
        raise Invalid.field("note", "too_long", "a note has at most 20,000 characters")
    return Activity.objects.create(lead=lead, kind=Kind.NOTE, actor=by, data={"text": text})


@transaction.atomic
def record_activity(
    lead: Lead,
    kind: str,
    *,
    by: User | None,
    at: dt.datetime | None = None,
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
) -> Activity:
    """Record that something happened; a known `dedupe_key` returns what is there already."""
    if by is not None:
        policies.can_change_lead(by, lead).require()
    activity = Activity(
        lead=lead, kind=kind, actor=by, data=dict(data or {}), dedupe_key=dedupe_key
    )
    if at is not None:
        activity.at = at
    try:
        with transaction.atomic():
            activity.save()
    except IntegrityError:
        known = Activity.objects.filter(dedupe_key=dedupe_key, lead=lead).first()
        if known is None:
            raise Conflict("This dedupe key belongs to another lead's activity.") from None
        return known
    _heed(activity, by)
    return activity


def _heed(activity: Activity, by: User | None) -> None:
    """Take what a lead did for its word: who asks for contact may be called, and by mail too."""
    said: list[tuple[Channel, ConsentState]] = []
    if activity.kind == Kind.UNSUBSCRIBED:
        said = [(Channel.EMAIL, ConsentState.WITHDRAWN)]
    elif activity.kind == Kind.HAND_RAISED:
        refused = refused_contact([activity.lead_id]).get(activity.lead_id, {})
        said = [(channel, ConsentState.GRANTED) for channel in Channel if channel in refused]
    label = Kind(activity.kind).label
    at = activity.at if isinstance(activity.at, dt.datetime) else None
    for channel, state in said:
        word = ConsentInput(channel, state, ConsentSource.LEAD, label, at)
        write_consent(activity.lead, word, by=by)


@dataclass(frozen=True)
class ConsentInput:
    """What a lead said about being contacted by a channel; `at` None is now."""

    channel: str
    state: str
    source: str = ConsentSource.HAND
    wording: str = ""
    at: dt.datetime | None = None


@transaction.atomic
def record_consent(lead: Lead, said: ConsentInput, *, by: User) -> Consent:
    """Keep what a lead said about being contacted; raise Invalid naming the field, or Forbidden."""
    policies.can_record_consent(by, lead).require()
    wrong = [
        FieldProblem(name, "not_a_choice", f"must be one of {', '.join(choices.values)}")
        for name, choices in (
            ("channel", Channel),
            ("state", ConsentState),
            ("source", ConsentSource),
        )
        if getattr(said, name) not in choices.values
    ]
    wording = identity.clean_text(said.wording)
    if len(wording) > 500:
        wrong.append(FieldProblem("wording", "too_long", "has at most 500 characters"))
    if said.state == ConsentState.GRANTED and not wording:
        wrong.append(FieldProblem("wording", "required", "say what the lead agreed to, and how"))
    if said.at is not None and said.at > now() + CLOCKS_DIFFER:
        wrong.append(FieldProblem("at", "in_future", "has not happened yet"))
    if wrong:
        raise Invalid(wrong)
    return write_consent(lead, replace(said, wording=wording), by=by)


def write_consent(lead: Lead, said: ConsentInput, *, by: User | None) -> Consent:
    """Write one word of a lead (`write_consents`)."""
    return write_consents([(lead, said)], by=by)[0]


def write_consents(
    words: Sequence[tuple[Lead, ConsentInput]],
    *,
    by: User | None,
    data: Mapping[str, Any] | None = None,
) -> list[Consent]:
    """Write words of leads, and refusals also for the numbers or addresses themselves.

    For services that have asked the policy; the caller plans the leads' follow-ups anew. `data`
    goes with the lines on the timelines. Four statements, however many words.
    """
    moment = now()
    consents: list[Consent] = Consent.objects.bulk_create(
        Consent(
            lead=lead,
            channel=said.channel,
            state=said.state,
            at=said.at or moment,
            source=said.source,
            wording=said.wording,
            actor=by,
        )
        for lead, said in words
    )
    _suppress_refused(consents)
    Activity.objects.bulk_create(
        Activity(
            lead=consent.lead,
            kind=Kind.CONSENT_GRANTED
            if consent.state == ConsentState.GRANTED
            else Kind.CONSENT_WITHDRAWN,
            at=consent.at,
            actor=by,
            data={
                "channel": consent.channel,
                "source": consent.source,
                "text": consent.wording,
                **(data or {}),
            },
        )
        for consent in consents
    )
    return consents


def take_back_consents(consents: Sequence[Consent]) -> None:
    """Remove words that should not have been written, and take numbers and addresses off the list
    that stand there for nothing else. Their leads must be loaded.
    """
    mine = [consent.pk for consent in consents]
    for consent in consents:
        if consent.state == ConsentState.WITHDRAWN and (address := _address(consent)):
            listed = Suppression.objects.filter(
                hmac=address_hash(settings.SUPPRESSION_KEY, address),
                reason=consent.get_source_display(),
                at=consent.at,
            )
            if listed.delete()[0]:
                field = "lead__phone" if consent.channel == Channel.CALL else "lead__email"
                others = Consent.objects.filter(
                    channel=consent.channel, state=ConsentState.WITHDRAWN, **{field: address}
                )
                others = others.exclude(pk__in=mine).select_related("lead").order_by("at", "pk")
                _suppress_refused(others)
    Consent.objects.filter(pk__in=mine).delete()


def _address(consent: Consent) -> str:
    return consent.lead.phone if consent.channel == Channel.CALL else consent.lead.email


def _suppress_refused(consents: Iterable[Consent]) -> None:
    suppress(
        (address, ConsentSource(consent.source), consent.at)
        for consent in consents
        if consent.state == ConsentState.WITHDRAWN and (address := _address(consent))
    )


def suppress(refused: Iterable[tuple[str, ConsentSource, dt.datetime]]) -> None:
    """Put normal numbers and addresses on the list of those not to be contacted: each with who says
    so and since when. Why an entry was first made stays.
    """
    listed: dict[bytes, tuple[str, dt.datetime]] = {}
    for address, source, since in refused:
        key = address_hash(settings.SUPPRESSION_KEY, address)
        reason, at = listed.get(key, (str(source.label), since))
        listed[key] = reason, max(at, since)
    if not listed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leads_suppression AS s (hmac, reason, at)
            SELECT * FROM unnest(%s::bytea[], %s::text[], %s::timestamptz[]) ORDER BY 1
            ON CONFLICT (hmac) DO UPDATE SET at = greatest(s.at, excluded.at)
            """,
            [
                list(listed),
                [reason for reason, _ in listed.values()],
                [at for _, at in listed.values()],
            ],
        )


def _lock(lead: Lead) -> Lead:
    """Read the lead anew under its lock. NO KEY, so that rows pointing at it are not held up."""
    return (
        Lead.objects.select_for_update(no_key=True, of=("self",))
        .select_related("company")
        .get(pk=lead.pk)
    )


def _source(name: str, via: str) -> Source:
    name = identity.clean_text(name)[:100] or via
    channel = via if via in Source.Channel.values else Source.Channel.API
    return Source.objects.get_or_create(name=name, defaults={"channel": channel})[0]


def _apply(lead: Lead, given: Mapping[str, Any], workspace: Workspace) -> None:
    """Put given values on the lead in their clean form; raise Invalid naming each wrong one."""
    problems: list[FieldProblem] = []
    for name in _PLAIN:
        if name in given:
            value = given[name]
            setattr(lead, name, identity.clean_text(value) if isinstance(value, str) else value)
    lead.currency = (lead.currency or workspace.currency).upper()
    lead.country = (lead.country or "").upper()
    if "email" in given:
        email = identity.normal_email(given["email"]) if given["email"] else ""
        if email is None:
            problems.append(FieldProblem("email", "invalid", "is not an e-mail address"))
        else:
            lead.email, lead.email_kind = email, identity.email_kind(email)
    if "phone" in given:
        region = lead.country or workspace.country
        phone = identity.normal_phone(given["phone"], region) if given["phone"] else ""
        if phone is None:
            problems.append(FieldProblem("phone", "invalid", "is not a phone number"))
        else:
            lead.phone = phone
    if given.get("seniority"):
        if given["seniority"] not in titles.SENIORITIES:
            choices = ", ".join(titles.SENIORITIES)
            problems.append(FieldProblem("seniority", "not_a_choice", f"must be one of {choices}"))
        lead.seniority = given["seniority"]
    elif "title" in given:
        lead.seniority = titles.seniority_of(lead.title)
    if "company" in given:
        _apply_company(lead, given["company"], problems)
    if "custom" in given:
        lead.custom, wrong = custom_fields.merge(lead.custom, given["custom"])
        problems += wrong
    if problems:
        raise Invalid(problems)


_COMPANY_FIELDS = ("name", "domain", "industry", "country", "employees", "revenue_minor")


def _apply_company(
    lead: Lead, given: Mapping[str, Any] | None, problems: list[FieldProblem]
) -> None:
    """Match the company by domain, else by name, or make it; fill in what is given."""
    if given is None:
        lead.company = None
        return
    values = {name: given[name] for name in _COMPANY_FIELDS if name in given}
    name = identity.clean_text(values.get("name") or "")
    domain = None
    if values.get("domain"):
        domain = identity.normal_domain(values["domain"])
        if domain is None:
            problems.append(FieldProblem("company.domain", "invalid", "is not a domain"))
            return
    company = None
    if domain:
        company = Company.objects.filter(domain=domain).first()
    if company is None and name:
        # A company of the same name at another domain is another company.
        named = Company.objects.filter(name__iexact=name).order_by("pk")
        company = (named.filter(domain=None) if domain else named).first()
    if company is None:
        company = lead.company if not (name or domain) else Company()
    if company is None:
        problems.append(FieldProblem("company.name", "required", "a company needs a name"))
        return
    changed = company.pk is None
    for key, value in {
        **values,
        "name": name or company.name,
        "domain": domain or company.domain,
    }.items():
        clean = identity.clean_text(value) if isinstance(value, str) else value
        if key == "country" and clean:
            clean = clean.upper()
        if clean not in (None, "") and getattr(company, key) != clean:
            setattr(company, key, clean)
            changed = True
    company.name = company.name or company.domain or ""
    if changed:
        company.save()
    lead.company = company


def _facts(lead: Lead) -> dict[str, Any]:
    names = (*_PLAIN, "email", "phone", "seniority", "custom")
    return {name: getattr(lead, name) for name in names} | {"company": lead.company_id}


def _company_facts(company: Company) -> dict[str, Any]:
    return {f"company.{name}": getattr(company, name) for name in _COMPANY_FIELDS}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {k: [before[k], after[k]] for k in after if k in before and before[k] != after[k]}


def _write_identities(lead: Lead, given: Mapping[str, Any], by: User) -> bool:
    """Keep identities in step with e-mail, phone and external ids; say whether any changed."""
    wanted: list[tuple[str, str]] = []
    changed = False
    for kind in ("email", "phone"):
        if kind in given:
            value = getattr(lead, kind)
            stale = Identity.objects.filter(lead=lead, kind=kind).exclude(normal=value)
            changed |= bool(stale.delete()[0])
            wanted += [(kind, value)] if value else []
    for source, number in (given.get("external_ids") or {}).items():
        kind = f"external:{identity.clean_text(source)[:100]}"
        wanted.append((kind, identity.clean_text(str(number))[:254]))
    for kind, normal in wanted:
        if Identity.objects.filter(lead=lead, kind=kind, normal=normal).exists():
            continue
        try:
            with transaction.atomic():
                Identity.objects.create(lead=lead, kind=kind, normal=normal)
        except IntegrityError:
            _raise_duplicate(kind, normal, by)
        changed = True
    return changed


def _raise_duplicate(kind: str, normal: str, by: User) -> None:
    known = (
        Lead.objects.visible_to(by).filter(identities__kind=kind, identities__normal=normal).first()
    )
    what = "e-mail" if kind == "email" else "external id"
    field = "email" if kind == "email" else "external_ids"
    if known is None:
        raise Conflict(
            f"A lead with this {what} exists elsewhere.",
            [FieldProblem(field, "duplicate_elsewhere", "belongs to a lead that you cannot see")],
        )
    raise Conflict(
        f"Lead {known.pk} has this {what} already.",
        [FieldProblem(field, "duplicate", f"belongs to lead {known.pk}")],
        existing_id=known.pk,
    )
