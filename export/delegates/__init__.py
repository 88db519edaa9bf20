"""Which ops of a `.tflite` file each phone delegate takes, and why it refuses the others."""

from lpie.export.delegates.checker import DELEGATES, Refusal, Verdict, check_delegate, find_rules

__all__ = ["DELEGATES", "Refusal", "Verdict", "check_delegate", "find_rules"]
