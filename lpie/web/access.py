"""Who may open the page: this computer alone, or who has a one-time token."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

COOKIE = "lpie"
MOST_DEVICES = 64


@dataclass
class Access:
    """The tokens and devices of one run of the server.

    Attributes:
        open: Everyone who reaches the server is let in: it listens on this computer alone.
        invited: Called with a new token whenever one was used, to show it.
    """

    open: bool
    invited: Callable[[str], None] = lambda token: None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _devices: set[str] = field(default_factory=set)

    def enter(self, token: str) -> str | None:
        """A device's cookie for the present token, which is used up by it; else None."""
        fits = secrets.compare_digest(token.encode(), self.token.encode())
        if not fits or len(self._devices) >= MOST_DEVICES:
            return None
        device = secrets.token_urlsafe(24)
        self._devices.add(device)
        self.token = secrets.token_urlsafe(18)
        self.invited(self.token)
        return device

    def knows(self, cookies: str) -> bool:
        """Whether a request with these cookies may see the page."""
        if self.open:
            return True
        try:
            jar = SimpleCookie(cookies)
        except CookieError:
            return False
        return COOKIE in jar and jar[COOKIE].value in self._devices
