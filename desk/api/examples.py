"""Examples of the OpenAPI description. Tests hold them against their shapes."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

Json = dict[str, Any]

_SCORED_AT = "2026-11-22T09:02:11Z"

LEAD: Json = {
    "id": 4711,
    "version": 17,
    "kind": "b2b",
    "name": "Haruka Ito",
    "first_name": "Haruka",
    "last_name": "Ito",
    "email": "haruka@works.example",
    "phone": "+4930901820",
    "title": "Head of Operations",
    "seniority": "director",
    "country": "DE",
    "company": {"id": 93, "name": "Works"},
    "owner": {"id": 12, "name": "Anna"},
    "team": {"id": 2, "name": "North"},
    "source": "Website",
    "stage": "accepted",
    "value": {"amount_minor": 1250000, "currency": "EUR"},
    "state": "scored",
    "tier": "hot",
    "tier_reason": None,
    "score": 82,
    "range": {"low": 78, "high": 91},
    "groups": {"fit": 71, "engagement": 84, "qualification": 90},
    "p_win": 0.34,
    "expected": {"amount_minor": 425000, "currency": "EUR"},
    "next_step": {"title": "Call within five minutes", "due_at": "2026-11-22T09:07:11Z"},
    "sla_due_at": "2026-11-22T09:07:11Z",
    "contacted_at": None,
    "intent_at": "2026-11-22T09:02:10Z",
    "scored_at": _SCORED_AT,
    "created_at": "2026-11-20T15:31:00Z",
}
DETAIL: Json = {
    **LEAD,
    "company": {
        "id": 93,
        "name": "Works",
        "domain": "works.example",
        "industry": "Manufacturing",
        "country": "DE",
        "employees": 240,
        "revenue_minor": None,
    },
    "age": None,
    "time_zone": "Europe/Berlin",
    "round": 1,
    "custom": {"machines": 14},
    "external_ids": [{"source": "hubspot", "id": "12345"}],
    "first_touch": {
        "source": "Website",
        "at": "2026-11-20T15:31:00Z",
        "details": {"utm_campaign": "autumn"},
    },
    "last_touch": {"source": "Website", "at": "2026-11-20T15:31:00Z", "details": {}},
}
NEW_LEAD: Json = {
    "first_name": "Haruka",
    "last_name": "Ito",
    "email": "haruka@works.example",
    "title": "Head of Operations",
    "company": {"name": "Works", "domain": "works.example", "employees": 240},
    "value": {"amount_minor": 1250000, "currency": "EUR"},
    "external_ids": [{"source": "hubspot", "id": "12345"}],
    "source": "Website",
}
CHANGE: Json = {"title": "Chief Operating Officer", "phone": None}

EVIDENCE: Json = {
    "id": 4712,
    "dimension": "budget",
    "rating": 100,
    "quote": "It is in this year's plan.",
    "question": None,
    "answer": None,
    "source": "form",
    "author": {"id": 12, "name": "Anna"},
    "observed_at": "2026-11-12T10:42:00Z",
    "recorded_at": "2026-11-12T10:42:01Z",
    "expires_at": "2027-05-11T10:42:00Z",
    "current": True,
}
NEW_EVIDENCE: Json = {
    "dimension": "budget",
    "rating": 100,
    "quote": "It is in this year's plan.",
    "source": "form",
}
ADDED_EVIDENCE: Json = {
    **EVIDENCE,
    "standing": {
        "state": "scored",
        "score": 82,
        "range": {"low": 78, "high": 91},
        "tier": "hot",
        "scored_at": _SCORED_AT,
    },
}
OUTCOME: Json = {
    "id": 31,
    "round": 1,
    "result": "won",
    "reason": None,
    "value": {"amount_minor": 1250000, "currency": "EUR"},
    "at": "2026-11-22T11:00:00Z",
    "recorded_at": "2026-11-22T11:00:00Z",
    "recorded_by": {"id": 12, "name": "Anna"},
}
NEW_OUTCOME: Json = {"result": "won", "value": {"amount_minor": 1250000, "currency": "EUR"}}
CONSENT: Json = {
    "id": 57,
    "channel": "call",
    "state": "granted",
    "source": "api",
    "wording": "Ticked “You may call me about this” on the contact form",
    "at": "2026-11-22T09:02:10Z",
    "recorded_at": "2026-11-22T09:02:11Z",
    "actor": {"id": 12, "name": "Anna"},
}
BOOKING: Json = {
    "id": 3110,
    "lead_id": 17,
    "title": "Discovery call",
    "at": "2026-11-26T14:00:00Z",
    "minutes": 30,
    "state": "scheduled",
    "held": None,
    "owner": {"id": 12, "name": "Anna"},
    "uid": "0b0f9d2e-6c1b-4d1c-9f59-2f6f3f0e7a51",
    "sequence": 0,
    "invitation": "/bookings/3110/invitation.ics",
}
NEW_BOOKING: Json = {"title": "Discovery call", "at": "2026-11-26T14:00:00Z"}
NEW_CONSENT: Json = {
    "channel": "call",
    "state": "granted",
    "wording": "Ticked “You may call me about this” on the contact form",
}
MAY_CONTACT: Json = {
    "call": {"allowed": True, "reason": None},
    "email": {"allowed": False, "reason": "Asked on 3 Nov 2026 not to be written to."},
}
ACTIVITY: Json = {
    "id": 90210,
    "kind": "page_viewed",
    "at": "2026-11-22T09:02:10Z",
    "recorded_at": "2026-11-22T09:02:11Z",
    "actor": {"id": 12, "name": "Anna"},
    "data": {"url": "/pricing"},
    "dedupe_key": "web-815",
}
NEW_ACTIVITY: Json = {
    "kind": "page_viewed",
    "at": "2026-11-22T09:02:10Z",
    "data": {"url": "/pricing"},
    "dedupe_key": "web-815",
}
STANDING: Json = {
    "state": "scored",
    "score": 12,
    "range": {"low": 9, "high": 17},
    "tier": "cold",
    "tier_reason": None,
    "groups": {"fit": 20, "engagement": 0, "qualification": 34},
    "ledger": [
        {
            "signal": "budget",
            "label": "Budget",
            "group": "qualification",
            "points": 9.5,
            "max": 10.0,
            "known": True,
            "detail": "strong",
            "evidence": 4712,
            "as_of": "2026-11-12T10:42:00Z",
        },
        {
            "signal": "timing",
            "label": "Timing",
            "group": "qualification",
            "points": 2.5,
            "max": 7.0,
            "known": False,
            "detail": "unknown",
            "evidence": None,
            "as_of": None,
        },
    ],
    "p_win": {"value": 0.04, "low": None, "high": None, "n": 0, "label": "default map"},
    "icp": "Mid-size manufacturers",
    "runner_up": None,
    "model": {"key": "b2b", "version": 7},
    "scored_at": _SCORED_AT,
}
NEW_PREVIEW: Json = {
    "lead": 4711,
    "ratings": {"timing": 100},
    "engagement": {"hand_raised": 1},
    "fields": {"employees": 240},
}
PREVIEW: Json = {
    **STANDING,
    "before": {
        "state": "scored",
        "score": 10,
        "range": {"low": 7, "high": 15},
        "tier": "cold",
        "scored_at": _SCORED_AT,
    },
    "changes": [{"signal": "timing", "label": "Timing", "before": 0.5, "after": 2.5}],
    "would_lift": [
        {
            "tier": "warm",
            "score": 42,
            "facts": [
                {
                    "kind": "event",
                    "key": "hand_raised",
                    "label": "Asked for contact or a demo",
                    "value": "",
                    "rating": None,
                }
            ],
        }
    ],
    "would_drop": [],
}
NEW_FEEDBACK: Json = {
    "signal": "company_size",
    "verdict": "too_high",
    "reason": "Big ones never buy from us.",
}
FEEDBACK: Json = {
    "id": 18,
    **NEW_FEEDBACK,
    "label": "Company size",
    "points": 7.5,
    "model": {"key": "b2b", "version": 7},
    "author": {"id": 12, "name": "Anna"},
    "at": "2026-11-22T09:10:00Z",
    "answer": None,
}
ME: Json = {
    "id": 12,
    "name": "Anna",
    "email": "anna@works.example",
    "role": "rep",
    "team": {"id": 2, "name": "North"},
    "token": {
        "id": 5,
        "name": "Website forms",
        "read_only": False,
        "expires_at": "2027-02-20T09:00:00Z",
    },
    "workspace": {"name": "Leadqual", "currency": "EUR", "time_zone": "Europe/Berlin"},
}
FRAMEWORKS: Json = {
    "rating_scale": [{"rating": 0, "word": "ruled out"}, {"rating": 100, "word": "strong"}],
    "dimensions": ["budget"],
    "frameworks": [
        {
            "name": "BANT",
            "icp": "b2b",
            "model": {"key": "b2b", "version": 7},
            "criteria": [
                {
                    "dimension": "budget",
                    "label": "Budget",
                    "guide": "Is there money for this, and whose is it?",
                    "expires_days": 180,
                    "questions": [
                        {
                            "key": "budget_status",
                            "text": {"b2b": "Is a budget set aside?"},
                            "type": "choice",
                            "mandatory": True,
                            "answers": [{"key": "approved", "label": "Approved", "rating": 100}],
                        }
                    ],
                }
            ],
        }
    ],
}


def page(item: Json) -> Json:
    """Return a last page that holds `item`."""
    return {"data": [item], "next_cursor": None, "has_more": False}


QUEUE: Json = {
    **page(
        {
            **LEAD,
            "reasons": ["Asked for contact: just now", "Budget: strong"],
            "claim": {
                "by": {"id": 12, "name": "Anna"},
                "since": "2026-11-24T09:31:00Z",
                "until": "2026-11-24T09:53:00Z",
            },
        }
    ),
    "clocks": [],
    "count": 1,
    "count_is_exact": True,
}


def detail() -> list[OpenApiExample]:
    """Return the example of one whole lead."""
    return [OpenApiExample("A lead", DETAIL)]
