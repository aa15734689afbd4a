"""A script in words: its conditions, and what differs between two versions. Pure."""

from collections.abc import Mapping, Sequence

from core.condition_words import words
from core.conditions import Leaf, Node, leaves
from scoring.branching import ANSWER, LEAD_FIELDS, RATING
from scoring.definitions import Answer, Framework, Question
from scoring.describing import Difference
from scoring.fields import BUILT_IN

TYPES: Mapping[str, str] = {
    "choice": "Choice",
    "scale": "Scale",
    "yes_no": "Yes or no",
    "number": "Number and currency",
    "period": "Date or period",
    "text": "Free text",
    "person": "Person",
}
MOST = 60


def short(question: Question) -> str:
    """Return a question's words, cut to a line."""
    text = question.text["b2b"]
    return text if len(text) <= MOST else f"{text[: MOST - 1].rstrip()}…"


def field_labels(framework: Framework) -> dict[str, str]:
    """Return the names of what conditions read, for people."""
    labels = {found.name: found.label for found in BUILT_IN if found.name in LEAD_FIELDS}
    for criterion in framework.criteria:
        labels[f"{RATING}{criterion.dimension}"] = f"the rating of {criterion.label}"
    for question in framework.questions:
        labels[f"{ANSWER}{question.key}"] = f"the answer to “{short(question)}”"
    return labels


def condition(framework: Framework, question: Question) -> str:
    """Say when a question is asked, "" for always."""
    if not question.ask_if:
        return ""
    return words(_with_answers(question.ask_if, framework), field_labels(framework))


def _with_answers(rule: Node, framework: Framework) -> Node:
    """Put the answers' words in place of their keys."""
    for key in ("all", "any"):
        if key in rule:
            return {key: [_with_answers(child, framework) for child in rule[key]]}
    if "not" in rule:
        return {"not": _with_answers(rule["not"], framework)}
    leaf: Leaf = next(leaves(rule))
    if not leaf.field.startswith(ANSWER) or leaf.value is None:
        return rule
    key = leaf.field.removeprefix(ANSWER)
    asked = next((q for q in framework.questions if q.key == key), None)
    found: Sequence[Answer] = (*asked.choices, *asked.answers) if asked else ()
    labels = {answer.key: f"“{answer.label}”" for answer in found}
    value = leaf.value
    told = (
        [labels.get(v, v) for v in value] if isinstance(value, list) else labels.get(value, value)
    )
    return {**rule, "value": told}


def differences(old: Framework, new: Framework) -> list[Difference]:
    """Return what differs between two versions of a script, in the order of the newer one."""
    found = [Difference("Name", old.name, new.name)]
    labels = {c.dimension: c.label for c in (*old.criteria, *new.criteria)}
    before = {c.dimension: c for c in old.criteria}
    after = {c.dimension: c for c in new.criteria}
    for key in dict.fromkeys((*after, *before)):
        what = f"Criterion {labels[key]}"
        if key not in before or key not in after:
            found.append(Difference(what, _there(before, key), _there(after, key)))
            continue
        one, other = before[key], after[key]
        found += [
            Difference(f"{what}, label", one.label, other.label),
            Difference(f"{what}, guide", one.guide, other.guide),
            Difference(f"{what}, life", _life(one.expires_days), _life(other.expires_days)),
        ]
    found.append(
        Difference(
            "Order of the criteria", _order(old, new, "criteria"), _order(new, old, "criteria")
        )
    )
    for key in dict.fromkeys(q.key for q in (*new.questions, *old.questions)):
        found += _question(old, new, key)
    found.append(
        Difference(
            "Order of the questions", _order(old, new, "questions"), _order(new, old, "questions")
        )
    )
    return [difference for difference in found if difference.before != difference.after]


def _there(items: Mapping[str, object], key: str) -> str:
    return "there" if key in items else ""


def _life(days: int | None) -> str:
    return f"{days} days" if days else "as set for all"


def _order(framework: Framework, other: Framework, part: str) -> str:
    """Name what both versions have, in the order of the first."""
    if part == "criteria":
        shared = {c.dimension for c in other.criteria}
        return ", ".join(c.label for c in framework.criteria if c.dimension in shared)
    shared = {q.key for q in other.questions}
    return ", ".join(f"“{short(q)}”" for q in framework.questions if q.key in shared)


def _question(old: Framework, new: Framework, key: str) -> list[Difference]:
    one = next((q for q in old.questions if q.key == key), None)
    other = next((q for q in new.questions if q.key == key), None)
    if one is None or other is None:
        asked = one or other
        assert asked is not None
        what = f"Question “{short(asked)}”"
        return [Difference(what, "there" if one else "", "there" if other else "")]
    what = f"Question “{short(one)}”"
    told = [
        Difference(f"{what}, reworded", one.text["b2b"], other.text["b2b"]),
        Difference(f"{what}, reworded for B2C", one.text["b2c"], other.text["b2c"]),
        Difference(f"{what}, criterion", _label(old, one), _label(new, other)),
        Difference(f"{what}, type", TYPES[one.type], TYPES[other.type]),
        Difference(f"{what}, guide", one.guide, other.guide),
        Difference(f"{what}, probes", " / ".join(one.probes), " / ".join(other.probes)),
        Difference(f"{what}, required", _yes(one.mandatory), _yes(other.mandatory)),
        Difference(f"{what}, planned time", f"{one.seconds} s", f"{other.seconds} s"),
        Difference(
            f"{what}, asked only if",
            condition(old, one) or "always asked",
            condition(new, other) or "always asked",
        ),
        Difference(f"{what}, archived", _yes(one.archived), _yes(other.archived)),
    ]
    told += _answers(what, one, other)
    return told


def _answers(what: str, one: Question, other: Question) -> list[Difference]:
    before = {answer.key: answer for answer in one.answers}
    after = {answer.key: answer for answer in other.answers}
    found = []
    for key in dict.fromkeys((*after, *before)):
        old, new = before.get(key), after.get(key)
        named = old or new
        assert named is not None
        found.append(
            Difference(f"{what}, answer “{named.label}”", rated(old), rated(new))
            if old and new and old.label == new.label
            else Difference(f"{what}, answer", _answer(old), _answer(new))
        )
    return found


def rated(answer: Answer | None) -> str:
    """Return an answer's rating in words."""
    if answer is None:
        return ""
    told = "not known" if answer.rating is None else f"rated {answer.rating}"
    if answer.at_least is not None:
        told += f", from {answer.at_least:g} × the deal value"
    if answer.within_days is not None:
        told += f", within {answer.within_days} days"
    return told


def _answer(answer: Answer | None) -> str:
    return f"{answer.label} ({rated(answer)})" if answer else ""


def _label(framework: Framework, question: Question) -> str:
    criterion = framework.criterion(question.dimension)
    return criterion.label if criterion else question.dimension


def _yes(value: bool) -> str:
    return "yes" if value else "no"
