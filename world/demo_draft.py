"""A draft of the demo that waits for a model owner: points set by hand, measured on past leads."""

from accounts.models import User
from accounts.roles import Role
from scoring.drafting import content_tag, make_draft, save_draft
from scoring.hand_made import propose_version
from scoring.models import ModelVersion

KEY = "b2b"
# Nearer to why the leads of the world buy (world.truth), as somebody would guess it from calls.
POINTS = {
    "company_size": 14,
    "industry": 14,
    "region": 4,
    "seniority": 16,
    "own_domain": 2,
    "webinar": 20,
    "email_click": 6,
    "call_connected": 6,
    "budget": 11,
    "authority": 12,
    "need": 6,
}
MOST_FIT = 50
NOTE = "Who they are says more than our points do, and clicks say less."


def propose_draft(reps: list[User]) -> None:
    """Let an admin change what the B2B model counts, and put it up for review; nothing where the
    configuration has no such model.
    """
    author = User.objects.filter(is_demo=True, role=Role.ADMIN).order_by("pk").first()
    live = ModelVersion.objects.filter(key=KEY, state=ModelVersion.State.LIVE).first()
    if author is None or live is None:
        return
    draft = make_draft(live, by=author)
    definition = {
        **draft.definition,
        "groups": {
            **draft.definition["groups"],
            "fit": {**draft.definition["groups"]["fit"], "cap": MOST_FIT},
        },
        "signals": [
            {**signal, "points": POINTS.get(signal["key"], signal["points"])}
            for signal in draft.definition["signals"]
        ],
    }
    draft = save_draft(draft, definition, by=author, read=content_tag(draft))
    propose_version(draft, by=author, note=NOTE)
