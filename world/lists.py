"""What the made-up world consists of: codes and their shares. Pure."""

from dataclasses import dataclass

import numpy as np

from leads.activities import Kind
from leads.models import Outcome
from leads.stages import StageKey
from scoring.models import Evidence

SPAN = 425.0  # days: fourteen months
NOTHING = -1  # the code of a missing value

RATINGS = np.array([0, 33, 67, 100])
KINDS = tuple(Kind)
STAGES = tuple(StageKey)
RESULTS = tuple(Outcome.Result)
EVIDENCE_SOURCES = tuple(Evidence.Source)

# (name, share); the bands of the default bundle read these names.
INDUSTRIES = (
    ("Software", "core", 0.16),
    ("Professional services", "core", 0.13),
    ("Financial services", "core", 0.08),
    ("Manufacturing", "near", 0.18),
    ("Logistics", "near", 0.11),
    ("Retail", "near", 0.11),
    ("Healthcare", "near", 0.09),
    ("Construction", "far", 0.08),
    ("Education", "far", 0.06),
)
# Band, employees from and to, share of companies.
SIZES = (
    ("micro", 2, 10, 0.22),
    ("small", 11, 50, 0.33),
    ("mid", 51, 500, 0.28),
    ("upper_mid", 501, 2_000, 0.11),
    ("large", 2_001, 40_000, 0.06),
)
# Country, region's band, share, time zone, currency.
COUNTRIES = (
    ("DE", "home", 0.34, "Europe/Berlin", "EUR"),
    ("AT", "home", 0.07, "Europe/Vienna", "EUR"),
    ("CH", "home", 0.06, "Europe/Zurich", "CHF"),
    ("FR", "europe", 0.13, "Europe/Paris", "EUR"),
    ("NL", "europe", 0.07, "Europe/Amsterdam", "EUR"),
    ("PL", "europe", 0.06, "Europe/Warsaw", "EUR"),
    ("SE", "europe", 0.06, "Europe/Stockholm", "EUR"),
    ("GB", "europe", 0.11, "Europe/London", "GBP"),
    ("US", "overseas", 0.10, "America/New_York", "USD"),
)
# Band, age from and to, share.
AGES = (
    ("18_24", 18, 24, 0.13),
    ("25_34", 25, 34, 0.24),
    ("35_54", 35, 54, 0.37),
    ("55_64", 55, 64, 0.15),
    ("65_up", 65, 86, 0.11),
)
# Band, deal value in whole euros from and to, share.
MEANS = (("low", 300, 999, 0.42), ("middle", 1_000, 2_499, 0.38), ("high", 2_500, 9_000, 0.20))
SENIORITIES = (
    ("c_level", 0.09),
    ("vp", 0.08),
    ("director", 0.17),
    ("manager", 0.29),
    ("individual", 0.335),
    ("student", 0.035),
)
EMAIL_KINDS = ("own", "free")


@dataclass(frozen=True)
class MadeSource:
    """A source: whether what its leads do is recorded, and its shares of B2B and B2C leads."""

    name: str
    channel: str
    tracked: bool
    b2b: float
    b2c: float


SOURCES = (
    MadeSource("Website", "inbound", True, 0.26, 0.30),
    MadeSource("Search ads", "paid", True, 0.10, 0.18),
    MadeSource("Webinars", "event", True, 0.11, 0.04),
    MadeSource("Newsletter", "inbound", True, 0.08, 0.12),
    MadeSource("Social posts", "social", True, 0.05, 0.12),
    MadeSource("Cold outreach", "outbound", False, 0.18, 0.02),
    MadeSource("Trade fairs", "event", False, 0.09, 0.04),
    MadeSource("Referrals", "referral", False, 0.08, 0.10),
    MadeSource("Resellers", "partner", False, 0.05, 0.08),
)
# What visitors do, with shares; asking for contact is drawn apart.
VISITS = (
    (Kind.PAGE_VIEWED, 0.44),
    (Kind.EMAIL_OPENED, 0.16),
    (Kind.EMAIL_CLICKED, 0.14),
    (Kind.PRICING_VIEWED, 0.13),
    (Kind.FORM_SUBMITTED, 0.08),
    (Kind.WEBINAR_ATTENDED, 0.05),
)
B2B_SHARE = 0.7
AGAIN_DAYS = 40.0  # a customer who buys again does so within these after winning
LEADS_PER_COMPANY = 3.5
# Share of the leads that rate 0, 33, 67 and 100, before interest moves them.
LATENT_SHARES = {
    "budget": (0.20, 0.30, 0.32, 0.18),
    "authority": (0.14, 0.26, 0.35, 0.25),
    "need": (0.16, 0.28, 0.34, 0.22),
    "timing": (0.20, 0.32, 0.30, 0.18),
}
LATENT_DEFAULT = (0.2, 0.3, 0.3, 0.2)
