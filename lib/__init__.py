"""Networks, initializers, estimators and theory behind the book on width, depth and initialization."""

__version__ = "0.1.0"
