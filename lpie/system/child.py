"""A process that stays up and works only when it is asked, so that several can take turns."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lpie.errors import LpieError, last_line
from lpie.system.signals import child


class Died(LpieError):
    """A child ended before it answered. code: as a shell tells it. printed: all that it printed."""

    def __init__(self, message: str, code: int, printed: str) -> None:
        super().__init__(message)
        self.code, self.printed = code, printed


class Killed(Died):
    """The system ended a child, which it does to the largest process when memory runs out."""


class Hung(LpieError):
    """A child did not answer in time and was ended."""


class Child:
    """A program that answers each line of JSON on its stdin with one on its stdout.

    about: its answer to the job. limit_s: how long it may take for that. options: those of
    `subprocess.Popen`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        job: dict[str, Any],
        *,
        variables: Mapping[str, str] | None = None,
        limit_s: float | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        # A file, not a pipe: nobody reads it while the child works, and a full pipe would stop it.
        self._errors = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed with the child)
        self._chatter: list[str] = []
        self._stack = contextlib.ExitStack()
        self._process = self._stack.enter_context(
            child(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                errors="replace",
                env={**os.environ, **(variables or {})},
                **options,
            )
        )
        try:
            self.about = self.ask(job, limit_s=limit_s)
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

    def close(self) -> None:
        """End it at once, whatever it is at."""
        self._process.kill()
        self.__exit__(None, None, None)

    def ask(self, request: dict[str, Any], *, limit_s: float | None = None) -> dict[str, Any]:
        """The answer to `request`. Raises `Died` with its last words, or `Hung` after `limit_s`."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(limit_s or 0, stop)
        if limit_s is not None:
            timer.start()
        try:
            answer = self._answer(request)
        except Died:
            if late.is_set():
                raise Hung(f"{self.name} did not end within {limit_s:g} s.") from None
            raise
        finally:
            timer.cancel()
        return answer

    def printed(self) -> str:
        """All that it has printed so far, but for its answers."""
        # Opened anew: the child writes where the position of its own file is.
        errors = Path(self._errors.name).read_text(errors="replace")
        return "".join(self._chatter) + errors

    def peak_mb(self) -> float | None:
        """The most resident memory it has had, in 10^6 bytes; None where the system is silent."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return None
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
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
                with contextlib.suppress(ValueError):
                    return json.loads(line)
            self._chatter.append(line)
        raise self._died()

    def _died(self) -> Died:
        code = self._process.wait()
        printed = self.printed()
        shell_code = 128 - code if code < 0 else code
        if code < 0:
            killed = code == -signal.SIGKILL or "bad_alloc" in printed  # of C++, which then aborts
            kind = Killed if killed else Died
            how = "was killed, likely out of memory" if killed else ended_by(code)
            return kind(f"{self.name} {how}.", shell_code, printed)
        return Died(f"{self.name} failed: {last_line(printed)}", shell_code, printed)


def ended_by(code: int) -> str:
    """What the exit code of a process that a signal has ended says; nothing of any other."""
    if code >= 0:
        return ""
    if code == -signal.SIGXCPU:
        return "did not end within the computing time that it is allowed"
    return f"crashed ({signal.Signals(-code).name})"
