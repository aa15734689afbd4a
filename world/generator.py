"""The made-up world, chunk by chunk, as numbers. Pure: the same setting gives the same chunks.

A chunk is self-contained (its leads work for its own companies), so chunks can be made in any
order, by several processes, in bounded memory. `world.rows` finds words for the numbers.

Every lead has an interest that nobody records. It raises what the lead does on the pages and what
it would answer; these and the facts decide by `world.truth` how the lead ends.
"""

import numpy as np
import numpy.typing as npt

from leads.activities import Kind
from scoring.features import DAY
from world import lives, people, truth
from world.chunk import Chunk, Floats, Happenings, Ints, Leads, Setting, company_count
from world.drawing import Rng
from world.lists import KINDS


def make_chunk(setting: Setting, number: int) -> Chunk:
    """Make chunk `number` of a world."""
    rng = np.random.default_rng([setting.seed, number])
    n = setting.size(number)
    companies, sizes = people.draw_companies(rng, company_count(n))
    leads, bands = people.draw_leads(rng, setting, number, companies, sizes)
    interest = rng.standard_normal(n)
    latent = people.draw_ratings(rng, setting, interest)
    closing = lives.draw_closing(rng, setting, leads)
    visits = lives.draw_visits(rng, leads, interest)
    contacts = lives.draw_contacts(rng, leads, interest)
    answers = lives.draw_answers(rng, setting, leads, latent, contacts, visits)
    happenings = Happenings.joined([visits, contacts])
    leads.p_win = _p_win(rng, leads, bands, latent, happenings)
    ends = lives.draw_ends(rng, setting, leads, latent, closing)
    parts = [
        happenings,
        lives.draw_stages(rng, setting, leads, answers, ends),
        lives.tell_creation(leads),
        lives.tell_answers(answers),
        lives.tell_ends(ends),
    ]
    return Chunk(number, companies, leads, Happenings.joined(parts), answers, ends)


def _p_win(
    rng: Rng,
    leads: Leads,
    bands: dict[str, npt.NDArray[np.str_]],
    latent: dict[str, Ints],
    happenings: Happenings,
) -> Floats:
    """Return the true probability of each lead as of its end."""
    age = (leads.end[happenings.lead] - happenings.at) / DAY
    engagement: dict[str, Floats] = {}
    for kind, measure in truth.MEASURES.items():
        mine = happenings.kind == KINDS.index(Kind(kind))
        who, days = happenings.lead[mine], age[mine]
        if measure.window_days is not None:
            weights = np.where(days < measure.window_days, 1.0, 0.0)
        elif measure.half_life_days:
            weights = np.exp2(-days / measure.half_life_days)
        else:
            weights = np.ones(len(who))
        count = np.bincount(who, weights, minlength=leads.n).astype(np.float64)
        engagement[kind] = np.minimum(1.0, count / measure.cap)
    noise = rng.standard_normal(leads.n)
    b2b, b2c = (
        truth.win_probability(name, bands, latent, engagement, noise) for name in ("b2b", "b2c")
    )
    return np.where(leads.b2b, b2b, b2c)
