"""Prefect sets up the logging of whatever process loads it, with a console of its own.

In a role's log every line stands once, as our own kind of line; a second one beside it, in another form, would double the
log and quote what ours leave out. So the roles that run flows settle this first.
"""

import logging

from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler


def settle_logging() -> None:
    """Lets Prefect set up its logging now, and leaves out its console: our own lines hold everything, each once."""
    setup_logging()
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, PrefectConsoleHandler)]
