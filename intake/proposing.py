"""Proposes what each column of a file becomes, from its header and its values. Pure.

Headers are looked up among synonyms in English and German; a field is proposed only when most of
the values fit it, so "contact = cellular" does not become a name. What is left becomes a custom
field of the type that its values show.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from intake import cells
from intake.cells import DateOrder, DecimalMark, Refused
from intake.countries import country_code
from intake.fields import FIELDS, Reading, custom_parser
from intake.mapping import MOST_ANSWERS, Known, fold
from leads.identity import normal_domain, normal_email

if TYPE_CHECKING:
    from intake.staging import Profile

# Columns that a file of rejected rows has beside its own.
ROW_HEADER, REASON_HEADER = "Rejected row", "Rejected because"

LOOKED_AT = 200  # values of a column that decide
MOST_CHOICES = 30
_FITS = 0.6  # share of values that must fit where the header says what they are
_SURE = 0.95  # share where the header says nothing

_SYNONYMS = {
    "name": "name, full name, contact name, lead name, contact person, ansprechpartner, "
    "kontaktname, kontaktperson, person, vollstandiger name, vor und nachname, kunde name",
    "first_name": "first name, firstname, given name, forename, vorname, fname, prenom",
    "last_name": "last name, lastname, surname, family name, nachname, familienname, lname, nom",
    "email": "email, e mail, mail, email address, e mail address, mail address, e mail adresse, "
    "email adresse, mailadresse, work email, business email, contact email, email 1, emails",
    "phone": "phone, phone number, telephone, tel, tel nr, mobile, mobile phone, cell, cell phone, "
    "telefon, telefonnummer, handy, handynummer, mobil, mobiltelefon, rufnummer, work phone, "
    "direct phone, contact phone, phone 1",
    "title": "title, job title, jobtitle, position, role, job role, funktion, stelle, rolle, "
    "berufsbezeichnung, jobbezeichnung",
    "seniority": "seniority, seniority level, karrierestufe",
    "age": "age, alter, age years",
    "country": "country, country code, land, landercode, nation, country region",
    "time_zone": "time zone, timezone, zeitzone",
    "kind": "lead kind, lead type, b2b b2c, kundenart",
    "value": "value, deal value, amount, deal amount, opportunity value, opportunity amount, "
    "expected value, auftragswert, wert, betrag, dealwert, volumen, auftragsvolumen, deal size",
    "currency": "currency, wahrung, deal currency, currency code",
    "source": "source, lead source, quelle, herkunft, leadquelle, origin, channel, kanal, "
    "original source",
    "owner": "owner, lead owner, owner email, sales rep, assigned to, verantwortlich, "
    "verantwortlicher, zustandig, besitzer, betreuer, account manager, rep",
    "created_at": "created, created at, created on, create date, creation date, date created, "
    "created date, erstellt, erstellt am, angelegt, angelegt am, erstelldatum, anlagedatum, "
    "eingangsdatum, date added, added on, lead date, timestamp",
    "outcome_at": "closed, closed at, closed on, close date, closed date, abgeschlossen am, "
    "abschlussdatum, won date, lost date",
    "consent_at": "consent date, consent on, consent at, opt in date, opted in at, opt out date, "
    "unsubscribed at, unsubscribed on, unsubscribe date, einwilligung am, abgemeldet am",
    "outcome_reason": "lost reason, loss reason, reason lost, close reason, closed reason, "
    "verlustgrund, absagegrund, outcome reason, disqualification reason",
    "company": "company, company name, account, account name, organisation, organization, firm, "
    "firma, firmenname, unternehmen, unternehmensname, employer, arbeitgeber, kunde, business name",
    "company_domain": "website, web site, web, url, homepage, domain, company domain, webseite, "
    "internetseite, company website, company url, website url, email domain",
    "industry": "industry, sector, branche, vertical, wirtschaftszweig, company industry, "
    "industrie",
    "company_country": "company country, account country, firmenland",
    "employees": "employees, employee count, number of employees, num employees, no of employees, "
    "headcount, company size, size, mitarbeiter, mitarbeiterzahl, anzahl mitarbeiter, "
    "anzahl der mitarbeiter, firmengrosse, unternehmensgrosse, staff",
    "revenue": "revenue, annual revenue, company revenue, turnover, umsatz, jahresumsatz, sales",
    "campaign": "campaign, campaign name, kampagne, lead campaign",
    "utm_source": "utm source",
    "utm_medium": "utm medium",
    "utm_campaign": "utm campaign",
    "utm_term": "utm term",
    "utm_content": "utm content",
    "referrer": "referrer, referer, http referrer",
    "landing_page": "landing page, first page, first page seen, landingpage",
}
_FIELD_OF = {name: field for field, names in _SYNONYMS.items() for name in names.split(", ")}

_IDS = frozenset(
    "id, lead id, external id, record id, contact id, crm id, customer id, uuid, guid, "
    "salesforce id, hubspot id, kundennummer, kunden id, kontakt id, datensatz id, lead nr, "
    "lead number, lead no".split(", ")
)
_OUTCOMES = frozenset(
    "y, outcome, result, converted, conversion, won, is won, closed won, deal outcome, target, "
    "label, success, ergebnis, abschluss, gewonnen, gekauft, purchased, bought, subscribed".split(
        ", "
    )
)
_STATES = frozenset(
    "status, state, stage, lead status, deal status, lead stage, deal stage, phase, "
    "pipeline stage, opportunity status, leadstatus, verkaufsphase, auftragsstatus".split(", ")
)
# What a yes in such a column means; in a column of refusals a no says nothing.
_REFUSALS = {
    "call": "do not call, dnc, do not phone, no call, no calls, dont call, call opt out, "
    "phone opt out, donotcall, anrufsperre, telefonsperre, nicht anrufen, kein anruf",
    "email": "unsubscribed, unsubscribe, opted out, opt out, email opt out, e mail opt out, "
    "do not email, do not e mail, do not mail, no email, email unsubscribed, hasoptedoutofemail, "
    "has opted out of email, abgemeldet, newsletter abgemeldet, werbesperre, mailsperre, "
    "keine werbung, nicht anschreiben",
}
_AGREEMENTS = {
    "call": "consent to call, consent to calls, call consent, phone consent, call opt in, "
    "phone opt in, einwilligung telefon, einwilligung anruf, telefonische einwilligung",
    "email": "consent to email, consent to e mail, email consent, e mail consent, email opt in, "
    "e mail opt in, opt in, opted in, newsletter opt in, marketing consent, gdpr consent, "
    "einwilligung email, einwilligung e mail, newsletter einwilligung, dsgvo einwilligung",
}
_CONSENT_OF = {
    name: (channel, refusal)
    for refusal, channels in ((True, _REFUSALS), (False, _AGREEMENTS))
    for channel, names in channels.items()
    for name in names.split(", ")
}
_DIMENSIONS = {
    "budget": "budget budgt money funds funding geld finanzierung",
    "authority": "authority authoritys decision decisionmaker entscheider entscheidung "
    "entscheidungsbefugnis vollmacht authorization",
    "need": "need needs pain challenge challenges bedarf problem schmerz",
    "timing": "timing timeline timeframe urgency dringlichkeit zeitplan zeitrahmen zeitpunkt "
    "priority prioritat prioritization prioritisation",
}
_DIMENSION_OF = {word: name for name, words in _DIMENSIONS.items() for word in words.split()}

# Words for how sure an answer is. Strings of several words count when all stand in the answer.
_RATINGS: tuple[tuple[int | None, str], ...] = (
    (None, "unknown, unbekannt, not known, unclear, unklar, don't know, weiß nicht, n/a, na, k.a., "
    "keine angabe, tbd, ?, not asked, open, offen"),
    (100, "yes, ja, true, y, confirmed, bestätigt, high, hoch, strong, stark, full, approved, "
    "clear, very important, immediate, sofort, urgent, dringend, allocated, a, very high, "
    "sehr hoch, decision maker, entscheider, complete, now, jetzt"),
    (67, "medium, mid, middle, mittel, moderate, mäßig, partly, partial, partially, teilweise, "
    "likely, wahrscheinlich, indicated, influencer, average, average important, planned, "
    "geplant, b, some, normal"),
    (33, "low, niedrig, gering, weak, schwach, poor, maybe, vielleicht, unlikely, "
    "unwahrscheinlich, info gathering, exploring, few questions, later, später, c, little, "
    "unimportant"),
    (0, "no, nein, false, n, none, keine, kein, never, nie, ruled out, rejected, abgelehnt, "
    "not allocated, d, nothing"),
)  # fmt: skip
_RATING_OF = {fold(word): rating for rating, words in _RATINGS for word in words.split(", ")}
_SCALES = ((3, (0, 33, 67, 100)), (5, (0, 20, 40, 60, 80, 100)), (10, tuple(range(0, 101, 10))))

_RESULTS = {
    "won": "won, closed won, win, gewonnen, converted, konvertiert, customer, kunde, sold, "
    "verkauft, deal, successful, erfolgreich, abgeschlossen gewonnen, client, kauf",
    "lost": "lost, closed lost, loss, verloren, dead, rejected, abgesagt, absage, failed, "
    "unsuccessful, no deal, abgelehnt",
    "disqualified": "disqualified, unqualified, disqualifiziert, not qualified, junk, spam, "
    "invalid, unqualifiziert, bad fit, ungültig, bad timing",
    "open": "open, offen, new, neu, in progress, in process, in bearbeitung, working, contacted, "
    "kontaktiert, qualified, qualifiziert, pending, nurturing, nurture, assigned, active, aktiv, "
    "negotiation, verhandlung, proposal, angebot, meeting, demo, attempted to contact, on hold, "
    "mql, sql, opportunity, accepted, recycled, lead, prospect, interessent",
}
_RESULT_OF = {
    fold(word): result for result, words in _RESULTS.items() for word in words.split(", ")
}
_YES = frozenset(("yes", "ja", "true", "1", "y", "won", "success", "wahr"))
_NO = frozenset(("no", "nein", "false", "0", "n", "lost", "failure", "falsch"))

_PRIVATE = frozenset(
    "age, alter, marital, marital status, familienstand, household, haushalt, education, housing, "
    "children, kinder, gender, geschlecht, birth date, birthday, geburtsdatum, income".split(", ")
)
_AS_WRITTEN = frozenset("zip, zip code, postal code, postcode, plz, postleitzahl".split(", "))
_DATE_WORDS = frozenset("date datum am on at since until seit bis time zeit tag birthday".split())
_UNIT = re.compile(r"(?: (?:in|eur|euro|usd|gbp|chf|jahre|years))+$")  # "Deal value (EUR)"
_PHONE = re.compile(r"[+(]?[\d][\d ()./\-–]{4,24}(?:\s*(?:x|ext\.?)\s*\d+)?", re.IGNORECASE)


def plain_header(header: str) -> str:
    """Return a header in small letters and single words: "E-Mail_Adresse" is "e mail adresse"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    letters = unicodedata.normalize("NFKD", spaced.replace("ß", "ss"))
    letters = "".join(char for char in letters if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+|\?", letters.casefold()))


def names_outcome(header: str) -> bool:
    """Return whether a header is one that outcomes have."""
    return plain_header(header) in _OUTCOMES | _STATES


def plain_key(header: str) -> str:
    """Return the key of a custom field for a header; "field" where nothing of it is ASCII."""
    return re.sub(r"[^a-z0-9]+", "_", plain_header(header)).strip("_")[:50] or "field"


def rate(answer: str) -> int | None:
    """Return the rating that an answer reads like, None for "not known" and for other words."""
    return _RATING_OF.get(fold(answer))


def said(header: str, values: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of a column by what they seem to say: granted, withdrawn, open.

    A column named "Unsubscribed" is of refusals, where no is no word; in others no is one.
    """
    _, refusal = _CONSENT_OF.get(plain_header(header), ("", False))
    yes, no = ("withdrawn", "open") if refusal else ("granted", "withdrawn")
    found: dict[str, list[str]] = {}
    for value in values:
        folded = fold(value)
        meaning = yes if folded in _YES | {"x"} else no if folded in _NO else "open"
        found.setdefault(meaning, []).append(value)
    return found


def propose(
    profiles: Sequence[Profile],
    delimiter: str,
    country: str,
    known: Known,
    owners: Iterable[str] = (),
    id_source: str = "import",
) -> dict[str, Any]:
    """Return a mapping as JSON for a file of these columns (docs/domain/import.md).

    `country` is the workspace's; `owners` are e-mail addresses of those who may own leads.
    """
    return _Proposal(profiles, delimiter, country, known, frozenset(owners), id_source).make()


class _Proposal:
    def __init__(
        self,
        profiles: Sequence[Profile],
        delimiter: str,
        country: str,
        known: Known,
        owners: frozenset[str],
        id_source: str,
    ) -> None:
        self.profiles = profiles
        self.known = known
        self.owners = owners
        self.id_source = id_source
        self.values = {p.header: list(p.values)[:LOOKED_AT] for p in profiles}
        everything = [value for values in self.values.values() for value in values]
        self.dates = _date_order(everything, country)
        self.decimal = _decimal_mark(everything, delimiter)
        self.reading = Reading(self.dates, self.decimal, country, "UTC")
        self.columns: dict[str, dict[str, Any]] = {}
        self.used: set[str] = set()

    def make(self) -> dict[str, Any]:
        steps: tuple[Callable[[Profile], dict[str, Any] | None], ...] = (
            self._field,
            self._outcome,
            self._consent,
            self._evidence,
            self._external_id,
            self._field_by_values,
        )
        # One kind of target after the other, so that a clear header wins over a guess.
        for step in steps:
            for profile in self.profiles:
                if profile.header not in self.columns:
                    spec = step(profile)
                    if spec is not None:
                        self.columns[profile.header] = spec
        self._drop_lonely()
        for profile in self.profiles:
            if profile.header not in self.columns:
                self.columns[profile.header] = self._custom(profile)
        return {
            "kind": self._kind(),
            "dates": self.dates,
            "decimal": self.decimal,
            "columns": {p.header: self.columns[p.header] for p in self.profiles},
        }

    def _kind(self) -> str:
        business = {"company", "company_domain", "employees", "industry", "revenue", "title"}
        private = any(plain_header(p.header) in _PRIVATE for p in self.profiles)
        return "b2c" if private and not self.used & business else "b2b"

    def _take(self, *targets: str) -> bool:
        if self.used & set(targets):
            return False
        self.used |= set(targets)
        return True

    # --- fields -------------------------------------------------------------------------------
    def _field(self, profile: Profile) -> dict[str, Any] | None:
        header = _UNIT.sub("", plain_header(profile.header))
        name = _FIELD_OF.get(header)
        if name is None and header.startswith(("lead ", "contact ")):
            name = _FIELD_OF.get(header.split(" ", 1)[1])
        if name is None or not self._fits(name, self.values[profile.header]):
            return None
        targets = ("first_name", "last_name") if name == "name" else (name,)
        return {"to": "field", "field": name} if self._take(*targets) else None

    def _field_by_values(self, profile: Profile) -> dict[str, Any] | None:
        """Addresses are known without their header."""
        values = self.values[profile.header]
        if len(values) < 2 or _share(values, _is_email) < 0.9 or not self._take("email"):
            return None
        return {"to": "field", "field": "email"}

    def _fits(self, name: str, values: Sequence[str]) -> bool:
        if not values:
            return True
        tests: Mapping[str, Callable[[str], bool]] = {
            "email": _is_email,
            "phone": lambda v: _PHONE.fullmatch(v) is not None,
            "country": lambda v: country_code(v) is not None,
            "company_country": lambda v: country_code(v) is not None,
            "company_domain": lambda v: normal_domain(v) is not None,
            "owner": lambda v: v.casefold() in self.owners,
        }
        if name in tests:
            return _share(values, tests[name]) >= _FITS
        if name in ("name", "first_name", "last_name", "company", "title", "campaign", "source"):
            # A text, and not a flag or a number that happens to carry the header.
            return _share(values, _is_words) >= _FITS and not self._is_flag(values)
        parser = FIELDS[name].parser
        assert parser is not None
        return _share(values, _accepts(parser(self.reading))) >= _FITS

    def _is_flag(self, values: Sequence[str]) -> bool:
        return {fold(value) for value in values} <= set(_RATING_OF)

    def _drop_lonely(self) -> None:
        """Give up fields that mean nothing without another one."""
        needs = (
            ("currency", {"value"}),
            ("outcome_at", {"outcome"}),
            ("consent_at", {"consent.call", "consent.email"}),
            ("outcome_reason", {"outcome"}),
            *((name, {"company", "company_domain"}) for name, f in FIELDS.items() if f.company),
        )
        for header, spec in list(self.columns.items()):
            for name, partners in needs:
                if spec.get("field") == name and not self.used & partners:
                    del self.columns[header]
                    self.used.discard(name)

    # --- outcome, evidence, ids ---------------------------------------------------------------
    def _outcome(self, profile: Profile) -> dict[str, Any] | None:
        header, values = plain_header(profile.header), profile.listed
        if not values:
            return None
        results: dict[str, list[str]] = {"won": [], "lost": [], "disqualified": [], "open": []}
        for value in values:
            folded = fold(value)
            if header in _OUTCOMES and folded in _YES:
                results["won"].append(value)
            elif header in _OUTCOMES and folded in _NO:
                results["lost"].append(value)
            elif header in _OUTCOMES | _STATES and folded in _RESULT_OF:
                results[_RESULT_OF[folded]].append(value)
            else:
                results["open"].append(value)
        known = sum(1 for value in values if fold(value) in {*_RESULT_OF, *_YES, *_NO})
        ended = results["won"] or results["lost"]
        if not ended or known < _FITS * len(values) or header not in _OUTCOMES | _STATES:
            return None
        if not self._take("outcome"):
            return None
        return {"to": "outcome", **{result: given for result, given in results.items() if given}}

    def _consent(self, profile: Profile) -> dict[str, Any] | None:
        channel, _ = _CONSENT_OF.get(plain_header(profile.header), ("", False))
        values = profile.listed
        # What is neither yes nor no has no meaning yet, and is reported with its row.
        clear = [value for value in values or () if fold(value) in _YES | _NO | {"x"}]
        if not channel or not clear or not self._take(f"consent.{channel}"):
            return None
        return {"to": "consent", "channel": channel, **said(profile.header, clear)}

    def _evidence(self, profile: Profile) -> dict[str, Any] | None:
        words = plain_header(profile.header).split()
        found = [_DIMENSION_OF[word] for word in words if word in _DIMENSION_OF]
        found += [d for d in self.known.dimensions if plain_header(d) == " ".join(words)]
        dimension = next((d for d in found if d in self.known.dimensions), None)
        values = profile.listed
        if dimension is None or not values or len(values) > MOST_ANSWERS:
            return None
        ratings = _ratings(values)
        if ratings is None or not self._take(f"evidence.{dimension}"):
            return None
        return {"to": "evidence", "dimension": dimension, "ratings": ratings}

    def _external_id(self, profile: Profile) -> dict[str, Any] | None:
        values = profile.values
        different = len(values) == profile.filled or (not profile.complete and profile.filled)
        if plain_header(profile.header) not in _IDS or not different or not values:
            return None
        if not self._take("external_id"):
            return None
        return {"to": "external_id", "source": self.id_source}

    # --- custom fields ------------------------------------------------------------------------
    def _custom(self, profile: Profile) -> dict[str, Any]:
        if not profile.filled or profile.header in (ROW_HEADER, REASON_HEADER):
            return {"to": "ignore"}
        key = self._key(profile)
        there = self.known.custom.get(key)
        kind = there[0] if there else self._type(profile)
        spec: dict[str, Any] = {"to": "custom", "key": key, "type": kind, "label": profile.header}
        if kind == "choice":
            spec["choices"] = profile.listed or []
        return spec

    def _key(self, profile: Profile) -> str:
        """Return a key that is free, or the field's own where the values fit the one there is."""
        base = plain_key(profile.header)
        key, number = base, 1
        while not self._suits(key, profile) or not self._take(f"custom.{key}"):
            number += 1
            key = f"{base}_{number}"
        return key

    def _suits(self, key: str, profile: Profile) -> bool:
        there = self.known.custom.get(key)
        if there is None:
            return True
        if there[0] == "choice" and profile.listed is None:
            return False
        parse = custom_parser(there[0], self.reading, None)
        values = self.values[profile.header]
        return not values or _share(values, _accepts(parse)) >= _FITS

    def _type(self, profile: Profile) -> str:
        """Return the type that the values show; a choice only where all values are known."""
        values = self.values[profile.header]
        header = plain_header(profile.header)
        if not values:
            return "text"
        if _share(values, _accepts(cells.truth)) == 1 and profile.complete:
            return "bool"
        dates = _share(values, _accepts(lambda v: cells.date(v, self.dates)))
        if dates >= _SURE and (
            _DATE_WORDS & set(header.split()) or not all(map(str.isdigit, values))
        ):
            return "date"
        coded = header in _AS_WRITTEN or any(_leading_zero(value) for value in values)
        numbers = _share(values, _accepts(lambda v: cells.number(v, self.decimal)))
        if numbers >= _SURE and not coded:
            return "number"
        listed = profile.listed
        few = listed is not None and len(listed) <= MOST_CHOICES
        if few and profile.filled >= 2 * len(listed or ()) and not coded:
            return "choice"
        return "text"


def _share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values) if values else 0.0


def _accepts(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def test(value: str) -> bool:
        try:
            parse(value)
        except Refused:
            return False
        return True

    return test


def _is_email(value: str) -> bool:
    return "@" in value and normal_email(value) is not None


def _is_words(value: str) -> bool:
    return any(char.isalpha() for char in value) and not _is_email(value)


def _leading_zero(value: str) -> bool:
    return len(value) > 1 and value.isdigit() and value[0] == "0"


def _ratings(values: Sequence[str]) -> dict[str, int | None] | None:
    """Return the rating of each answer, None when they do not read like ratings."""
    numbers = [value for value in values if value.isdigit() and len(value) <= 3]
    if len(numbers) == len(values) and values:
        most = max(int(value) for value in numbers)
        for top, ratings in _SCALES:
            if most <= top:
                return {value: ratings[int(value)] for value in values}
        return {value: int(value) for value in values} if most <= 100 else None
    ratings_of: dict[str, int | None] = {}
    for value in values:
        if fold(value) not in _RATING_OF:
            return None
        ratings_of[value] = _RATING_OF[fold(value)]
    return ratings_of if any(rating is not None for rating in ratings_of.values()) else None


_TWO_WAYS = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](?:\d{4}|\d{2})(?:\D.*)?")


def _date_order(values: Iterable[str], country: str) -> DateOrder:
    """Return the order that days above twelve show, else the country's."""
    first = second = 0
    for value in values:
        match = _TWO_WAYS.fullmatch(value)
        if match:
            first += int(match.group(1)) > 12
            second += int(match.group(2)) > 12
    if first != second:
        return "dmy" if first > second else "mdy"
    return "mdy" if country == "US" else "dmy"


_COMMA = re.compile(r"[^\d]*\d{1,3}(?:\.\d{3})*,\d{1,2}[^\d]*|[^\d]*\d+,\d{1,2}[^\d]*")
_POINT = re.compile(r"[^\d]*\d{1,3}(?:,\d{3})*\.\d{1,2}[^\d]*|[^\d]*\d+\.\d{1,2}[^\d]*")


def _decimal_mark(values: Iterable[str], delimiter: str) -> DecimalMark:
    """Return the mark that numbers show; where none does, ';' between cells tells of ',' inside."""
    comma = point = 0
    for value in values:
        if len(value) <= 24 and any(char.isdigit() for char in value):
            comma += _COMMA.fullmatch(value) is not None
            point += _POINT.fullmatch(value) is not None
    if comma != point:
        return "," if comma > point else "."
    return "," if delimiter == ";" else "."
