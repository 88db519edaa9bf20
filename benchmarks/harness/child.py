"""A process that stays up and works only when it is asked, so that several can take turns."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lpie.errors import LpieError, last_line
from lpie.system.signals import child


class Killed(LpieError):
    """The system ended a child, which it does to the largest process when memory runs out."""


class Child:
    """A program that answers each line of JSON on its stdin with one on its stdout."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        job: dict[str, Any],
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        # A file, not a pipe: nobody reads it while the child works, and a full pipe would stop it.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the child)
        self._stack = contextlib.ExitStack()
        self._process = self._stack.enter_context(
            child(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **(variables or {})},
            )
        )
        try:
            self.about = self.ask(job)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._process.communicate()  # closes its stdin, at whose end it stops
        self._stack.__exit__(kind, error, trace)  # kills it after an error
        self._errors.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to `request`; an `LpieError` with its last words when the child has died."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        for line in stdout:
            if line.startswith("{"):  # libraries may print too
                return json.loads(line)
        raise self._died()

    def peak_mb(self) -> float | None:
        """The most resident memory it has had, in 10^6 bytes; None where the system is silent."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return None
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6

    def _died(self) -> LpieError:
        if self._process.wait() == -signal.SIGKILL:
            return Killed(f"{self.name} was killed, likely out of memory.")
        self._errors.seek(0)
        return LpieError(f"{self.name} failed: {last_line(self._errors.read())}")
