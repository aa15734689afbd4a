"""manage.py setup: make a migrated database ready for use; safe to repeat at every start."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User, Workspace
from core.errors import Invalid
from world.configuration import configure
from world.demo import ensure_demo
from world.log_ins import LogIn, demo_log_ins


class Command(BaseCommand):
    """Load what configuration is missing. On a first start, when nobody works here yet, make a
    demo. Print how to log in as each role as long as the demo is there.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        demo = parser.add_mutually_exclusive_group()
        demo.add_argument("--demo", action="store_true", default=True, help="the default")
        demo.add_argument("--no-demo", action="store_false", dest="demo")
        parser.add_argument("--leads", type=int, default=2_000, help="of the demo")

    def handle(self, *args: Any, **options: Any) -> None:
        Workspace.current()
        loaded = configure()
        if loaded:
            self.stderr.write(f"Loaded the default configuration: {', '.join(loaded)}.")
        if options["demo"]:
            try:
                ensure_demo(options["leads"], tell=self.stderr.write)
            except Invalid as error:
                raise CommandError(f"--{error}") from None
        self._tell_log_ins(demo_log_ins())

    def _tell_log_ins(self, log_ins: list[LogIn]) -> None:
        if log_ins:
            self.stdout.write("Demo log-ins (`manage.py remove_demo` takes the demo out):")
            for log_in in log_ins:
                self.stdout.write(f"  {log_in.role:<12} {log_in.email:<28} {log_in.password}")
        elif not User.objects.filter(is_active=True).exists():
            self.stdout.write("Nobody can log in yet: `manage.py createsuperuser` makes an admin.")
