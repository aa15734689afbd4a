"""Who may do what, over every URL: the table that tests/test_role_matrix.py holds the product to.

Read it from the top: who there is, whose objects there are, who gets through to which, and then one
row for each URL and method. A method without a row must answer 405; a URL without a row fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Whose lead it is: `own` belongs to the rep `owner`, `team` to `mate` of the same team, `other` to
# `stranger` of another team, `unowned` to nobody in the first team.
OBJECTS = ("own", "team", "other", "unowned", "missing")

# w: reads and changes. r: reads, a change is refused with a reason (403). A dot: not there (404).
# !: the lead is named in the body, and is not there for this person (422).
CHANGES = """
                 own   team  other unowned missing
owner             w     r     .      r       .
mate              r     w     .      r       .
stranger          .     .     w      .       .
manager           w     w     .      w       .
other_manager     .     .     w      .       .
model_owner       r     r     r      r       .
admin             w     w     w      w       .
"""
# Taking a lead for oneself: reps what nobody owns, managers anything of their team.
CLAIMS = """
                 own   team  other unowned missing
owner             r     r     .      w       .
mate              r     r     .      w       .
stranger          .     .     r      .       .
manager           w     w     .      w       .
other_manager     .     .     w      .       .
model_owner       r     r     r      r       .
admin             w     w     w      w       .
"""
# An import shows its file: to whoever made it and to admins. `unowned` came by the command line.
IMPORTS = """
                 own   team  other unowned missing
owner             w     .     .      .       .
mate              .     w     .      .       .
stranger          .     .     w      .       .
manager           .     .     .      .       .
other_manager     .     .     .      .       .
model_owner       r     r     r      r       r
admin             w     w     w      w       .
"""
# Score models belong to all alike, so these say the same of every object but a missing one.
READS_MODELS = """
                 own   team  other unowned missing
owner             w     w     w      w       .
mate              w     w     w      w       .
stranger          w     w     w      w       .
manager           w     w     w      w       .
other_manager     w     w     w      w       .
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
# Drafts of scripts: who may change the configuration. `own` to `unowned` are one draft.
CHANGES_DRAFTS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           r     r     r      r       r
other_manager     r     r     r      r       r
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
# Backtests belong to all alike: who reads the pipeline reads them, who changes models makes them.
READS_BACKTESTS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           w     w     w      w       .
other_manager     w     w     w      w       .
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
BACKTESTS_IMPORTS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           r     r     r      r       r
other_manager     r     r     r      r       r
model_owner       .     .     .      .       .
admin             w     w     w      w       .
"""
MAKES_BACKTESTS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           r     r     r      r       r
other_manager     r     r     r      r       r
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
# Answered feedback, each by the owner of its lead; nobody else knows of it.
OWN_FEEDBACK = """
                 own   team  other unowned missing
owner             w     .     .      .       .
mate              .     w     .      .       .
stranger          .     .     w      .       .
manager           .     .     .      .       .
other_manager     .     .     .      .       .
model_owner       .     .     .      .       .
admin             .     .     .      .       .
"""
READS_PROPOSALS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           w     w     w      w       .
other_manager     w     w     w      w       .
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
# Model owners and admins answer feedback, put alerts away and change models, whoever's lead it is.
ANSWERS = """
                 own   team  other unowned missing
owner             r     r     r      r       r
mate              r     r     r      r       r
stranger          r     r     r      r       r
manager           r     r     r      r       r
other_manager     r     r     r      r       r
model_owner       w     w     w      w       .
admin             w     w     w      w       .
"""
# Without an object: w gets through, r is refused with a reason.
EVERYBODY = "owner w, mate w, stranger w, manager w, other_manager w, model_owner w, admin w"
ADDS_LEADS = "owner w, mate w, stranger w, manager w, other_manager w, model_owner r, admin w"
CONFIGURES = "owner r, mate r, stranger r, manager r, other_manager r, model_owner w, admin w"
CALLS_OWN = "owner w, mate r, stranger !, manager w, other_manager !, model_owner r, admin w"
MAKES_MODELS = "owner r, mate r, stranger r, manager r, other_manager r, model_owner w, admin w"
# Working a queue: whoever owns leads.
WORKS = ADDS_LEADS
SEES_PIPELINE = "owner r, mate r, stranger r, manager w, other_manager w, model_owner w, admin w"

WRITES_MODELS = "owner r, mate r, stranger r, manager r, other_manager r, model_owner w, admin w"

# Nobody: no log-in (302) on pages, 401 in the API, whatever the URL.
NOBODY = ("anonymous", "deactivated", "revoked", "expired")
# The token of `owner`, for reading only: any other method is a 403. Their session without a CSRF
# token: any POST is a 403.
BOUNDED = ("read_only", "no_csrf")


@dataclass(frozen=True)
class Rule:
    """Who gets through (a grid above), what the answer is then, and what is sent.

    `reads` asks for `r` or `w` in the grid, else for `w`. `public` is for everybody.
    """

    who: str = EVERYBODY
    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict)
    reads: bool = False
    public: bool = False


def sees(status: int = 200) -> Rule:
    """Whoever sees the lead."""
    return Rule(CHANGES, status, reads=True)


def changes(status: int, **body: Any) -> Rule:
    """Whoever may change the lead."""
    return Rule(CHANGES, status, body)


PUBLIC = Rule(public=True)
OWN = "the id of the lead `own`"
_MONEY = {"amount_minor": 100, "currency": "EUR"}
_DAY = "2026-12-24"  # replaced by a day in the near future

TABLE: dict[str, dict[str, Rule]] = {
    # --- pages ---------------------------------------------------------------------------------
    "healthz": {"GET": PUBLIC},
    "accounts:edit_shortcuts": {"GET": Rule(), "POST": Rule(status=302, body={"on": "1"})},
    "desk:queue": {"GET": Rule()},
    "desk:today": {"GET": Rule()},
    "desk:work": {"GET": Rule(WORKS)},
    "desk:start_work": {"POST": Rule(WORKS, 302)},
    # Nobody here is working a queue: whoever may is told so.
    "desk:next_lead": {"POST": Rule(WORKS, 409)},
    "desk:stay_on_lead": {"POST": Rule(WORKS, 409)},
    "desk:stop_work": {"POST": Rule(WORKS, 409)},
    "desk:view_lead": {"GET": sees()},
    "desk:change_lead": {"POST": changes(302, version="1", title="CEO")},
    "desk:add_note": {"POST": changes(302, note="Called.")},
    "desk:move_lead": {"POST": changes(302, target="accepted")},
    "desk:record_outcome": {"POST": changes(302, result="won")},
    "desk:assign_lead": {"POST": Rule(CLAIMS, 302, {"owner": "me"})},
    "desk:add_evidence": {"POST": changes(302, dimension="budget", answer="r:67")},
    "desk:record_consent": {"POST": changes(302, channel="call", state="withdrawn")},
    "desk:override_tier": {"POST": changes(302, tier="hot", reason="Met at a fair.", until=_DAY)},
    "desk:what_if": {"GET": sees()},
    "desk:give_feedback": {"POST": changes(302, signal="budget", verdict="too_low")},
    "desk:mark_seen": {"POST": Rule(OWN_FEEDBACK, 302)},
    "desk:add_followup": {
        "POST": changes(302, kind="task", title="Send it.", due_at=f"{_DAY}T10:00")
    },
    "desk:calendar": {"GET": Rule()},
    "desk:book_call": {
        "POST": changes(302, title="Demo", at=f"{_DAY}T10:00", minutes="30", anyway="on")
    },
    "desk:reschedule_call": {"POST": changes(302, at=f"{_DAY}T10:00", anyway="on")},
    "desk:cancel_call": {"POST": changes(302)},
    "desk:mark_no_show": {"POST": changes(302)},
    "desk:download_invitation": {"GET": sees()},
    "desk:complete_followup": {"POST": changes(302)},
    "desk:skip_followup": {"POST": changes(302, reason="Not needed.")},
    "desk:snooze_followup": {"POST": changes(302, until="hour")},
    # An open step cannot be reopened: whoever may change the lead is told that.
    "desk:reopen_followup": {"POST": changes(403)},
    "pipeline:show_pipeline": {"GET": Rule(SEES_PIPELINE)},
    "pipeline:show_criteria": {"GET": Rule(SEES_PIPELINE)},
    "pipeline:show_thresholds": {"GET": Rule(SEES_PIPELINE)},
    "pipeline:set_control": {"POST": Rule(WRITES_MODELS, 302, {"share": "5", "seed": "1"})},
    "pipeline:draft_marks": {
        "POST": Rule(WRITES_MODELS, 302, {"model": "b2b", "hot": "65", "warm": "40"})
    },
    "pipeline:list_feedback": {"GET": Rule(SEES_PIPELINE)},
    # It is answered already: whoever may answer is told so.
    "pipeline:answer_feedback": {"POST": Rule(ANSWERS, 422, {"answer": "No."})},
    "pipeline:dismiss_alert": {"POST": Rule(ANSWERS, 302, {"reason": "It was the fair."})},
    "intake:list_imports": {"GET": Rule(ADDS_LEADS)},
    # Nothing is uploaded: whoever may import is told so.
    "intake:upload_file": {"POST": Rule(ADDS_LEADS, 422)},
    "intake:view_import": {"GET": Rule(IMPORTS)},
    "intake:check_import": {"POST": Rule(IMPORTS, 302)},
    # Not checked yet, so it cannot be run.
    "intake:run_import": {"POST": Rule(IMPORTS, 409)},
    "intake:stop_import": {"POST": Rule(IMPORTS, 302)},
    # Nothing was written yet, so there is nothing to undo: whoever sees it is told that.
    "intake:undo_import": {"POST": Rule(IMPORTS, 403)},
    "intake:show_progress": {"GET": Rule(IMPORTS)},
    "intake:download_rejected": {"GET": Rule(IMPORTS)},
    "intake:backtest_import": {"POST": Rule(BACKTESTS_IMPORTS, 302)},
    "intake:list_backtests": {"GET": Rule(SEES_PIPELINE)},
    # Nothing is uploaded: whoever may test is told so.
    "intake:upload_history": {"POST": Rule(MAKES_MODELS, 422)},
    "intake:view_backtest": {"GET": Rule(READS_BACKTESTS)},
    # Neither an outcome nor a profile is chosen.
    "intake:start_backtest": {"POST": Rule(MAKES_BACKTESTS, 422)},
    "intake:take_model": {"POST": Rule(MAKES_BACKTESTS, 422)},
    # It has not begun, so there is nothing to wait for.
    "intake:show_backtest_progress": {"GET": Rule(READS_BACKTESTS)},
    "calls:list_all_calls": {"GET": Rule()},
    "calls:list_calls": {"GET": sees()},
    "calls:start_call": {"POST": changes(302)},
    "calls:run_call": {"GET": sees()},
    "calls:show_progress": {"GET": sees()},
    "calls:be_present": {"POST": changes(200, tab="a")},
    "calls:save_answer": {
        "POST": changes(302, question="budget_funding", answer="-", client_key="a")
    },
    "calls:capture": {"POST": changes(302, kind="concern", text="The price.", client_key="b")},
    "calls:save_notes": {"POST": changes(302, notes="Hello.", version="0")},
    "calls:note_recording": {"POST": changes(302, recording="agreed")},
    "calls:finish_call": {"POST": changes(302, outcome="no_answer")},
    "calls:show_agreement": {"GET": Rule(SEES_PIPELINE)},
    # The call goes on: whoever sees it is told that.
    "calls:rate_call": {"GET": sees(403), "POST": sees(403)},
    "calls:ask_for_rating": {"POST": sees(403)},
    "scoring:list_models": {"GET": Rule()},
    "scoring:view_version": {"GET": Rule(READS_MODELS)},
    "scoring:make_draft": {"POST": Rule(ANSWERS, 302)},
    # The version is live: whoever may edit, propose or roll back drafts is told that.
    "scoring:edit_draft": {
        "GET": Rule(ANSWERS, 409),
        "POST": Rule(ANSWERS, 409),
    },
    "scoring:delete_draft": {"POST": Rule(ANSWERS, 409)},
    "scoring:propose_draft": {"POST": Rule(ANSWERS, 409)},
    "scoring:roll_back": {"POST": Rule(ANSWERS, 409)},
    "scoring:show_preview": {"GET": Rule(READS_PROPOSALS, 409)},
    "scoring:start_preview": {"POST": Rule(ANSWERS, 302)},
    "scoring:list_proposals": {"GET": Rule(SEES_PIPELINE)},
    "scoring:start_learning": {"POST": Rule(MAKES_MODELS, 302)},
    "scoring:view_proposal": {"GET": Rule(READS_PROPOSALS)},
    # It is a note without a version: whoever may decide is told that there is nothing to decide.
    "scoring:approve_proposal": {"POST": Rule(ANSWERS, 409)},
    "scoring:shadow_proposal": {"POST": Rule(ANSWERS, 409, {"days": "7"})},
    "scoring:show_shadow": {"GET": Rule(READS_PROPOSALS, 409)},
    "scoring:request_changes": {"POST": Rule(ANSWERS, 409, {"note": "Other points."})},
    "scoring:dismiss_proposal": {"POST": Rule(ANSWERS, 409)},
    # Nothing of it gives the outcome away.
    "scoring:trust_line": {"POST": Rule(ANSWERS, 422, {"subject": "none", "reason": "Seen."})},
    "scoring:distrust_line": {"POST": Rule(ANSWERS, 302, {"subject": "none"})},
    "scoring:start_suggesting": {"POST": Rule(MAKES_MODELS, 302, {"key": "b2b"})},
    "scoring:view_suggestion": {"GET": Rule(READS_PROPOSALS)},
    # Nothing was found yet.
    "scoring:take_signals": {"POST": Rule(ANSWERS, 409, {"use": "a"})},
    "scoring:trust_field": {"POST": Rule(ANSWERS, 422, {"subject": "none", "reason": "Seen."})},
    "scoring:distrust_field": {"POST": Rule(ANSWERS, 302, {"subject": "none"})},
    "scoring:show_job": {"GET": Rule(READS_PROPOSALS)},
    "scoring:list_frameworks": {"GET": Rule()},
    "scoring:start_framework": {
        "GET": Rule(CONFIGURES),
        "POST": Rule(CONFIGURES, 302, {"name": "Ours", "start": "template:meddic"}),
    },
    "scoring:view_framework": {"GET": Rule(READS_MODELS)},
    "scoring:preview_framework": {"GET": Rule(READS_MODELS)},
    "scoring:open_draft": {"POST": Rule(CHANGES_DRAFTS, 302)},
    "scoring:edit_question": {
        "GET": Rule(CHANGES_DRAFTS),
        # Nothing is filled in: whoever may edit is told so.
        "POST": Rule(CHANGES_DRAFTS, 422),
    },
    "scoring:edit_criterion": {"GET": Rule(CHANGES_DRAFTS), "POST": Rule(CHANGES_DRAFTS, 422)},
    "scoring:arrange_framework": {
        "POST": Rule(CHANGES_DRAFTS, 302, {"part": "criteria", "key": "need", "act": "up"})
    },
    "scoring:publish_framework": {"POST": Rule(CHANGES_DRAFTS, 302)},
    "scoring:discard_framework": {"POST": Rule(CHANGES_DRAFTS, 302)},
    "scoring:switch_framework": {
        "GET": Rule(CHANGES_DRAFTS),
        "POST": Rule(CHANGES_DRAFTS, 302, {"model": "b2b"}),
    },
    # --- API -----------------------------------------------------------------------------------
    "api:openapi": {"GET": PUBLIC},
    "api:me": {"GET": Rule()},
    "api:frameworks": {"GET": Rule()},
    "api:queue": {"GET": Rule()},
    "api:leads": {
        "GET": Rule(),
        "POST": Rule(ADDS_LEADS, 201, {"email": "new@works.example"}),
    },
    "api:lead": {"GET": sees(), "PATCH": changes(200, title="CEO")},
    "api:standing": {"GET": sees()},
    "api:evidence": {"GET": sees(), "POST": changes(201, dimension="budget", rating=67)},
    "api:outcomes": {"GET": sees(), "POST": changes(201, result="won", value=_MONEY)},
    "api:consents": {"GET": sees(), "POST": changes(201, channel="call", state="withdrawn")},
    "api:activities": {"GET": sees(), "POST": changes(201, kind="page_viewed")},
    "api:score_preview": {"POST": Rule(status=200, body={"ratings": {"budget": 67}})},
    "api:feedback": {
        "GET": sees(),
        "POST": changes(201, signal="budget", verdict="too_low"),
    },
    "api:bookings": {
        "GET": sees(),
        "POST": changes(201, title="Demo", at=f"{_DAY}T10:00:00Z", anyway=True),
    },
    "api:booking": {"GET": sees(), "PATCH": changes(200, state="cancelled")},
    "api:scripts": {"GET": Rule()},
    "api:next_questions": {"GET": sees()},
    # Its call is open already, so that is the one.
    "api:calls": {"GET": Rule(), "POST": Rule(CALLS_OWN, 200, {"lead": OWN})},
    "api:call": {"GET": sees(), "PATCH": changes(200, notes="Hello.", notes_version=0)},
    "api:call_answers": {"POST": changes(201, kind="concern", quote="The price.")},
    "api:call_finish": {"POST": changes(200, outcome="no_answer")},
}

# Whole trees of other packages. Django's admin site lets admins in and sends everybody else to its
# log-in; allauth has public pages (log-in, reset) and some for whoever is logged in.
PREFIXES = ("admin/", "accounts/")
# Answers 404 to everybody, whatever the method.
NOWHERE = ("api:missing",)
