"""Arithmetic that gives the same bits on every run, whatever the number of cores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block's matrix products and loaded solvers on one thread.

    Threads cut sums in their own way, so the last bits would depend on the machine. It costs
    nothing here: a section's products are too small to gain from a second thread, and among other
    work on the same cores they lose by it.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


@contextmanager
def repeatable() -> Iterator[None]:
    """Run a fit of scikit-learn on one thread, silent about rows too few or alike to converge.

    The module that fits must be imported before: only what is loaded is limited.
    """
    from sklearn.exceptions import ConvergenceWarning

    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
