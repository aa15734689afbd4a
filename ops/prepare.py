"""Brings the database and the static files up to date. Run by the Python of ``.venv``.

One process for the three commands, since each would spend a second on loading the application.
"""

COMMANDS = (
    ("migrate", "--noinput", "--verbosity", "0"),
    ("collectstatic", "--noinput", "--verbosity", "0"),
    ("setup",),
)


def main() -> None:
    """Exits with the code of the first command that fails."""
    from django.core.management import execute_from_command_line

    for words in COMMANDS:
        execute_from_command_line(["manage.py", *words])


if __name__ == "__main__":
    main()
