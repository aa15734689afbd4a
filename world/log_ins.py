"""Passwords of the demo people: random for each installation, kept in a file that only we read."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from accounts.models import User
from accounts.roles import Role
from world.cast import PEOPLE


@dataclass(frozen=True)
class LogIn:
    """How to log in as one role. `digest` is the stored hash, by which a change is noticed."""

    role: str
    email: str
    password: str
    digest: str


def path() -> Path:
    """Where the log-ins are kept."""
    return Path(settings.DATA_DIR) / "demo-logins.json"


def demo_log_ins() -> list[LogIn]:
    """Return a log-in for each role that has a demo person, making new passwords where none is
    known here. Empty without demo people. A password that its user has changed is not shown.
    """
    people = {user.email: user for user in User.objects.filter(is_demo=True, is_active=True)}
    # Who has no password was made after the file was written: the database is another one.
    known = {
        log_in.email: log_in
        for log_in in _read()
        if log_in.email not in people or people[log_in.email].has_usable_password()
    }
    found = []
    for role in Role:
        person = next((p for p in PEOPLE if p.role == role and p.email in people), None)
        if person is None:
            continue
        user = people[person.email]
        log_in = known.get(user.email) or _give_password(user)
        if log_in.digest != user.password:
            log_in = LogIn(role, user.email, "(changed)", log_in.digest)
        found.append(log_in)
    made = [log_in for log_in in found if log_in.email not in known]
    if made:
        _write([*(log_in for log_in in known.values() if log_in.email in people), *made])
    return found


def forget_log_ins() -> None:
    """Remove the file."""
    path().unlink(missing_ok=True)


def _give_password(user: User) -> LogIn:
    password = secrets.token_urlsafe(12)  # 96 bits
    user.set_password(password)
    user.save(update_fields=["password"])
    return LogIn(user.role, user.email, password, user.password)


def _read() -> list[LogIn]:
    try:
        return [LogIn(**entry) for entry in json.loads(path().read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []  # none yet, or damaged: new passwords are made


def _write(log_ins: list[LogIn]) -> None:
    """Write the file so that at no moment anybody else may read it or half of it is there."""
    path().parent.mkdir(parents=True, exist_ok=True)
    draft = path().with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump([asdict(log_in) for log_in in log_ins], file, indent=2)
    draft.replace(path())
