"""Made-up people and companies. Pure.

Nothing here can reach anybody: domains end in `.example` (RFC 2606), telephone numbers are from
the ranges that regulators keep for fiction. A company's name is a number written in syllables, so
that no two companies of a world share one.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leads.identity import FICTIONAL_FREE_MAIL

FREE_MAIL = tuple(sorted(FICTIONAL_FREE_MAIL))

GIVEN: Sequence[str] = """
Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Katrin Lukas Marie Nils Olivia Paul Quirin
Rosa Stefan Theresa Ulrich Vera Wolfgang Yvonne Alice Bruno Camille Didier Elodie Fabien Gilles
Helene Isabelle Jules Lucie Mathieu Nadine Odile Pascal Renaud Sylvie Thierry Agnes Barbara Cezary
Dorota Ewa Filip Grazyna Henryk Irena Jacek Kinga Leszek Magda Norbert Oskar Piotr Aisha Babak
Chiara Dmitri Esra Farid Giulia Haruka Ines Jamal Kofi Leila Mehmet Nadia Omar Priya Rahul Sana
Tariq Uma Viktor Wei Xenia Yusuf Zeynep Astrid Bjorn Ebba Freja Gustav Henrik Ingrid Kalle Linnea
Magnus Oda Per Ronja Sven Tuva Abigail Brandon Charlotte Dylan Eleanor Frank Grace Harry Imogen
James Kimberly Logan Megan Nathan Oliver Phoebe Ryan Sophie Tyler Victoria Adaeze Chidi Ngozi Thabo
Zanele Mateo Lucia Diego Carmen Joao Beatriz Anh Minh Hana Kenji Soo-jin Min-jun
""".split()
FAMILY: Sequence[str] = """
Albrecht Bauer Brandt Dietrich Engel Fischer Graf Hartmann Jansen Keller Lange Meissner Neumann
Ortmann Pohl Richter Schreiber Thoma Ullrich Vogel Weidner Zimmer Aubert Blanchard Chevalier Dupont
Fontaine Garnier Lambert Marchand Noel Perrin Renard Tessier Vasseur Adamczyk Borkowski Czerwinski
Duda Jankowski Kaminska Lis Mazur Nowicki Pawlak Sadowska Wrona Aksoy Banerjee Conti Demir Eriksen
Farouk Gupta Haddad Ivanova Joshi Kimura Lombardi Mansouri Nakamura Osei Petrov Rossi Sato Tanaka
Usman Volkov Wang Yilmaz Zhang Andersson Bergstrom Dahl Ekberg Forsberg Gustafsson Holm Lindqvist
Nyman Olofsson Sandberg Wikstrom Ashworth Bennett Clarke Davies Ellis Fletcher Gibson Hughes Irving
Jenkins Kershaw Lawson Murphy Norton Palmer Reeves Sutton Turner Walker Young Achebe Dlamini Mensah
Okafor Garcia Hernandez Lopez Moreno Navarro Pereira Silva Santos Nguyen Tran Park Kang Cho
""".split()

# 45 × 37 × 31 stems × 12 endings: over half a million companies before a number is needed.
_HEADS = """
Al Ar Bel Ber Bran Cal Cor Dal Del Dor El En Fal Fen Gal Gor Hal Hel Il Jor Kal Kel Lan Lor Mar Mel
Nor Ol Or Pal Per Quin Ral Ros Sal Sel Sol Tal Tor Ul Val Ver Vol Wel Zan
""".split()
_MIDDLES = """
a ba bi ca da de do fa fi ga ge go i ka ki la le li ma me mo na ne ni o pa ra re ri ro sa se si ta
te ti va
""".split()
_TAILS = """
bor cus dan dex dor fel gan ger lan len lin lis lon mer min mon na nor nova ra rex ria rik ron ta
tex tis ton vek vin xa
""".split()
_ENDINGS = (
    "Systems",
    "Industries",
    "Group",
    "Logistics",
    "Technik",
    "Consulting",
    "Works",
    "Partners",
    "Solutions",
    "Services",
    "Labs",
    "Foods",
)
_STEMS = len(_HEADS) * len(_MIDDLES) * len(_TAILS)
COMPANY_NAMES = _STEMS * len(_ENDINGS)
_STRIDE = 320_009  # prime, so that neighbouring numbers get unlike names and none comes twice

TITLES: Mapping[str, tuple[str, ...]] = {
    "c_level": ("CEO", "COO", "CFO", "CTO", "Managing Director", "Founder", "Geschäftsführerin"),
    "vp": ("VP Operations", "VP Sales", "SVP Finance", "VP Engineering", "VP Marketing"),
    "director": (
        "Director of Operations",
        "Head of IT",
        "Head of Purchasing",
        "Leiter Einkauf",
        "Director of Finance",
        "Head of Sales",
    ),
    "manager": (
        "Operations Manager",
        "IT Manager",
        "Office Manager",
        "Project Manager",
        "Plant Manager",
        "Teamleiterin Vertrieb",
    ),
    "individual": (
        "Analyst",
        "Engineer",
        "Buyer",
        "Controller",
        "Consultant",
        "Specialist",
        "Sachbearbeiter",
    ),
    "student": ("Student", "Intern", "Praktikantin"),
}


ALL_TITLES = tuple(title for titles in TITLES.values() for title in titles)

CAMPAIGNS = ("spring-guide", "benchmark-report", "product-tour", "partner-day", "newsletter-41")


@dataclass(frozen=True)
class Numbers:
    """A range of telephone numbers kept for fiction: a prefix in E.164 and the digits after it."""

    prefix: str
    digits: int


# Bundesnetzagentur 2021/148; Arcep 2018-0881; Ofcom numbers for drama; NANPA 555-01xx; PTS.
# Countries without such a range have leads without a telephone number.
FICTIONAL_NUMBERS: Mapping[str, tuple[Numbers, ...]] = {
    "DE": (
        Numbers("+493023125", 3),
        Numbers("+496990009", 3),
        Numbers("+494066969", 3),
        Numbers("+492214710", 3),
        Numbers("+498999998", 3),
    ),
    "FR": (
        Numbers("+3319900", 4),
        Numbers("+3326191", 4),
        Numbers("+3335301", 4),
        Numbers("+3346571", 4),
        Numbers("+3353649", 4),
        Numbers("+3363998", 4),
    ),
    "GB": (
        Numbers("+442079460", 3),
        Numbers("+441614960", 3),
        Numbers("+447700900", 3),
    ),
    "US": tuple(
        Numbers(f"+1{area}55501", 2) for area in (202, 212, 312, 404, 415, 503, 617, 713, 808, 907)
    ),
    "SE": (Numbers("+468465004", 2), Numbers("+463139006", 2)),
}


def company_name(number: int) -> str:
    """Write a number in syllables; different numbers have different names."""
    lap, scattered = number // COMPANY_NAMES, number % COMPANY_NAMES * _STRIDE % COMPANY_NAMES
    ending, stem = divmod(scattered, _STEMS)
    head, rest = divmod(stem, len(_MIDDLES) * len(_TAILS))
    middle, tail = divmod(rest, len(_TAILS))
    name = f"{_HEADS[head]}{_MIDDLES[middle]}{_TAILS[tail]} {_ENDINGS[ending]}"
    return f"{name} {lap + 1}" if lap else name


def domain_of(company: str) -> str:
    """Return the company's domain, one of its own."""
    return f"{company.lower().replace(' ', '-')}.example"


def mailbox(given: str, family: str) -> str:
    """Return the part of an address before the @."""
    plain = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore")
    return plain.decode().lower()


def telephone(country: str, draw: int) -> str:
    """Return a fictional number of the country by a large random number; '' where none exist."""
    ranges = FICTIONAL_NUMBERS.get(country)
    if not ranges:
        return ""
    rest, which = divmod(draw, len(ranges))
    chosen = ranges[which]
    return f"{chosen.prefix}{rest % 10**chosen.digits:0{chosen.digits}d}"


def pick(rng: np.random.Generator, items: Sequence[str], n: int) -> list[str]:
    """Draw n items with repetition."""
    return [items[i] for i in rng.integers(0, len(items), n).tolist()]
