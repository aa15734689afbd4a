"""Whole reads of the pages about scripts: which there are, one version, and its preview."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import Invalid, NotFound
from core.versions import Version
from scoring.branching import Known, is_asked
from scoring.definitions import Answer, Criterion, Framework, Question, parse_framework
from scoring.describing import Difference
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, ModelVersion
from scoring.script_words import condition, differences

_STATE = Version.State
Counter = Callable[[Sequence[int]], Mapping[int, int]]
_counters: list[Counter] = []


def count_uses(counter: Counter) -> None:
    """Have `counter` say how many calls used each framework version, by id; by an app above."""
    _counters.append(counter)


@dataclass(frozen=True)
class ListedFramework:
    """A framework by key; `models` are the live ones on it, `calls` those that asked by it."""

    key: str
    live: FrameworkVersion | None
    drafts: tuple[FrameworkVersion, ...]
    retired: tuple[FrameworkVersion, ...]
    models: tuple[ModelVersion, ...]
    calls: int

    @property
    def newest(self) -> FrameworkVersion:
        """The version that stands for the framework."""
        return self.live or (self.drafts or self.retired)[0]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.newest.definition.get("name") or self.key)

    @property
    def asked(self) -> int:
        """How many questions are asked."""
        return sum(not q.get("archived") for q in self.newest.definition["questions"])


def list_frameworks(key: str = "") -> list[ListedFramework]:
    """Return all frameworks, or the one of this key; two queries and one for each counter."""
    versions = FrameworkVersion.objects.select_related("created_by", "published_by")
    by_key: dict[str, list[FrameworkVersion]] = {}
    for version in versions.filter(key=key) if key else versions:
        by_key.setdefault(version.key, []).append(version)
    models: dict[str, list[ModelVersion]] = {}
    for model in ModelVersion.objects.filter(state=_STATE.LIVE).select_related("icp", "framework"):
        models.setdefault(model.framework.key, []).append(model)
    ids = [version.pk for own in by_key.values() for version in own]
    uses = [counter(ids) for counter in _counters]
    return [
        ListedFramework(
            key=name,
            live=next((v for v in own if v.state == _STATE.LIVE), None),
            drafts=tuple(v for v in own if v.state in (_STATE.DRAFT, _STATE.PROPOSED)),
            retired=tuple(v for v in own if v.state == _STATE.RETIRED),
            models=tuple(models.get(name, ())),
            calls=sum(used.get(v.pk, 0) for used in uses for v in own),
        )
        for name, own in by_key.items()
    ]


def get_framework(version_id: int) -> FrameworkVersion:
    """Return a framework version; raise NotFound otherwise."""
    found = (
        FrameworkVersion.objects.select_related("created_by", "published_by")
        .filter(pk=version_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def parsed(version: FrameworkVersion) -> Framework:
    """Return the content of a version. Raises Invalid when it cannot be read any more."""
    return parse_framework(version.definition, field_types(all_fields()))


@dataclass(frozen=True)
class ShownQuestion:
    """A question with its place among all and the words of its condition."""

    number: int
    question: Question
    asked_if: str
    published: bool


@dataclass(frozen=True)
class FrameworkPage:
    """One version of a script: its criteria, its questions in order, its siblings.

    `changes` is what differs from `against`, None when there is nothing to compare with.
    """

    version: FrameworkVersion
    content: Framework
    listed: ListedFramework
    questions: list[ShownQuestion]
    archived: list[ShownQuestion]
    against: FrameworkVersion | None
    changes: list[Difference] | None

    @property
    def minutes(self) -> int:
        """Planned length in minutes, rounded up."""
        return -(-sum(question.seconds for question in self.content.asked) // 60)

    @property
    def criteria(self) -> list[tuple[Criterion, int]]:
        """The criteria, each with the number of its questions."""
        return [
            (c, sum(q.dimension == c.dimension for q in self.content.asked))
            for c in self.content.criteria
        ]

    @property
    def versions(self) -> list[FrameworkVersion]:
        """All versions, the newest first."""
        own = [*self.listed.drafts, *self.listed.retired]
        own += [self.listed.live] if self.listed.live else []
        return sorted(own, key=lambda v: -v.number)


def read_framework(version: FrameworkVersion, against: int | None = None) -> FrameworkPage:
    """Return a version beside another of its key, the live one if none is named."""
    content = parsed(version)
    listed = list_frameworks(version.key)[0]
    other = listed.live
    siblings = (*listed.drafts, *listed.retired, *([listed.live] if listed.live else ()))
    if against is not None:
        other = next((v for v in siblings if v.pk == against), None)
        if other is None:
            raise NotFound
    changes = None
    if other is not None and other.pk != version.pk:
        try:
            changes = differences(parsed(other), content)
        except Invalid:
            changes = None  # what an old version read is gone
    published = {
        question["key"]
        for sibling in siblings
        if sibling.state in (_STATE.LIVE, _STATE.RETIRED)
        for question in sibling.definition["questions"]
    }
    shown = [
        ShownQuestion(number, question, condition(content, question), question.key in published)
        for number, question in enumerate(content.questions, 1)
    ]
    return FrameworkPage(
        version=version,
        content=content,
        listed=listed,
        questions=[item for item in shown if not item.question.archived],
        archived=[item for item in shown if item.question.archived],
        against=other,
        changes=changes,
    )


@dataclass(frozen=True)
class PreviewLine:
    """A question in a preview; `state` is open, answered or not_asked."""

    number: int
    question: Question
    criterion: str
    text: str
    asked_if: str
    state: str
    given: str


@dataclass(frozen=True)
class Preview:
    """A script as a rep would meet it after these answers; nothing of it is kept."""

    lines: list[PreviewLine]
    current: PreviewLine | None
    seconds: int


def preview(content: Framework, kind: str, given: Mapping[str, str], at: str) -> Preview:
    """Return the script after the answers `given` by question, with the question `at` shown.

    Without `at` it is the first open one. An answer rates its question's dimension, as in a call.
    """
    labels = {criterion.dimension: criterion.label for criterion in content.criteria}
    ratings: dict[str, float] = {}
    for question in content.asked:
        answer = _answer(question, given.get(question.key, ""))
        if answer is not None and answer.rating is not None:
            ratings[question.dimension] = answer.rating
    known = Known(ratings, {k: v for k, v in given.items() if v != "-"}, {"kind": kind})
    lines = []
    for number, question in enumerate(content.asked, 1):
        told = given.get(question.key, "")
        state = "answered" if told else "open" if is_asked(question, known) else "not_asked"
        lines.append(
            PreviewLine(
                number,
                question,
                labels[question.dimension],
                question.text[kind],
                condition(content, question),
                state,
                told,
            )
        )
    current = next((line for line in lines if line.question.key == at), None) or next(
        (line for line in lines if line.state == "open"), None
    )
    seconds = sum(line.question.seconds for line in lines if line.state != "not_asked")
    return Preview(lines, current, seconds)


def _answer(question: Question, key: str) -> Answer | None:
    return next((a for a in (*question.choices, *question.answers) if a.key == key), None)
