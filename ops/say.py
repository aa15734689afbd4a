"""What the user is told, and errors that end a command with one line instead of a traceback."""

import os
import sys
from typing import TextIO


class Stop(Exception):
    """Ends the command: its text is the one line the user sees. ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(message: str, stream: TextIO | None = None) -> None:
    """Tells the user something, on stderr: stdout belongs to the command that was asked for.

    A reader that went away (``| head``, a closed terminal) is no reason to stop.
    """
    stream = stream or sys.stderr
    try:
        print(message, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
