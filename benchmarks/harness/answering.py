"""A child's side of the conversation with `Child`: an answer first, then one for each request.

Needs Python alone, as the child on PyTorch has no lpie.
"""

import json
import sys
from collections.abc import Callable
from typing import Any


def read_job() -> dict[str, Any]:
    """The first line on stdin."""
    return json.loads(sys.stdin.readline())


def answer_requests(
    about: dict[str, Any], reply: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Say `about`, then what `reply` makes of each request, until stdin ends."""
    answer = about
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        answer = reply(json.loads(line))
