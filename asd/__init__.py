"""Machine anomalous sound detection as a pipeline over an HDF5 feature store."""

__version__ = "0.1.0"
