"""Pages of one's own account."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import shortcuts
from accounts.models import User
from core.errors import Invalid

_TITLES = {"page": "Pages", "call": "Call console"}


@require_http_methods(["GET", "HEAD", "POST"])
def edit_shortcuts(request: HttpRequest) -> HttpResponse:
    """Switch single-key shortcuts off, or give them other keys."""
    user = cast(User, request.user)
    keys = {scope: shortcuts.keys_of(user.shortcuts, scope) for scope in shortcuts.SCOPES}
    on = user.shortcuts.get("on", True)
    problems: dict[str, str] = {}
    if request.method == "POST":
        on = "on" in request.POST
        if "reset" in request.POST:
            keys = {scope: shortcuts.defaults(scope) for scope in shortcuts.SCOPES}
        else:
            for scope, own in keys.items():
                for action in own:
                    given = request.POST.get(f"{scope}:{action}", own[action]).strip()
                    own[action] = given if given == "Enter" else given.lower()
        try:
            user.shortcuts = shortcuts.checked(on, keys)
        except Invalid as error:
            problems = {p.field: f"{p.message[:1].upper()}{p.message[1:]}." for p in error.problems}
        else:
            user.save(update_fields=["shortcuts"])
            messages.success(request, "Your shortcuts are kept.")
            return redirect("accounts:edit_shortcuts")
    groups = [
        (_TITLES[scope], [_row(scope, action, key, problems) for action, key in own.items()])
        for scope, own in keys.items()
    ]
    context = {"groups": groups, "on": on, "problems": problems}
    status = Invalid.status if problems else 200
    return render(request, "accounts/shortcuts.html", context, status=status)


def _row(scope: str, action: str, key: str, problems: dict[str, str]) -> tuple[str, ...]:
    name = f"{scope}:{action}"
    usual = shortcuts.defaults(scope)[action]
    return name, shortcuts.label(scope, action), key, usual, problems.get(name, "")
