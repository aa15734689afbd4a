"""What the user is told, and errors that end a command with one line instead of a traceback."""

import sys


class Stop(Exception):
    """Ends the command: its text is the one line the user sees. ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Tells the user something on stderr: stdout belongs to the command that was asked for."""
    print(message, file=sys.stderr, flush=True)
