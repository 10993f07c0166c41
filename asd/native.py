"""Make ``import torchaudio`` work where its native part cannot load.

torchaudio 2.11 ships kernels that link CUDA. Beside a CPU build of torch its import raises OSError,
beside a torch of another CUDA version RuntimeError, and transformers imports torchaudio wherever it
is installed. The Python layer (``transforms``, ``functional``) needs none of the kernels, so where
they cannot load, a stub of ``torchaudio._extension`` is put in their place and the import repeated.

Call :func:`import_torchaudio` before anything imports torchaudio or transformers.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NoReturn


def _stub(reason: str) -> ModuleType:
    """Return a stand-in for ``torchaudio._extension`` whose kernels say why they are missing."""

    def unavailable(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(f"torchaudio's native kernels are not loaded: {reason}")

    stub = ModuleType("torchaudio._extension")
    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=lambda function: unavailable,
        _check_cuda_version=lambda: None,
        reason=reason,
    )
    return stub


def import_torchaudio() -> ModuleType:
    """Import torchaudio, with its native part if that loads and without it if not.

    Returns:
        The ``torchaudio`` module; ``torchaudio._extension.reason`` says why the kernels are
        missing, where they are.
    """
    try:
        import torchaudio
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _stub(reason)
        import torchaudio
    module: ModuleType = torchaudio
    return module
