"""What can go wrong, in two families.

The caller's faults (a policy with a typo, a file that is no export, a command used wrongly) carry a message that a
pharmacist can act on: what, where, and the remedy. They are shown without a traceback. Ours (a broken promise between
two parts of RxPulse) are bugs or outages: they end the process or the request and keep their traceback.
"""


class RxPulseError(Exception):
    """Root of every error raised on purpose by RxPulse."""


class CallerFault(RxPulseError):
    """Something that the person or program who asked can mend. The message names the place and the remedy."""


class UsageFault(CallerFault):
    """A command or request that was used wrongly (exit code 2)."""


class OurFault(RxPulseError):
    """A promise between parts of RxPulse that did not hold."""
