"""Pages of scripts: the frameworks, their versions, the editor of drafts, the preview."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from core.clock import now
from core.errors import Invalid, NotFound
from core.filters import require_known
from scoring import editing, framework_selectors, policies, script_drafts, switching
from scoring.beginnings import all_beginnings
from scoring.drafting import content_tag
from scoring.framework_selectors import get_framework, parsed
from scoring.models import FrameworkVersion
from scoring.script_forms import CriterionForm, QuestionForm, StartForm, initial_of
from scoring.views.viewers import model_owner, model_reader

_GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
KINDS = (("b2b", "B2B"), ("b2c", "B2C"))


@require_safe
def list_frameworks(request: HttpRequest) -> HttpResponse:
    """All frameworks with their versions and what uses them."""
    viewer = model_reader(request)
    require_known(request.GET, (), "the scripts")
    context = {
        "frameworks": framework_selectors.list_frameworks(),
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/scripts.html", context)


@_GET_OR_POST
def start_framework(request: HttpRequest) -> HttpResponse:
    """Begin a new framework from a template or from another framework."""
    viewer = model_owner(request)
    beginnings = all_beginnings()
    choices = [(key, found.name) for key, found in beginnings.items()]
    form = StartForm(request.POST if request.method == "POST" else None, choices=choices)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        definition = {**beginnings[form.cleaned_data["start"]].definition, "name": name}
        taken = [found.key for found in framework_selectors.list_frameworks()]
        key = editing.key_from(name, taken).replace("_", "-")
        try:
            draft = script_drafts.start_framework(key, definition, by=viewer)
        except Invalid as error:
            form.add_error("name", error.message)
        else:
            return redirect("scoring:view_framework", draft.pk)
    status = 422 if form.errors else 200
    context = {"form": form, "beginnings": beginnings.values()}
    return render(request, "scoring/script_start.html", context, status=status)


@require_safe
def view_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """One version: criteria, questions, what differs; a draft with its buttons."""
    viewer = model_reader(request)
    require_known(request.GET, ("against",), "a script")
    against = request.GET.get("against", "")
    version = get_framework(framework_id)
    return _show(request, viewer, version, int(against) if against.isdecimal() else None)


def _show(
    request: HttpRequest,
    viewer: User,
    version: FrameworkVersion,
    against: int | None = None,
    error: Invalid | None = None,
) -> HttpResponse:
    may_change = policies.can_change_models(viewer)
    context = {
        "page": framework_selectors.read_framework(version, against),
        "version": version,
        "may_change": may_change,
        "editing": may_change and version.state == FrameworkVersion.State.DRAFT,
        "error": error,
        "now": now(),
    }
    return render(request, "scoring/script.html", context, status=error.status if error else 200)


@require_safe
def preview_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """The script as a rep meets it, with branching; the answers are in the address only."""
    model_reader(request)
    version = get_framework(framework_id)
    content = parsed(version)
    keys = [f"a.{question.key}" for question in content.asked]
    require_known(request.GET, ("as", "at", *keys), "a preview")
    kind = request.GET.get("as") if request.GET.get("as") in dict(KINDS) else KINDS[0][0]
    given = {key.removeprefix("a."): request.GET[key] for key in keys if request.GET.get(key)}
    context = {
        "version": version,
        "content": content,
        "kinds": KINDS,
        "kind": kind,
        "given": given,
        "preview": framework_selectors.preview(
            content, str(kind), given, request.GET.get("at", "")
        ),
    }
    template = "_script_preview" if getattr(request, "htmx", False) else "script_preview"
    return render(request, f"scoring/{template}.html", context)


@require_POST
def open_draft(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Go to the draft of this framework, made when there is none."""
    viewer = model_owner(request)
    draft = script_drafts.open_draft(get_framework(framework_id), by=viewer)
    return redirect("scoring:view_framework", draft.pk)


@_GET_OR_POST
def edit_question(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Change a question of a draft, or add one."""
    viewer = model_owner(request)
    version = get_framework(framework_id)
    content = parsed(version)
    key = request.POST.get("question", "") or request.GET.get("question", "")
    question = next((q for q in content.questions if q.key == key), None)
    if key and question is None:
        raise NotFound
    first = request.GET.get("criterion") or content.criteria[0].dimension
    initial = initial_of(question) if question else {"dimension": first, "type": "choice"}
    form = QuestionForm(
        request.POST if request.method == "POST" else None,
        framework=content,
        question=question,
        initial=initial | {"seen": content_tag(version)},
    )

    def keep() -> str:
        item = form.to_item()
        change = partial(editing.put, part="questions", key=item["key"], item=item)
        places = [q.key for q in content.questions]
        at = places.index(key) if key else None
        return _keep(form, version, viewer, change, "questions", at, item["key"])

    return _edited(request, version, form, "scoring/script_question.html", keep)


@_GET_OR_POST
def edit_criterion(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Change a criterion of a draft, or add one."""
    viewer = model_owner(request)
    version = get_framework(framework_id)
    content = parsed(version)
    key = request.POST.get("criterion", "") or request.GET.get("criterion", "")
    criterion = content.criterion(key)
    if key and criterion is None:
        raise NotFound
    initial: dict[str, Any] = {"seen": content_tag(version)}
    if criterion is not None:
        initial |= {
            name: getattr(criterion, name) for name in CriterionForm.base_fields if name != "seen"
        }
    data = request.POST.copy() if request.method == "POST" else None
    if data is not None and key:
        data["dimension"] = key
    form = CriterionForm(data, initial=initial)
    if criterion is not None:
        form.fields["dimension"].disabled = True

    def keep() -> str:
        item = form.to_item()
        change = partial(editing.put, part="criteria", key=item["dimension"], item=item)
        places = [c.dimension for c in content.criteria]
        at = places.index(key) if key else None
        return _keep(form, version, viewer, change, "criteria", at, item["dimension"])

    return _edited(request, version, form, "scoring/script_criterion.html", keep, criterion)


def _keep(
    form: QuestionForm | CriterionForm,
    version: FrameworkVersion,
    viewer: User,
    change: Callable[..., editing.Json],
    part: editing.Part,
    at: int | None,
    key: str,
) -> str:
    """Write a change; return the key of what was written, "" after showing what is wrong."""
    seen = form.cleaned_data["seen"]
    if at is None and key in {item[editing.NAMES[part]] for item in version.definition[part]}:
        form.add_error(None, f"{key} is there already.")
        return ""
    try:
        script_drafts.change_draft(version.pk, change, by=viewer, seen=seen)
    except Invalid as error:
        place = at if at is not None else editing.place_of(change(version.definition), part, key)
        form.add_problems(error, f"{part}[{place}]")
        return ""
    return key


def _edited(
    request: HttpRequest,
    version: FrameworkVersion,
    form: QuestionForm | CriterionForm,
    template: str,
    keep: Callable[[], str],
    criterion: object = None,
) -> HttpResponse:
    script_drafts.get_draft(version.pk)
    if request.method == "POST" and form.is_valid() and (key := keep()):
        messages.success(request, "Kept in the draft.")
        response = redirect("scoring:view_framework", version.pk)
        response["Location"] += f"#item-{key}"
        return response
    context = {"form": form, "version": version, "criterion": criterion}
    status = Invalid.status if form.errors else 200
    return render(request, template, context, status=status)


@require_POST
def arrange_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Move, duplicate, archive or take out a question or criterion of a draft."""
    viewer = model_owner(request)
    version = script_drafts.get_draft(get_framework(framework_id).pk)
    part = cast(editing.Part, request.POST.get("part", ""))
    key, act = request.POST.get("key", ""), request.POST.get("act", "")
    if part not in editing.NAMES:
        raise Invalid.field("part", "not_a_choice", "must be questions or criteria")
    changes: dict[str, Callable[[editing.Json], editing.Json]] = {
        "up": lambda d: editing.move(d, part, key, -1),
        "down": lambda d: editing.move(d, part, key, 1),
        "duplicate": lambda d: editing.duplicate(d, key),
        "archive": lambda d: editing.archive(d, key, archived=True),
        "restore": lambda d: editing.archive(d, key, archived=False),
        "remove": lambda d: editing.remove(d, part, key),
    }
    if act not in changes or (part == "criteria" and act not in ("up", "down", "remove")):
        raise Invalid.field("act", "not_a_choice", f"must be one of {', '.join(changes)}")
    if part == "questions" and act == "remove" and script_drafts.was_published(key):
        raise Invalid.field("act", "in_use", "was asked already, so it can only be archived")
    try:
        script_drafts.change_draft(version.pk, changes[act], by=viewer)
    except Invalid as error:
        return _show(request, viewer, version, error=error)
    response = redirect("scoring:view_framework", version.pk)
    response["Location"] += f"#item-{key}"
    return response


@require_POST
def publish_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Make a draft live, with the models on it."""
    viewer = model_owner(request)
    version = get_framework(framework_id)
    try:
        script_drafts.publish_framework(version.pk, by=viewer)
    except Invalid as error:
        return _show(request, viewer, version, error=error)
    messages.success(request, f"{version.definition['name']} v{version.number} is live.")
    return redirect("scoring:view_framework", version.pk)


@require_POST
def discard_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Delete a draft."""
    viewer = model_owner(request)
    version = get_framework(framework_id)
    script_drafts.discard_draft(version.pk, by=viewer)
    messages.success(request, f"The draft v{version.number} is gone.")
    return redirect("scoring:list_frameworks")


@_GET_OR_POST
def switch_framework(request: HttpRequest, framework_id: int) -> HttpResponse:
    """Show what a profile's change to this framework carries over; make the draft of its model."""
    viewer = model_owner(request)
    require_known(request.GET, ("model",), "a change of framework")
    version = get_framework(framework_id)
    models = switching.models_elsewhere(version)
    key = request.POST.get("model", "") or request.GET.get("model", "")
    chosen = next((model for model in models if model.key == key), None)
    if chosen is None and (key or not models):
        raise NotFound("No live model of this key uses another framework.")
    chosen = chosen or models[0]
    if request.method == "POST":
        draft = switching.switch(chosen, version, by=viewer)
        messages.success(request, "The draft is made. Nothing changes until it is published.")
        return redirect("scoring:view_version", draft.pk)
    context = {
        "version": version,
        "models": models,
        "chosen": chosen,
        "carried": switching.carried(chosen, version),
    }
    return render(request, "scoring/script_switch.html", context)
