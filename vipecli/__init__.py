"""vipe: match videos of human movement across camera views."""

__version__ = "0.1.0"
