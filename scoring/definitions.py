"""The content of ICPs, frameworks and score models: parsed, checked, immutable. Pure.

`parse_*` take the JSON of a version's `definition` and raise `core.errors.Invalid` that names every
wrong field. All numbers live in the score model; an ICP says what fits how well, a framework what
to ask (docs/domain/scoring.md).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import conditions
from core.conditions import FieldType
from core.errors import FieldProblem, Invalid
from leads.activities import Kind
from scoring import branching

GROUPS = ("fit", "engagement", "qualification")
HALF_LIVES = (0, 7, 14, 30, 60, 90, 180)  # days; 0 is no decay
QUESTION_TYPES = ("choice", "scale", "yes_no", "number", "period", "text", "person")
P_OF = ("score", "points")  # p is read from the shown score, or from points before any bound
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*")
ASSUMED_SHARE = 0.35  # of the best band, without history (domain.md §2)


@dataclass(frozen=True)
class Band:
    """A set of values of an attribute that fit equally well; x ∈ [0, 1]."""

    key: str
    label: str
    rule: Mapping[str, Any]
    x: float


@dataclass(frozen=True)
class Attribute:
    """What is asked of one property of a lead: bands in order, the first that is true counts."""

    key: str
    label: str
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Icp:
    """An ideal customer profile. `fallback` marks the one for leads that no other fits."""

    name: str
    position: int
    fallback: bool
    segment: Mapping[str, Any] | None
    typical_value_minor: int
    attributes: tuple[Attribute, ...]

    def attribute(self, key: str) -> Attribute:
        """Return the attribute `key`; KeyError when there is none."""
        return next_by_key(self.attributes, key)

    def fields(self) -> set[str]:
        """Return the names of all fields that its rules read."""
        rules = [band.rule for attribute in self.attributes for band in attribute.bands]
        rules += [self.segment] if self.segment else []
        return set().union(*(conditions.fields_of(rule) for rule in rules))


@dataclass(frozen=True)
class Criterion:
    """A framework's view of a dimension. `expires_days` is copied to each new evidence row."""

    dimension: str
    label: str
    guide: str
    expires_days: int | None


@dataclass(frozen=True)
class Answer:
    """A rated answer: 0 ruled out, 33 weak, 67 moderate, 100 strong; None is "don't know".

    What a lead names may tell which answer it is: of a number, `at_least` is the share of the
    lead's deal value from which on it is this one; of a period, `within_days` in how many days.
    """

    key: str
    label: str
    rating: int | None
    at_least: float | None = None
    within_days: int | None = None


# For questions without rated answers: the person judges by the guide.
JUDGED = (
    Answer("strong", "Strong", 100),
    Answer("moderate", "Moderate", 67),
    Answer("weak", "Weak", 33),
    Answer("ruled_out", "Ruled out", 0),
)
YES_NO = (Answer("yes", "Yes", 100), Answer("no", "No", 0))


@dataclass(frozen=True)
class Question:
    """A predetermined question of a dimension, worded for B2B and B2C.

    An archived one is not asked any more; it stays for its words in past calls and evidence.
    """

    key: str
    dimension: str
    text: Mapping[str, str]
    type: str
    guide: str
    probes: tuple[str, ...]
    mandatory: bool
    seconds: int
    answers: tuple[Answer, ...]
    ask_if: Mapping[str, Any] | None
    archived: bool = False

    @property
    def choices(self) -> tuple[Answer, ...]:
        """The rated answers to choose from, in the order of their digit keys.

        "Don't know" is no choice: every question can be answered so.
        """
        rated = tuple(answer for answer in self.answers if answer.rating is not None)
        return rated or (YES_NO if self.type == "yes_no" else JUDGED)

    @property
    def is_measured(self) -> bool:
        """True when what the lead names may tell the answer."""
        return any(a.at_least is not None or a.within_days is not None for a in self.answers)

    def answer_to(self, *, share: float | None = None, days: int | None = None) -> Answer | None:
        """Return the answer that a named amount (a share of the deal value) or a date in so many
        days is; None where no bound tells.
        """
        if share is not None:
            met = [a for a in self.answers if a.at_least is not None and a.at_least <= share]
            return max(met, key=lambda a: a.at_least or 0.0, default=None)
        if days is not None:
            met = [a for a in self.answers if a.within_days is not None and days <= a.within_days]
            return min(met, key=lambda a: a.within_days or 0, default=None)
        return None

    @property
    def keys(self) -> list[str]:
        """Keys of all answers that it can be given."""
        return list(dict.fromkeys(answer.key for answer in (*self.choices, *self.answers)))


@dataclass(frozen=True)
class Framework:
    """An ordered set of criteria with their questions."""

    name: str
    criteria: tuple[Criterion, ...]
    questions: tuple[Question, ...]

    def criterion(self, dimension: str) -> Criterion | None:
        """Return the criterion of `dimension`, if the framework has one."""
        return next((c for c in self.criteria if c.dimension == dimension), None)

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions that are not archived, in order."""
        return tuple(question for question in self.questions if not question.archived)

    def fields(self) -> set[str]:
        """Return the names of all fields that conditions of its questions read."""
        rules = [question.ask_if for question in self.asked if question.ask_if]
        return set().union(*(conditions.fields_of(rule) for rule in rules))


@dataclass(frozen=True)
class Signal:
    """One line of the scorecard; `points` w is what it gives at x = 1, negative for a malus.

    Exactly one of `attribute` (fit), `activity` (engagement) and `dimension` (qualification) is
    set. `values` gives x per band where it differs from the ICP's. `mu` is what an unknown one
    counts, in points. For engagement x = min(1, decayed count / cap), or 1 inside `window_days`
    of the last event (a cliff).
    """

    key: str
    label: str
    group: str
    points: float
    attribute: str | None = None
    dimension: str | None = None
    activity: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    mu: float | None = None
    cap: float = 1.0
    half_life_days: int = 0
    window_days: int | None = None

    @property
    def assumed(self) -> float:
        """Points counted while unknown."""
        return self.mu if self.mu is not None else ASSUMED_SHARE * max(self.points, 0.0)


@dataclass(frozen=True)
class Group:
    """Bounds of a group's points."""

    cap: float
    floor: float


@dataclass(frozen=True)
class Placement:
    """The fit points by which a lead's ICP is chosen, where they are not those of the score.

    `lines` holds points and assumed points by signal key. Learning changes what counts how much,
    not who belongs to which profile.
    """

    cap: float
    floor: float
    lines: Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True)
class Learned:
    """The outcomes that p was fitted on, and the covariance of its two log-odds parameters.

    `covariance` is (variance at zero points, covariance, variance of the slope a point).
    """

    n: int
    won: int
    covariance: tuple[float, float, float]


@dataclass(frozen=True)
class Gate:
    """A required criterion: known below `minimum` (rating) it holds the tier at warm."""

    dimension: str
    minimum: int


@dataclass(frozen=True)
class Disqualifier:
    """A hard rule; true sets the state disqualified."""

    key: str
    reason: str
    rule: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A score model: every number that scoring uses."""

    name: str
    base: float
    groups: Mapping[str, Group]
    signals: tuple[Signal, ...]
    hot: int
    warm: int
    hysteresis: int
    mql_fit: int
    mql_engagement: int
    gates: tuple[Gate, ...]
    disqualifiers: tuple[Disqualifier, ...]
    p_anchors: tuple[tuple[float, float], tuple[float, float]]
    p_label: str
    p_of: str
    repeat_customer_factor: float
    placement: Placement | None = None
    learned: Learned | None = None

    def of_group(self, group: str) -> list[Signal]:
        """Return the signals of one group, in order."""
        return [signal for signal in self.signals if signal.group == group]

    def fields(self) -> set[str]:
        """Return the names of all fields that its disqualifiers read."""
        return set().union(*(conditions.fields_of(d.rule) for d in self.disqualifiers))


def next_by_key(items: Sequence[Any], key: str) -> Any:
    """Return the item whose `key` is `key`; KeyError otherwise."""
    for item in items:
        if item.key == key:
            return item
    raise KeyError(key)


class Reader:
    """Reads JSON field by field and collects what is wrong under the path of each."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def bad(self, path: str, code: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(FieldProblem(path, code, message))

    def finish(self) -> None:
        """Raise `Invalid` when anything was wrong."""
        if self.problems:
            raise Invalid(self.problems)

    def object(self, value: Any, path: str, allowed: set[str]) -> Mapping[str, Any]:
        """Return an object, noting keys that are not `allowed`."""
        if not isinstance(value, Mapping):
            self.bad(path or "definition", "wrong_type", "must be an object")
            return {}
        for key in value:
            if key not in allowed:
                self.bad(f"{path}.{key}".lstrip("."), "unknown_field", "is not a field here")
        return value

    def items(self, node: Mapping[str, Any], key: str, path: str, least: int = 0) -> list[Any]:
        """Return a list of at least `least` items."""
        value = node.get(key, [])
        at = f"{path}.{key}".lstrip(".")
        if not isinstance(value, list):
            self.bad(at, "wrong_type", "must be a list")
            return []
        if len(value) < least:
            self.bad(at, "empty", f"needs at least {least}")
        return value

    def text(self, node: Mapping[str, Any], key: str, path: str, default: str | None = None) -> str:
        """Return a text; required when there is no default."""
        value = node.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            self.bad(f"{path}.{key}".lstrip("."), "wrong_type", "must be a text that is not empty")
            return ""
        return value

    def number(
        self,
        node: Mapping[str, Any],
        key: str,
        path: str,
        *,
        low: float = -1e12,
        high: float = 1e12,
        default: float | None = None,
    ) -> float:
        """Return a finite number in [low, high]; required when there is no default."""
        value = node.get(key, default)
        at = f"{path}.{key}".lstrip(".")
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            self.bad(at, "wrong_type", "must be a finite number")
            return default if default is not None else low
        if not low <= value <= high:  # infinity and integers beyond any float too
            self.bad(at, "out_of_range", f"must be between {low:g} and {high:g}")
            return default if default is not None else low
        return value

    def key(self, node: Mapping[str, Any], name: str, path: str, most: int = 60) -> str:
        """Return a key: what columns, SQL arrays and addresses can hold without quoting."""
        value = node.get(name)
        if not isinstance(value, str) or len(value) > most or not _KEY.fullmatch(value):
            self.bad(
                f"{path}.{name}".lstrip("."),
                "not_a_key",
                f"must be 1 to {most} of a–z, 0–9, _ and -, a letter or digit first",
            )
            return ""
        return value

    def flag(self, node: Mapping[str, Any], key: str, path: str) -> bool:
        """Return true or false, false when it is left out."""
        value = node.get(key, False)
        if not isinstance(value, bool):
            self.bad(f"{path}.{key}".lstrip("."), "wrong_type", "must be true or false")
        return value is True

    def choice(self, node: Mapping[str, Any], key: str, path: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices`."""
        value = node.get(key)
        if value not in choices:
            options = ", ".join(str(choice) for choice in choices)
            self.bad(f"{path}.{key}".lstrip("."), "not_a_choice", f"must be one of {options}")
            return choices[0]
        return value

    def unique(self, items: Sequence[Any], path: str, key: Callable[[Any], Any]) -> None:
        """Note items whose key stands there twice."""
        seen: set[Any] = set()
        for index, item in enumerate(items):
            if key(item) in seen:
                self.bad(f"{path}[{index}]", "duplicate", f"{key(item)!r} is there already")
            seen.add(key(item))

    def rule(self, node: Any, path: str, fields: Mapping[str, FieldType]) -> None:
        """Note what is wrong with a condition tree."""
        self.problems.extend(conditions.problems(node, fields, path))


def parse_icp(definition: Any, fields: Mapping[str, FieldType]) -> Icp:
    """Parse an ICP; raise Invalid naming each wrong field. `fields` are the known attributes."""
    read = Reader()
    top = read.object(
        definition,
        "",
        {"name", "position", "fallback", "segment", "typical_value_minor", "attributes"},
    )
    segment = top.get("segment")
    if segment is not None:
        read.rule(segment, "segment", fields)
    attributes = []
    for i, raw in enumerate(read.items(top, "attributes", "", least=1)):
        path = f"attributes[{i}]"
        node = read.object(raw, path, {"key", "label", "bands"})
        bands = []
        for j, raw_band in enumerate(read.items(node, "bands", path, least=1)):
            at = f"{path}.bands[{j}]"
            band = read.object(raw_band, at, {"key", "label", "rule", "x"})
            read.rule(band.get("rule"), f"{at}.rule", fields)
            bands.append(
                Band(
                    read.key(band, "key", at),
                    read.text(band, "label", at),
                    band.get("rule", {}),
                    read.number(band, "x", at, low=0, high=1),
                )
            )
        read.unique(bands, f"{path}.bands", lambda b: b.key)
        attributes.append(
            Attribute(read.key(node, "key", path), read.text(node, "label", path), tuple(bands))
        )
    read.unique(attributes, "attributes", lambda a: a.key)
    icp = Icp(
        name=read.text(top, "name", ""),
        position=int(read.number(top, "position", "", low=0, high=1000, default=0)),
        fallback=read.flag(top, "fallback", ""),
        segment=segment,
        typical_value_minor=int(read.number(top, "typical_value_minor", "", low=1)),
        attributes=tuple(attributes),
    )
    read.finish()
    return icp


def parse_framework(definition: Any, fields: Mapping[str, FieldType]) -> Framework:
    """Parse a framework; raise Invalid naming each wrong field."""
    read = Reader()
    top = read.object(definition, "", {"name", "criteria", "questions"})
    criteria = []
    for i, raw in enumerate(read.items(top, "criteria", "", least=1)):
        path = f"criteria[{i}]"
        node = read.object(raw, path, {"dimension", "label", "guide", "expires_days"})
        expires = node.get("expires_days")
        if expires is not None:
            read.number(node, "expires_days", path, low=1, high=3650)
        criteria.append(
            Criterion(
                read.key(node, "dimension", path, 40),
                read.text(node, "label", path),
                read.text(node, "guide", path, ""),
                expires,
            )
        )
    read.unique(criteria, "criteria", lambda c: c.dimension)
    dimensions = [c.dimension for c in criteria]
    questions = []
    for i, raw in enumerate(read.items(top, "questions", "")):
        path = f"questions[{i}]"
        node = read.object(
            raw,
            path,
            {
                "key",
                "dimension",
                "text",
                "type",
                "guide",
                "probes",
                "mandatory",
                "seconds",
                "answers",
                "ask_if",
                "archived",
            },
        )
        wording = read.object(node.get("text"), f"{path}.text", {"b2b", "b2c"})
        read.text(wording, "b2b", f"{path}.text")
        answers = []
        for j, raw_answer in enumerate(read.items(node, "answers", path)):
            at = f"{path}.answers[{j}]"
            answers.append(_parse_answer(read, raw_answer, at, node.get("type")))
        read.unique(answers, f"{path}.answers", lambda a: a.key)
        probes = read.items(node, "probes", path)
        if not all(isinstance(probe, str) for probe in probes):
            read.bad(f"{path}.probes", "wrong_type", "must be a list of texts")
        questions.append(
            Question(
                key=read.key(node, "key", path),
                dimension=read.choice(node, "dimension", path, dimensions or [""]),
                text={
                    "b2b": wording.get("b2b", ""),
                    "b2c": wording.get("b2c") or wording.get("b2b", ""),
                },
                type=read.choice(node, "type", path, QUESTION_TYPES),
                guide=read.text(node, "guide", path, ""),
                probes=tuple(str(probe) for probe in probes),
                mandatory=read.flag(node, "mandatory", path),
                seconds=int(read.number(node, "seconds", path, low=1, high=3600, default=40)),
                answers=tuple(answers),
                ask_if=node.get("ask_if"),
                archived=read.flag(node, "archived", path),
            )
        )
    read.unique(questions, "questions", lambda q: q.key)
    if not read.problems:
        read.problems.extend(branching.problems(questions, dimensions))
    framework = Framework(read.text(top, "name", ""), tuple(criteria), tuple(questions))
    read.finish()
    return framework


# Answers to which types of question may have which bound, and how far it reaches.
_BOUNDS = {"at_least": ("number", 0.0, 1e6), "within_days": ("period", 0.0, 36_500.0)}


def _parse_answer(read: Reader, raw: Any, path: str, question_type: Any) -> Answer:
    node = read.object(raw, path, {"key", "label", "rating", *_BOUNDS})
    rating = node.get("rating")
    if rating is not None and read.number(node, "rating", path, low=0, high=100) % 1:
        read.bad(f"{path}.rating", "wrong_type", "must be a whole number")
    bounds: dict[str, Any] = {}
    for name, (for_type, low, high) in _BOUNDS.items():
        if node.get(name) is None:
            continue
        bounds[name] = read.number(node, name, path, low=low, high=high)
        if question_type != for_type:
            read.bad(f"{path}.{name}", "contradiction", f"goes with questions of type {for_type}")
        elif rating is None:
            read.bad(f"{path}.{name}", "contradiction", "goes with a rated answer")
    if "within_days" in bounds:
        if bounds["within_days"] % 1:
            read.bad(f"{path}.within_days", "wrong_type", "must be a whole number")
        bounds["within_days"] = int(bounds["within_days"])
    return Answer(read.key(node, "key", path), read.text(node, "label", path), rating, **bounds)


def parse_model(
    definition: Any, icp: Icp, framework: Framework, fields: Mapping[str, FieldType]
) -> Model:
    """Parse a score model for the ICP and framework that it pins; raise Invalid naming fields."""
    read = Reader()
    top = read.object(
        definition,
        "",
        {
            "name",
            "base",
            "groups",
            "signals",
            "marks",
            "hysteresis",
            "mql",
            "gates",
            "disqualifiers",
            "p",
            "repeat_customer_factor",
            "placement",
        },
    )
    groups_node = read.object(top.get("groups"), "groups", set(GROUPS))
    groups = {}
    for name in GROUPS:
        node = read.object(groups_node.get(name), f"groups.{name}", {"cap", "floor"})
        cap = read.number(node, "cap", f"groups.{name}", low=0, high=1000)
        floor = read.number(node, "floor", f"groups.{name}", low=-1000, high=0, default=0)
        groups[name] = Group(cap, floor)
    signals = tuple(
        _parse_signal(read, raw, f"signals[{i}]", icp, framework)
        for i, raw in enumerate(read.items(top, "signals", "", least=1))
    )
    read.unique(signals, "signals", lambda s: s.key)
    marks = read.object(top.get("marks", {}), "marks", {"hot", "warm"})
    hot = read.number(marks, "hot", "marks", low=0, high=100, default=60)
    warm = read.number(marks, "warm", "marks", low=0, high=100, default=40)
    if warm >= hot:
        read.bad("marks.warm", "contradiction", "must be below marks.hot")
    mql = read.object(top.get("mql", {}), "mql", {"fit", "engagement"})
    gates = []
    for i, raw in enumerate(read.items(top, "gates", "")):
        node = read.object(raw, f"gates[{i}]", {"dimension", "minimum"})
        dimension = read.choice(
            node, "dimension", f"gates[{i}]", [c.dimension for c in framework.criteria]
        )
        gates.append(
            Gate(dimension, int(read.number(node, "minimum", f"gates[{i}]", low=1, high=100)))
        )
    disqualifiers = []
    for i, raw in enumerate(read.items(top, "disqualifiers", "")):
        path = f"disqualifiers[{i}]"
        node = read.object(raw, path, {"key", "reason", "rule"})
        read.rule(node.get("rule"), f"{path}.rule", fields)
        disqualifiers.append(
            Disqualifier(
                read.key(node, "key", path), read.text(node, "reason", path), node.get("rule", {})
            )
        )
    p_node = read.object(top.get("p", {}), "p", {"anchors", "label", "of", "learned"})
    anchors = _parse_anchors(read, p_node.get("anchors", [[40, 0.08], [60, 0.25]]))
    model = Model(
        name=read.text(top, "name", ""),
        base=read.number(top, "base", "", low=-1000, high=1000, default=0),
        groups=groups,
        signals=signals,
        hot=int(hot),
        warm=int(warm),
        hysteresis=int(read.number(top, "hysteresis", "", low=0, high=20, default=3)),
        mql_fit=int(read.number(mql, "fit", "mql", low=0, high=100, default=50)),
        mql_engagement=int(read.number(mql, "engagement", "mql", low=0, high=100, default=40)),
        gates=tuple(gates),
        disqualifiers=tuple(disqualifiers),
        p_anchors=anchors,
        p_label=read.text(p_node, "label", "p", "Default map, not fitted to outcomes"),
        p_of=read.choice({"of": p_node.get("of", P_OF[0])}, "of", "p", P_OF),
        repeat_customer_factor=read.number(
            top, "repeat_customer_factor", "", low=0, high=100, default=1
        ),
        placement=_parse_placement(read, top.get("placement"), signals),
        learned=_parse_learned(read, p_node.get("learned")),
    )
    read.finish()
    return model


def _parse_placement(read: Reader, raw: Any, signals: Sequence[Signal]) -> Placement | None:
    if raw is None:
        return None
    node = read.object(raw, "placement", {"cap", "floor", "lines"})
    keys = {signal.key for signal in signals if signal.group == "fit"}
    lines = {}
    for key, line in read.object(node.get("lines"), "placement.lines", keys).items():
        path = f"placement.lines.{key}"
        inner = read.object(line, path, {"points", "mu"})
        mu = inner.get("mu")
        if mu is not None:
            read.number(inner, "mu", path, low=-1000, high=1000)
        lines[key] = (read.number(inner, "points", path, low=-1000, high=1000), mu)
    for key in sorted(keys - set(lines)):
        read.bad("placement.lines", "missing", f"has no points for {key}")
    return Placement(
        cap=read.number(node, "cap", "placement", low=0, high=1000),
        floor=read.number(node, "floor", "placement", low=-1000, high=0, default=0),
        lines=lines,
    )


def _parse_learned(read: Reader, raw: Any) -> Learned | None:
    if raw is None:
        return None
    path = "p.learned"
    node = read.object(raw, path, {"n", "won", "covariance"})
    n = int(read.number(node, "n", path, low=0, high=1e12))
    won = int(read.number(node, "won", path, low=0, high=1e12))
    items = read.items(node, "covariance", path)
    numbers = [read.number({"v": v}, "v", f"{path}.covariance") for v in items]
    if len(numbers) != 3:
        read.bad(f"{path}.covariance", "wrong_type", "must be three numbers")
        numbers = [0.0, 0.0, 0.0]
    return Learned(n, won, (numbers[0], numbers[1], numbers[2]))


_Anchors = tuple[tuple[float, float], tuple[float, float]]


def _parse_anchors(read: Reader, raw: Any) -> _Anchors:
    """Two (score, probability) pairs that fix the logistic curve."""
    default: _Anchors = ((40.0, 0.08), (60.0, 0.25))
    try:
        (s0, p0), (s1, p1) = ((float(s), float(p)) for s, p in raw)
    except (TypeError, ValueError, OverflowError):
        read.bad("p.anchors", "wrong_type", "must be two pairs of score and probability")
        return default
    if not (s0 < s1 and 0 < p0 < p1 < 1):
        read.bad("p.anchors", "contradiction", "both must rise, probabilities within 0 and 1")
        return default
    return (s0, p0), (s1, p1)


def _parse_signal(read: Reader, raw: Any, path: str, icp: Icp, framework: Framework) -> Signal:
    node = read.object(
        raw,
        path,
        {
            "key",
            "label",
            "points",
            "attribute",
            "dimension",
            "activity",
            "values",
            "mu",
            "cap",
            "half_life_days",
            "window_days",
        },
    )
    subjects = [key for key in ("attribute", "dimension", "activity") if node.get(key) is not None]
    if len(subjects) != 1:
        read.bad(path, "unknown_shape", "names exactly one of attribute, dimension, activity")
        return Signal("", "", GROUPS[0], 0.0)
    subject = subjects[0]
    common: dict[str, Any] = {
        "key": read.key(node, "key", path),
        "label": read.text(node, "label", path),
        "points": read.number(node, "points", path, low=-1000, high=1000),
        "mu": None
        if node.get("mu") is None
        else read.number(node, "mu", path, low=-1000, high=1000),
    }
    if subject == "attribute":
        attributes = [a.key for a in icp.attributes]
        attribute = read.choice(node, "attribute", path, attributes)
        bands = {band.key for band in icp.attribute(attribute).bands}
        values = read.object(node.get("values", {}), f"{path}.values", bands)
        for band in values:
            read.number(values, band, f"{path}.values", low=0, high=1)
        return Signal(group="fit", attribute=attribute, values=dict(values), **common)
    if subject == "dimension":
        dimension = read.choice(node, "dimension", path, [c.dimension for c in framework.criteria])
        return Signal(group="qualification", dimension=dimension, **common)
    window = node.get("window_days")
    if window is not None:
        read.number(node, "window_days", path, low=1, high=3650)
    half_life = read.choice(
        {"half_life_days": node.get("half_life_days", 0)}, "half_life_days", path, HALF_LIVES
    )
    if window is not None and half_life:
        read.bad(path, "contradiction", "has either a window or a half-life")
    return Signal(
        group="engagement",
        activity=read.choice(node, "activity", path, Kind.values),
        cap=read.number(node, "cap", path, low=1e-6, high=1e6, default=1),
        half_life_days=half_life,
        window_days=window,
        **common,
    )
