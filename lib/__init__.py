"""Networks, initializers, estimators and theory behind the book on width, depth and initialization."""

__version__ = "1.0.0"
