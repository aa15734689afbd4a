"""Kinds of activity: everything that can happen to a lead. Pure."""

from django.db import models


class Kind(models.TextChoices):
    """What happened. The value is stored, shown by its label, and never renamed."""

    # how it came here and what people did with it
    CREATED = "created", "Created"
    IMPORTED = "imported", "Imported"
    CHANGED = "changed", "Facts changed"
    NOTE = "note", "Note"
    ASSIGNED = "assigned", "Owner changed"
    STAGE_MOVED = "stage_moved", "Stage moved"
    EVIDENCE_ADDED = "evidence_added", "Evidence added"
    ASKED_UNKNOWN = "asked_unknown", "Asked, not known"
    OUTCOME_RECORDED = "outcome_recorded", "Outcome recorded"
    TIER_CHANGED = "tier_changed", "Tier changed"
    TIER_OVERRIDDEN = "tier_overridden", "Tier set by hand"
    CONTROL_JOINED = "control_joined", "Joined the control group"
    FOLLOWUP_DONE = "followup_done", "Follow-up done"
    FOLLOWUP_SKIPPED = "followup_skipped", "Follow-up skipped"
    CONSENT_GRANTED = "consent_granted", "Agreed to be contacted"
    CONSENT_WITHDRAWN = "consent_withdrawn", "Asked not to be contacted"
    # two-way contact
    CALL_ATTEMPTED = "call_attempted", "Call attempted"
    CALL_CONNECTED = "call_connected", "Call connected"
    MEETING_BOOKED = "meeting_booked", "Meeting booked"
    MEETING_HELD = "meeting_held", "Meeting held"
    EMAIL_SENT = "email_sent", "E-mail sent"
    EMAIL_REPLIED = "email_replied", "E-mail replied to"
    # interest
    HAND_RAISED = "hand_raised", "Asked for contact or a demo"
    FORM_SUBMITTED = "form_submitted", "Form submitted"
    WEBINAR_ATTENDED = "webinar_attended", "Webinar attended"
    PRICING_VIEWED = "pricing_viewed", "Pricing page viewed"
    PAGE_VIEWED = "page_viewed", "Page viewed"
    EMAIL_OPENED = "email_opened", "E-mail opened"
    EMAIL_CLICKED = "email_clicked", "E-mail link clicked"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"


# A rep has spoken with or written to the lead: "contacted" is true from here on.
CONTACT = frozenset(
    {Kind.CALL_CONNECTED, Kind.MEETING_BOOKED, Kind.MEETING_HELD, Kind.EMAIL_REPLIED}
)
# What a client may record over the API or a rep by hand; the rest is written by services.
RECORDABLE = tuple(
    kind
    for kind in Kind
    if kind in CONTACT
    or kind
    in (
        Kind.CALL_ATTEMPTED,
        Kind.EMAIL_SENT,
        Kind.HAND_RAISED,
        Kind.FORM_SUBMITTED,
        Kind.WEBINAR_ATTENDED,
        Kind.PRICING_VIEWED,
        Kind.PAGE_VIEWED,
        Kind.EMAIL_OPENED,
        Kind.EMAIL_CLICKED,
        Kind.UNSUBSCRIBED,
    )
)
