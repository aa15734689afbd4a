"""manage.py create_token EMAIL: make an API token and print it once."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.tokens import LIFETIME, create_token


class Command(BaseCommand):
    """Make an API token for a user and print it; it cannot be shown again."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--days", type=int, default=LIFETIME.days, help="until it expires")
        parser.add_argument("--read-only", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"].casefold(), is_active=True).first()
        if user is None:
            raise CommandError(f"No active user has the address {options['email']}.")
        if not 1 <= options["days"] <= 3650:
            raise CommandError("--days must be between 1 and 3650.")
        _, text = create_token(
            user,
            name=options["name"],
            read_only=options["read_only"],
            lifetime=dt.timedelta(days=options["days"]),
        )
        self.stdout.write(text)
