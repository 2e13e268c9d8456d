"""What a page offers to who is signed in: whether he may act at all, and in whose name.

Nobody is ever chosen for him but himself. Who is signed in stands first and is chosen, also where the policy does not
know him; a screen that several people use, and where nobody is signed in by name, has to say who it is.
"""

from dataclasses import dataclass

from console.auth import SignedIn
from console.showing import Words
from models.store.rights import Role


@dataclass(frozen=True, slots=True)
class May:
    """`respond`: acknowledge, give back, pass on; `supervise`: resolve, and act for others. `own` is who is signed in,
    empty on a screen that several people use; `people` are (key, name) of those in whose name he may act, himself
    first."""

    respond: bool
    supervise: bool
    own: str
    people: tuple[tuple[str, str], ...]


def offered(who: SignedIn, words: Words) -> May:
    """What who is signed in may do here. Nothing is offered where there is nobody in whose name to do it."""
    own, everybody = who.session.person, words.people()
    supervise = who.rights.include(Role.SUPERVISOR)
    others = [one for one in everybody if one[0] != own] if supervise or not own else []
    people = ([(own, words.person(own))] if own else []) + others
    return May(
        respond=bool(people) and who.rights.include(Role.RESPONDER),
        supervise=bool(people) and supervise,
        own=own,
        people=tuple(people),
    )
