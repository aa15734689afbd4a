"""The whole read of the lead page: facts, timeline, score panel, and what may be done now."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import User, Workspace
from accounts.roles import Role
from calls.claims import claims_on
from calls.models import Call, Claim
from calls.policies import can_take_over
from calls.selectors import open_call_with
from core import cursors
from core.clock import now
from core.cursors import Order
from core.decisions import ALLOWED, Decision
from core.errors import BadParameter, FieldProblem
from desk import timeline
from desk.selectors import get_lead
from followups.selectors import LeadPlan, plan_of
from leads import policies
from leads.consent import Channel
from leads.models import Activity, Consent, CustomField, Identity, Lead, Outcome, Stage
from leads.selectors import consents_of, refused_contact
from leads.stages import Move, moves_from
from scoring.assess import DISQUALIFIED, GATE, OVERRIDE
from scoring.definitions import GROUPS, Criterion, Model, Question
from scoring.describing import GROUP_LABELS
from scoring.feedback import open_feedback, unread_answers
from scoring.live import LiveConfig, LiveModel, NotConfigured, live_config
from scoring.models import Evidence, Feedback, ScoreChange, Standing
from scoring.selectors import Asking, Explanation, LedgerLine, evidence_of
from scoring.whatif import Outlook, examine

TIMELINE_PAGE = 25
MOST_MOVES = 200  # score changes read for one page of the timeline
MOST_PEOPLE = 200
MARKED = 5  # points that a line must be worth for its lack to be worth a word
FOLDED = 3  # lines that do not hold, from which they are folded away
_NEWEST_FIRST = Order(("at", "id"), descending=True)


@dataclass(frozen=True)
class LedgerEntry:
    """A ledger line with the evidence behind it, if an answer is."""

    line: LedgerLine
    evidence: Evidence | None


@dataclass(frozen=True)
class LedgerGroup:
    """The lines of one group; `tenths` is their sum, `share` the group on 0–100.

    `silent` give nothing: kinds of engagement that have not happened, and lines for other values
    of a field that has several. They are named together, the others stand in `entries`.
    """

    key: str
    label: str
    share: int
    tenths: int
    entries: list[LedgerEntry]
    silent: list[LedgerLine]

    @property
    def points(self) -> float:
        """Points with one decimal."""
        return self.tenths / 10


@dataclass(frozen=True)
class Ask:
    """A criterion that the rep may ask about, with its questions and the present answer."""

    criterion: Criterion
    questions: list[Question]
    current: Evidence | None
    could_add: float


@dataclass(frozen=True)
class ScorePanel:
    """Why the lead scores what it does. `as_of` is now, for closed leads when they were scored.

    `standing` is what lists show; `stale` says that it is about to be rescored. `headline` and
    `tier_note` are sentences; of an open lead, `outlook` says what would lift and drop it, and
    `asking` what to ask it next. `judged` are the lines that feedback can be given on: those of
    signals.
    """

    explanation: Explanation
    groups: list[LedgerGroup]
    headline: str
    tier_note: str
    outlook: Outlook | None
    asking: Asking | None
    stale: bool
    asks: list[Ask]
    model_name: str
    judged: list[LedgerLine]

    @property
    def first_ask(self) -> str:
        """The dimension to ask about first: that of the best next question, else the unknown that
        could add most, else the first.
        """
        if self.asking is not None and self.asking.questions:
            return self.asking.questions[0].dimension
        unknown = [ask for ask in self.asks if ask.current is None]
        best = max(unknown, key=lambda ask: ask.could_add, default=None)
        found = best or (self.asks[0] if self.asks else None)
        return found.criterion.dimension if found else ""


@dataclass(frozen=True)
class Timeline:
    """A page of the timeline, newest first; `older` is the cursor of the next page."""

    entries: list[timeline.Entry]
    chosen: str
    older: str | None


@dataclass(frozen=True)
class MoveChoice:
    """A stage that the lead could go to, and whether it may now."""

    move: Move
    label: str
    decision: Decision


@dataclass(frozen=True)
class LeadPage:
    """All that the lead page shows; `currency` is the workspace's, of expected values.

    `feedback` holds the viewer's open verdicts by signal, `answers` those answered and not seen.
    `held` is the claim of somebody else who is on the lead, `open_call` the call that is going on.
    """

    lead: Lead
    standing: Standing
    stage_label: str
    panel: ScorePanel | None
    plan: LeadPlan
    timeline: Timeline
    identities: list[Identity]
    custom: list[tuple[str, Any]]
    custom_fields: list[CustomField]
    outcomes: list[Outcome]
    moves: list[MoveChoice]
    consents: list[Consent]
    may_call: Decision
    may_mail: Decision
    may_change: Decision
    may_claim: Decision
    may_assign: Decision
    may_close: Decision
    people: list[User]
    currency: str
    as_of: dt.datetime
    feedback: dict[str, Feedback]
    answers: list[Feedback]
    held: Claim | None
    open_call: Call | None
    may_take_over: Decision

    @property
    def closed(self) -> bool:
        """True for won, lost and disqualified leads."""
        return policies.is_closed(self.lead.stage)

    @property
    def read_only(self) -> bool:
        """True when the viewer may not change the lead."""
        return not self.may_change

    @property
    def moves_back(self) -> list[MoveChoice]:
        """The allowed moves that need a reason."""
        return [choice for choice in self.moves if choice.move.back and choice.decision]


def read_lead_page(viewer: User, lead_id: int, *, show: str = "all", older: str = "") -> LeadPage:
    """Return the lead page; raise NotFound for a lead that is missing or not the viewer's to see.

    `show` is a key of desk.timeline.FILTERS and `older` a cursor of the timeline.
    """
    moment = now()
    lead = get_lead(viewer, lead_id)
    fields = list(CustomField.objects.all())
    labels = dict(Stage.objects.values_list("key", "label"))
    config = _config()
    live = config.by_id(lead.standing.model_version_id) if config else None
    panel = _panel(lead, config, live, moment) if config else None
    may_assign = policies.can_assign_lead(viewer, lead)
    refused = refused_contact([lead_id]).get(lead_id, {})
    gates_met = panel is None or panel.explanation.gates_met
    held = claims_on([lead_id]).get(lead_id)
    return LeadPage(
        lead=lead,
        standing=lead.standing,
        stage_label=labels.get(lead.stage, lead.stage),
        panel=panel,
        plan=plan_of(viewer, lead),
        timeline=_timeline(lead, labels, _dimensions(config), show, older),
        identities=list(Identity.objects.filter(lead=lead).order_by("kind", "normal")),
        custom=_custom(lead, fields),
        custom_fields=fields,
        outcomes=list(lead.outcomes.order_by("-round")),
        moves=_moves(viewer, lead, labels, gates_met),
        consents=consents_of(lead),
        may_call=refused.get(Channel.CALL, ALLOWED),
        may_mail=refused.get(Channel.EMAIL, ALLOWED),
        may_change=policies.can_change_lead(viewer, lead),
        may_claim=policies.can_claim_lead(viewer, lead),
        may_assign=may_assign,
        may_close=policies.can_record_outcome(viewer, lead),
        people=assignable(viewer) if may_assign else [],
        currency=Workspace.current().currency,
        as_of=moment,
        feedback=open_feedback(lead.pk, viewer),
        answers=list(unread_answers(viewer, lead.pk)),
        held=held if held is not None and held.rep_id != viewer.pk else None,
        open_call=open_call_with(lead_id),
        may_take_over=can_take_over(viewer, lead),
    )


def assignable(viewer: User) -> list[User]:
    """Return the people to whom a viewer who may assign can give a lead."""
    people = User.objects.filter(is_active=True).exclude(role=Role.MODEL_OWNER)
    if viewer.role != Role.ADMIN:
        people = people.filter(Q(team_id=viewer.team_id, team_id__isnull=False) | Q(pk=viewer.pk))
    return list(people.order_by("name", "id")[:MOST_PEOPLE])


def _config() -> LiveConfig | None:
    try:
        return live_config()
    except NotConfigured:
        return None


def _dimensions(config: LiveConfig | None) -> dict[str, str]:
    """Return labels of dimensions, as the first live framework that has them calls them."""
    found: dict[str, str] = {}
    for live in config.everything if config else ():
        for criterion in live.framework.criteria:
            found.setdefault(criterion.dimension, criterion.label)
    return found


def _custom(lead: Lead, fields: Sequence[CustomField]) -> list[tuple[str, Any]]:
    return [(field.label, lead.custom[field.key]) for field in fields if field.key in lead.custom]


def _moves(
    viewer: User, lead: Lead, labels: Mapping[str, str], gates_met: bool
) -> list[MoveChoice]:
    """Return where the lead can go by the table; outcomes have their own form."""
    return [
        MoveChoice(
            move,
            labels.get(move.target, move.target),
            # The reason is asked for in the form, so it does not decide what is offered.
            policies.can_move_lead(viewer, lead, move.target, gates_met=gates_met, reason="given"),
        )
        for move in moves_from(lead.stage)
        if not move.outcome
    ]


def _panel(
    lead: Lead, config: LiveConfig, live: LiveModel | None, moment: dt.datetime
) -> ScorePanel | None:
    standing = lead.standing
    closed = policies.is_closed(lead.stage)
    as_of = standing.scored_at if closed and standing.scored_at else moment
    examined = examine(lead, config, as_of)
    if examined is None:
        return None
    explanation = examined.explanation
    used = next((m for m in config.everything if m.key == explanation.model_key), config.fallback)
    answers = evidence_of(lead.pk)
    by_id = {evidence.pk: evidence for evidence in answers}
    several = _of_several(used.model)
    groups = _groups(explanation, by_id, several)
    signals = {signal.key for signal in used.model.signals}
    return ScorePanel(
        explanation=explanation,
        groups=groups,
        headline=_headline(explanation, several),
        tier_note=_tier_note(explanation, standing, used),
        outlook=None if closed else examined.outlook,
        asking=None if closed else examined.asking,
        stale=not closed and (standing.stale_at is not None or standing.score != explanation.score),
        asks=_asks(lead, used, answers, explanation),
        model_name=used.model.name,
        judged=[line for line in explanation.lines if line.signal in signals],
    )


def _of_several(model: Model) -> set[str]:
    """Return the lines that hold for some leads and give nothing to the others: those of fields
    that have several lines, and those that say for themselves which values count.
    """
    lines = [(s.key, s.attribute, s.values) for s in model.signals if s.attribute is not None]
    counted = Counter(attribute for _, attribute, _ in lines)
    return {key for key, attribute, values in lines if values or counted[attribute] > 1}


def _groups(
    explanation: Explanation, by_id: Mapping[int, Evidence], several: Collection[str]
) -> list[LedgerGroup]:
    """Sort the ledger's lines into groups; what belongs to none (base, clamps) comes last."""
    found = []
    for key in (*GROUPS, ""):
        lines = [line for line in explanation.lines if line.group == key]
        if not lines:
            continue
        silent = [
            line
            for line in lines
            if line.known and line.tenths == 0 and (key == "engagement" or line.signal in several)
        ]
        if key != "engagement" and len(silent) < FOLDED:
            silent = []
        found.append(
            LedgerGroup(
                key=key,
                label=GROUP_LABELS.get(key, "Whole score"),
                share=explanation.groups.get(key, 0),
                tenths=sum(line.tenths for line in lines),
                entries=[
                    LedgerEntry(line, by_id.get(line.evidence_id or 0))
                    for line in lines
                    if line not in silent
                ],
                silent=silent,
            )
        )
    return found


def _headline(explanation: Explanation, several: Collection[str]) -> str:
    """Say in a sentence or two what speaks for the lead and what holds it back: what takes points
    away, and what gives few of the many that it could, unless another line of its field counts.
    """
    strong = sorted(
        (line for line in explanation.lines if line.known and line.max and line.tenths > 0),
        key=lambda line: -line.tenths,
    )
    lines = [v for v in explanation.lines if v.known and v.group != "engagement" and v.max]
    taking = sorted((v for v in lines if v.tenths < 0), key=lambda line: line.tenths)
    weak = taking + [
        line
        for line in lines
        if line.signal not in several
        and line.max is not None
        and line.max >= MARKED
        and 0 <= line.tenths * 3 <= line.max * 10
    ]
    unknown = [line for line in explanation.unknowns if line.high > line.low]
    parts = []
    if strong:
        parts.append(f"For it: {_joined([_told(line) for line in strong[:3]])}.")
    if weak:
        parts.append(f"Against it: {_joined([_told(line) for line in weak[:2]])}.")
    if unknown:
        parts.append(f"Not known: {_joined([_lowered(line.label) for line in unknown[:3]])}.")
    return " ".join(parts) or "Nothing is known that speaks for or against it."


def _told(line: LedgerLine) -> str:
    label = _lowered(line.label)
    return label if line.says_all else f"{label} ({line.detail})"  # it may begin with a name


def _lowered(text: str) -> str:
    """Lower a label's first letter inside a sentence, unless it is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _tier_note(explanation: Explanation, standing: Standing, live: LiveModel) -> str:
    """Say why the tier is not simply the score's, "" when it is."""
    reason = explanation.tier_reason
    if reason.startswith(GATE):
        criterion = live.framework.criterion(reason.removeprefix(GATE))
        label = criterion.label if criterion else reason.removeprefix(GATE)
        return f"Held at warm: {label} is known to be below what is required."
    if reason.startswith(DISQUALIFIED):
        key = reason.removeprefix(DISQUALIFIED)
        rules = {rule.key: rule.reason for rule in live.model.disqualifiers}
        return f"Disqualified: {rules.get(key, key)}."
    if reason == OVERRIDE and standing.override_tier:
        who = f" by {standing.override_by}" if standing.override_by else ""
        return f"Set by hand{who}: {standing.override_reason}"
    return ""


def _asks(
    lead: Lead, live: LiveModel, answers: Sequence[Evidence], explanation: Explanation
) -> list[Ask]:
    current = {evidence.dimension: evidence for evidence in answers if evidence.current}
    could_add = {
        signal.dimension: max(0.0, line.high - line.points)
        for signal in live.model.signals
        for line in explanation.unknowns
        if signal.key == line.signal and signal.dimension
    }
    return [
        Ask(
            criterion=criterion,
            questions=[
                question
                for question in live.framework.asked
                if question.dimension == criterion.dimension and question.answers
            ],
            current=current.get(criterion.dimension),
            could_add=could_add.get(criterion.dimension, 0.0),
        )
        for criterion in live.framework.criteria
    ]


def _timeline(
    lead: Lead,
    stages: Mapping[str, str],
    dimensions: Mapping[str, str],
    show: str,
    older: str,
) -> Timeline:
    chosen = next((choice for choice in timeline.FILTERS if choice.key == show), None)
    if chosen is None:
        keys = ", ".join(choice.key for choice in timeline.FILTERS)
        message = f"show is one of {keys}"
        raise BadParameter(message, [FieldProblem("show", "not_a_choice", message)])
    bound = cursors.scope("timeline", str(lead.pk), show)
    activities = Activity.objects.filter(lead=lead).select_related("actor")
    if chosen.kinds:
        activities = activities.filter(kind__in=chosen.kinds)
    before: dt.datetime | None = None
    if older:
        at, activity_id = cursors.decode(older, bound, _NEWEST_FIRST)
        before = dt.datetime.fromisoformat(at)
        activities = activities.filter(_NEWEST_FIRST.after((before, activity_id)))
    found = list(activities.order_by("-at", "-id")[: TIMELINE_PAGE + 1])
    more, found = len(found) > TIMELINE_PAGE, found[:TIMELINE_PAGE]
    names = timeline.Names(_people_in(found), stages, dimensions)
    happenings = [
        timeline.Happening(
            a.pk, a.kind, a.at, a.recorded_at, str(a.actor) if a.actor else "", a.data
        )
        for a in found
    ]
    moves = _score_moves(lead, before, found[-1].at if more else None)
    entries = timeline.entries(happenings, moves, names)
    if chosen.kinds:
        entries = [entry for entry in entries if entry.id is not None]
    cursor = None
    if more:
        cursor = cursors.encode([found[-1].at.isoformat(), found[-1].pk], bound)
    return Timeline(entries, show, cursor)


def _people_in(activities: Sequence[Activity]) -> dict[int, str]:
    """Return the names of the people whom changes of owner mention; no query without any."""
    ids = {
        person
        for activity in activities
        for person in (activity.data.get("from"), activity.data.get("to"))
        if isinstance(person, int)
    }
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def _score_moves(
    lead: Lead, before: dt.datetime | None, after: dt.datetime | None
) -> list[timeline.Move]:
    """Return the moves of the score in the stretch of time that a page of the timeline shows."""
    changes = ScoreChange.objects.filter(lead=lead)
    if before is not None:
        changes = changes.filter(at__lt=before)
    if after is not None:
        changes = changes.filter(at__gte=after)
    return [
        timeline.Move(c.at, c.from_score, c.to_score, c.from_tier, c.to_tier, c.cause)
        for c in changes.order_by("-at", "-id")[:MOST_MOVES]
    ]
