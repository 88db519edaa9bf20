"""Text of strangers, safe to print: names in files, what a device answers, what somebody typed."""

import re

# What moves a terminal's cursor or changes its colours (C0, C1, DEL), what ends a line for some
# programs, what turns the reading direction or hides (as in "Trojan Source", CVE-2021-42574), and
# the halves of characters that stand for bytes of a name which is not UTF-8.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\u2028\u2029"
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"
)
_ANYWHERE = re.compile(f"[{_UNSAFE}]")
# A line break before an indented line is our own: a list below a sentence.
_IN_LINES = re.compile(f"(?!\n  )[{_UNSAFE}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: object, *, lines: bool = False) -> str:
    r"""`text` on one line, with escapes such as `\x1b` for what a terminal would act on.

    A byte of a name that is not UTF-8 becomes `\xff`. Printing the result again changes nothing.

    Args:
        text: The text, or anything with one.
        lines: Whether line breaks before two spaces stay, as in a list below a sentence.
    """
    return (_IN_LINES if lines else _ANYWHERE).sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # as `os.fsdecode` hides a byte
        number -= 0xDC00
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")
