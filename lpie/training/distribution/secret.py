"""What the processes of a job know and strangers do not; it is never sent itself."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from lpie.errors import InputError, LpieError
from lpie.system.documents import read_text

VARIABLE = "LPIE_JOB_SECRET"
FILE = "job.secret"
SHORTEST = 16  # characters


@dataclass(frozen=True)
class Secret:
    """The secret of a job: one that somebody chose, or that host 0 makes in a shared folder."""

    text: str = ""
    folder: Path = Path()

    def make(self) -> bytes:
        """Host 0's: the chosen one, else a new one, which whoever may read the folder can read."""
        if self.text:
            return self.text.encode()
        text = secrets.token_hex(32)
        path = self.folder / FILE
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            # New, so that nobody else can have opened it, nor made it a link to elsewhere.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
                f.write(text)
        except OSError as error:
            raise LpieError(
                f"Cannot write to {self.folder}: {error.strerror}. Choose another `workdir`."
            ) from None
        return text.encode()

    def read(self) -> bytes | None:
        """The others': None while host 0 has not made it, or its file cannot be seen yet."""
        if self.text:
            return self.text.encode()
        try:
            # Over NFS a name may stay hidden until somebody looks at its folder.
            with contextlib.suppress(OSError):
                os.listdir(self.folder)
            return read_text(self.folder / FILE, most=1000).strip().encode() or None
        except (OSError, InputError):
            return None

    def forget(self) -> None:
        """Host 0's: remove the file; once all have met nobody needs it."""
        if not self.text:
            with contextlib.suppress(OSError):
                (self.folder / FILE).unlink(missing_ok=True)

    @property
    def patience_s(self) -> float:
        """How long host 0 may seem to have another one: NFS shows a new file up to this late."""
        return 3.0 if self.text else 60.0

    @property
    def remedy(self) -> str:
        """What to do where two processes do not have the same one."""
        if self.text:
            return f"Give all processes the same secret, in {VARIABLE} or a file (--secret-file)."
        return (
            f"All processes read it from {self.folder}, which must be a folder that all hosts "
            f"share; or give them the same secret in {VARIABLE}."
        )


def find_secret(folder: Path, file: Path | None = None) -> Secret:
    """The secret in `file`, in the environment, or else that of the folder of the run."""
    if file is not None:
        return Secret(_checked(read_text(file, most=10_000).strip(), f"The secret in {file}"))
    if VARIABLE in os.environ:
        return Secret(_checked(os.environ[VARIABLE].strip(), VARIABLE))
    return Secret(folder=folder)


def _checked(text: str, name: str) -> str:
    if len(text) < SHORTEST:
        raise InputError(
            f"{name} must have at least {SHORTEST} characters. Received: {len(text)} of them. "
            "`openssl rand -hex 32` makes one."
        )
    return text
