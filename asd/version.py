"""The version of the package, of which every artifact keeps by which it was made."""

__version__ = "0.1.0"
