"""Which ops of a `.tflite` file each phone delegate takes, and why it refuses the others."""

from lpie.export.delegates.checker import Refusal, Verdict, check_delegate
from lpie.export.delegates.rules import DELEGATES

__all__ = ["DELEGATES", "Refusal", "Verdict", "check_delegate"]
