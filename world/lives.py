"""Draws what happens to the leads of a chunk: visits, contacts, answers, ends, stages. Pure."""

import numpy as np

from leads.activities import Kind
from leads.stages import StageKey
from scoring.features import DAY
from world.chunk import Answers, Bools, Ends, Floats, Happenings, Ints, Leads, Setting
from world.drawing import Rng, draw, office, sigmoid
from world.lists import (
    AGAIN_DAYS,
    EVIDENCE_SOURCES,
    KINDS,
    NOTHING,
    RATINGS,
    RESULTS,
    SENIORITIES,
    SOURCES,
    STAGES,
    VISITS,
)

_WON, _LOST, _DISQUALIFIED = (RESULTS.index(r) for r in ("won", "lost", "disqualified"))


def draw_closing(rng: Rng, setting: Setting, leads: Leads) -> Floats:
    """Draw when leads are decided and set `end` and `closed`; return the times."""
    median = np.where(leads.b2b, 34.0, 12.0)
    days = 1.0 + median * np.exp(0.75 * rng.standard_normal(leads.n))
    at = office(rng, leads.created + days * DAY)
    leads.closed = (rng.random(leads.n) < setting.closes) & (at < setting.now)
    leads.end = np.where(leads.closed, at, setting.now)
    return at


def draw_visits(rng: Rng, leads: Leads, interest: Floats) -> Happenings:
    """Draw what leads of tracked sources do by themselves."""
    tracked = np.array([s.tracked for s in SOURCES])[leads.source]
    count = rng.poisson(np.where(tracked, np.exp(0.25 + 0.6 * interest), 0.0))
    who = np.repeat(np.arange(leads.n), np.minimum(count, 40))
    chosen = draw(rng, [share for _, share in VISITS], len(who))
    kind = np.array([KINDS.index(kind) for kind, _ in VISITS])[chosen]
    # Interest is greatest in the beginning; some open leads come back these days.
    at = _spread(leads, who, rng.beta(0.7, 1.7, len(who)))
    recent = leads.end[who] - 10.0 * DAY * rng.random(len(who))
    back = (rng.random(len(who)) < 0.12) & ~leads.closed[who] & (recent > leads.created[who])
    at = np.where(back, recent, at)
    raised = np.flatnonzero(tracked & (rng.random(leads.n) < sigmoid(-2.5 + 0.9 * interest)))
    raised_at = _spread(
        leads, raised, np.where(rng.random(len(raised)) < 0.5, 0.0, rng.random(len(raised)))
    )
    gone = np.flatnonzero(tracked & (rng.random(leads.n) < 0.02))
    gone_at = _spread(leads, gone, rng.random(len(gone)))
    return Happenings.joined(
        [
            _by_lead(rng, who, kind, at),
            _by_lead(rng, raised, kind_codes(Kind.HAND_RAISED, raised), raised_at),
            _by_lead(rng, gone, kind_codes(Kind.UNSUBSCRIBED, gone), gone_at),
        ]
    )


def _spread(leads: Leads, who: Ints, share: Floats) -> Floats:
    """Return times at a share of each lead's life, in whole seconds, within it."""
    start, life = leads.created[who] + 40.0, leads.end[who] - leads.created[who] - 80.0
    return np.minimum(np.floor(start + np.maximum(life, 0.0) * share), leads.end[who])


def _by_lead(rng: Rng, who: Ints, kind: Ints, at: Floats) -> Happenings:
    a = rng.integers(0, 1_000, len(who))
    return Happenings(who, kind, at, a, np.zeros_like(a), np.zeros(len(who), dtype=bool))


def kind_codes(kind: Kind, like: Ints) -> Ints:
    return np.full(len(like), KINDS.index(kind))


def draw_contacts(rng: Rng, leads: Leads, interest: Floats) -> Happenings:
    """Draw the reps' calls, mails and meetings and what came of them; set `contacted`."""
    n = leads.n
    worked = rng.random(n) < 0.72
    first_try = office(rng, leads.created + DAY * rng.exponential(2.5, n) + 1_800.0)
    parts = []

    def note(kind: Kind, happened: Bools, at: Floats, by_rep: bool = True) -> Bools:
        """Keep what happens before the lead's end; return for whom it did."""
        happened = happened & (at < leads.end)
        who = np.flatnonzero(happened)
        part = _by_lead(rng, who, kind_codes(kind, who), at[who])
        part.by_rep[:] = by_rep
        parts.append(part)
        return happened

    tries = rng.geometric(0.6, n)
    missed = note(Kind.CALL_ATTEMPTED, worked & (tries > 1), first_try)
    second_try = office(rng, first_try + DAY * rng.uniform(0.2, 4.0, n))
    reached_at = np.where(missed, second_try, first_try)
    reached = note(Kind.CALL_CONNECTED, worked & (rng.random(n) < 0.62), reached_at)
    note(Kind.NOTE, reached & (rng.random(n) < 0.2), reached_at + 420.0)
    wrote_at = office(rng, first_try + 2.0 * DAY * rng.random(n) + 900.0)
    wrote = note(Kind.EMAIL_SENT, worked & (rng.random(n) < 0.3), wrote_at)
    answer_at = wrote_at + DAY * rng.exponential(1.2, n)
    replies = rng.random(n) < sigmoid(-1.0 + 0.8 * interest)
    replied = note(Kind.EMAIL_REPLIED, wrote & replies, answer_at, by_rep=False)
    met_at = office(rng, reached_at + DAY * rng.uniform(2.0, 9.0, n))
    booked = reached & (rng.random(n) < sigmoid(-1.2 + 0.8 * interest))
    booked = note(Kind.MEETING_BOOKED, booked, reached_at + 600.0)
    note(Kind.MEETING_HELD, booked & (rng.random(n) < 0.85), met_at)
    leads.contacted = np.fmin(
        np.where(reached, reached_at, np.nan), np.where(replied, answer_at, np.nan)
    )
    return Happenings.joined(parts)


def draw_answers(
    rng: Rng,
    setting: Setting,
    leads: Leads,
    latent: dict[str, Ints],
    contacts: Happenings,
    visits: Happenings,
) -> Answers:
    """Draw what was asked and answered: in calls, some in forms, a few a second time."""
    call_at = _first(contacts, Kind.CALL_CONNECTED, leads.n)
    form_at = _first(visits, Kind.FORM_SUBMITTED, leads.n)
    call, form = EVIDENCE_SOURCES.index("call"), EVIDENCE_SOURCES.index("form")
    parts: list[tuple[Ints, int, Floats, int]] = []  # leads, dimension, times, source
    for place, dimension in enumerate(setting.all_dimensions):
        asks = np.where(
            leads.b2b,
            dimension in setting.dimensions["b2b"],
            dimension in setting.dimensions["b2c"],
        )
        asked = asks & (rng.random(leads.n) < 0.5) & (call_at + 120.0 < leads.end)
        again_at = office(rng, call_at + DAY * rng.uniform(15.0, 70.0, leads.n)) + 60.0 * place
        again = asked & (rng.random(leads.n) < 0.06) & (again_at < leads.end)
        told = asks & (rng.random(leads.n) < 0.3) & (form_at < leads.end)
        for chosen, at, source in (
            (asked, call_at + 25.0 * (place + 1), call),
            (again, again_at, call),
            (told & (dimension in ("need", "timing")), form_at, form),
        ):
            who = np.flatnonzero(chosen)
            parts.append((who, place, at[who], source))
    who = np.concatenate([part[0] for part in parts])
    places = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    observed = np.concatenate([part[2] for part in parts])
    sources = np.concatenate([np.full(len(part[0]), part[3]) for part in parts])
    order = np.lexsort((observed, places, who))
    who, places, observed, sources = who[order], places[order], observed[order], sources[order]
    truth_of = np.stack([latent[name] for name in setting.all_dimensions], axis=1)
    level = np.searchsorted(RATINGS, truth_of[who, places])
    misheard = np.where(rng.random(len(who)) < 0.12, rng.choice([-1, 1], len(who)), 0)
    days = np.array([setting.expiry_days[name] for name in setting.all_dimensions])
    last = np.ones(len(who), dtype=bool)
    last[:-1] = (who[1:] != who[:-1]) | (places[1:] != places[:-1])
    return Answers(
        lead=who,
        dimension=places,
        rating=RATINGS[np.clip(level + misheard, 0, len(RATINGS) - 1)],
        observed=observed,
        expires=observed + days[places] * DAY,
        current=last,
        source=sources,
        pick=rng.integers(0, 1_000, len(who)),
    )


def _first(happenings: Happenings, kind: Kind, n: int) -> Floats:
    """Return when each lead's first activity of a kind was, NaN for none."""
    mine = happenings.kind == KINDS.index(kind)
    at = np.full(n, np.inf)
    np.minimum.at(at, happenings.lead[mine], happenings.at[mine])
    return np.where(np.isinf(at), np.nan, at)


def draw_ends(
    rng: Rng, setting: Setting, leads: Leads, latent: dict[str, Ints], closing: Floats
) -> Ends:
    """Decide the closed leads by the truth; a few of the won are open again, in a new round."""
    who = np.flatnonzero(leads.closed)
    won = rng.random(len(who)) < leads.p_win[who]
    hopeless = (latent["authority"][who] == 0) | (latent["need"][who] == 0)
    known = hopeless & ~np.isnan(leads.contacted[who])
    student = leads.seniority[who] == [name for name, _ in SENIORITIES].index("student")
    out = ~won & (known | student) & (rng.random(len(who)) < 0.7)
    result = np.where(won, _WON, np.where(out, _DISQUALIFIED, _LOST))
    long_ago = closing[who] < setting.now - AGAIN_DAYS * DAY
    again = won & long_ago & (rng.random(len(who)) < 0.06)
    leads.closed[who[again]] = False
    leads.round[who[again]] = 2
    value = np.where(leads.value[who] == NOTHING, 150_000, leads.value[who])
    return Ends(
        lead=who,
        round=np.ones(len(who), dtype=np.int64),
        result=result,
        reason=rng.integers(0, 1_000, len(who)),
        value=np.where(won, np.round(value * rng.uniform(0.85, 1.15, len(who))), NOTHING).astype(
            np.int64
        ),
        at=closing[who],
    )


def draw_stages(
    rng: Rng, setting: Setting, leads: Leads, answers: Answers, ends: Ends
) -> Happenings:
    """Draw how far each lead has come, and the moves by which it did; set `stage` and `owned`."""
    code = {key: place for place, key in enumerate(STAGES)}
    n = leads.n
    accepted_at = leads.contacted
    sql_at = office(rng, accepted_at + DAY * rng.uniform(0.5, 4.0, n))
    sql_at[~(_gates_met(setting, leads, answers, sql_at) & (rng.random(n) < 0.8))] = np.nan
    offer_at = office(rng, sql_at + DAY * rng.uniform(2.0, 10.0, n))
    offer_at[rng.random(n) > 0.6] = np.nan
    rested_at = office(rng, accepted_at + DAY * rng.uniform(25.0, 70.0, n))
    rested_at[~(np.isnan(sql_at) & ~leads.closed & (leads.round == 1))] = np.nan
    rested_at[rng.random(n) > 0.55] = np.nan
    again_at = office(rng, leads.end + DAY * rng.uniform(10.0, AGAIN_DAYS - 5.0, n))
    parts = []
    leads.stage[:] = code[StageKey.NEW]
    for target, at in (
        (StageKey.ACCEPTED, accepted_at),
        (StageKey.SQL, sql_at),
        (StageKey.OPPORTUNITY, offer_at),
        (StageKey.RECYCLED, rested_at),
    ):
        who = np.flatnonzero(at < leads.end)
        parts.append(_move(who, leads.stage[who], code[target], at[who]))
        leads.stage[who] = code[target]
    leads.stage[ends.lead] = np.array([code[StageKey(r)] for r in RESULTS])[ends.result]
    again = np.flatnonzero(leads.round > 1)
    parts.append(_move(again, leads.stage[again], code[StageKey.OPPORTUNITY], again_at[again]))
    leads.stage[again] = code[StageKey.OPPORTUNITY]
    leads.owned = ~np.isnan(leads.contacted) | leads.closed | (rng.random(n) < 0.93)
    return Happenings.joined(parts)


def _gates_met(setting: Setting, leads: Leads, answers: Answers, at: Floats) -> Bools:
    """Return whether, at each lead's time, every gate of its framework is known and met."""
    met = np.ones(leads.n, dtype=bool)
    for name, mine in (("b2b", leads.b2b), ("b2c", ~leads.b2b)):
        for dimension, least in setting.gates[name].items():
            place = setting.all_dimensions.index(dimension)
            known = (answers.dimension == place) & (answers.observed < at[answers.lead])
            rating = np.full(leads.n, NOTHING)
            rating[answers.lead[known]] = answers.rating[known]  # in order of time: the last stays
            met &= ~mine | (rating >= least)
    return met


def _move(who: Ints, source: Ints, target: int, at: Floats) -> Happenings:
    return Happenings(
        lead=who,
        kind=kind_codes(Kind.STAGE_MOVED, who),
        at=at,
        a=source,
        b=np.full(len(who), target),
        by_rep=np.ones(len(who), dtype=bool),
    )


def tell_creation(leads: Leads) -> Happenings:
    """Return the timeline's first lines."""
    who = np.arange(leads.n)
    return Happenings(
        lead=who,
        kind=kind_codes(Kind.CREATED, who),
        at=leads.created,
        a=leads.source,
        b=np.zeros(leads.n, dtype=np.int64),
        by_rep=np.zeros(leads.n, dtype=bool),
    )


def tell_answers(answers: Answers) -> Happenings:
    """Return the timeline's lines for the answers."""
    call = EVIDENCE_SOURCES.index("call")
    return Happenings(
        lead=answers.lead,
        kind=kind_codes(Kind.EVIDENCE_ADDED, answers.lead),
        at=answers.observed,
        a=answers.dimension,
        b=answers.rating,
        by_rep=answers.source == call,
    )


def tell_ends(ends: Ends) -> Happenings:
    """Return the timeline's lines for the outcomes."""
    return Happenings(
        lead=ends.lead,
        kind=kind_codes(Kind.OUTCOME_RECORDED, ends.lead),
        at=ends.at,
        a=ends.result,
        b=ends.reason,
        by_rep=np.ones(len(ends.lead), dtype=bool),
    )
