"""What somebody may do at the console, and at which sites.

A viewer reads; a responder also takes on what people are told about, gives it back and passes it on; a supervisor also
resolves, and acts for others; an admin also looks after accounts. All of it at the sites that the account is bound to and
nowhere else. What concerns several sites at once (a summary, a worker that is behind) is shown to everybody: it may be
his too, and hiding it could leave it without anybody.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """From least to most; each may do all that those before it may."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


_ORDER = tuple(Role)
SEVERAL = "*"
"""The site of what concerns several at once."""


@dataclass(frozen=True, slots=True)
class Rights:
    """`sites` None: everywhere."""

    role: Role
    sites: tuple[str, ...] | None = None

    def include(self, needed: Role) -> bool:
        """Whether they go as far as the role `needed` does."""
        return _ORDER.index(self.role) >= _ORDER.index(needed)

    def over(self, sites: "tuple[str, ...] | None") -> bool:
        """Whether they hold at every one of these sites; None: all there are."""
        return self.sites is None or (sites is not None and set(sites) <= set(self.sites))

    def everywhere(self, needed: Role) -> bool:
        """Whether they go as far as the role `needed` does, at all sites: for what concerns the whole installation."""
        return self.sites is None and self.include(needed)

    def at(self, site: str) -> bool:
        """Whether they hold at a site; SEVERAL concern everybody."""
        return self.sites is None or site in (*self.sites, SEVERAL)


EVERYTHING = Rights(Role.ADMIN)
