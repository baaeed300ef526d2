"""A TCP link that can be made bad: see README.md."""

from .link import NONE, Impairment, Link
from .threaded import Proxy

__all__ = ["NONE", "Impairment", "Link", "Proxy"]
