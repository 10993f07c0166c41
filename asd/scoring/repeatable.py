"""Arithmetic that gives the same bits on every run, whatever the number of cores."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block's matrix products and loaded solvers on one thread.

    Threads cut sums in their own way, so the last bits would depend on the machine. It costs
    nothing here: a section's products are too small to gain from a second thread, and among other
    work on the same cores they lose by it.
    """
    # A library comes with an import, and looking for all of them takes as long as a small section.
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return the libraries with threads of their own; ``modules`` counts the imported modules."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def repeatable() -> Iterator[None]:
    """Run a fit of scikit-learn on one thread, silent about rows too few or alike to converge.

    The module that fits must be imported before: only what is loaded is limited.
    """
    from sklearn.exceptions import ConvergenceWarning

    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
