"""What the tests of the containers share here: an installation with its secrets drawn, and its services as Compose reads them."""

from tests.containers import found, installation

__all__ = ["found", "installation"]
