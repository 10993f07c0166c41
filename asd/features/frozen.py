"""A frozen encoder that computes rows of the store: by OpenVINO on a CPU, by torch on a GPU.

What OpenVINO reads is converted once a checkpoint, layer, clip length and precision, and kept in a
folder beside the checkpoint; what was converted of other weights is removed there. Converting takes
longer than a small encoder computes, so those are torch's on a CPU too.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.atomic import sync
from asd.device import cpu_is_fast_in_bfloat16, multiply_accumulates
from asd.digest import sha256_json
from asd.errors import UsageError
from asd.features.checkpoint import Checkpoint
from asd.features.threads import on_one_thread_each, one_thread
from asd.features.transformer import LayerFrames
from asd.progress import note

_VERSION = 1  # of what is converted
# Values that share a scale in products of int8, which is found anew for each: what 8 bits span does
# not depend on which recordings come first, as it would with ranges that are fitted once.
_GROUP = 32
_AT_ONCE = 8  # clips at most: a batch has no more
_SMALL = 16 * 2**20  # bytes of weights below which torch computes


@dataclass(frozen=True)
class Reading:
    """How the hidden frames (B, J, bands, H) of an encoder become rows (B, R, T) of the store.

    Attributes:
        keep_bands: whether frequency bands stay apart, U = bands * H units; else their mean is
            taken, U = H.
        weight: (R, U) float32; None for all units.
        bias: (R,) float32 or None.
        times: (T, J) float32, how frames in time come from those of the encoder; None for its own.
    """

    keep_bands: bool = True
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    times: np.ndarray | None = None

    def rows(self, frames: np.ndarray) -> np.ndarray:
        """Return rows (B, R, T) float16 of ``frames``."""
        units = torch.from_numpy(frames)
        units = units.flatten(2) if self.keep_bands else units.mean(dim=2)
        rows = units.mT
        if self.weight is not None:
            rows = torch.from_numpy(self.weight) @ rows
        if self.times is not None:
            rows = rows @ torch.from_numpy(self.times).T
        if self.bias is not None:
            rows = rows + torch.from_numpy(self.bias)[:, None]
        return rows.to(torch.float16).contiguous().numpy()


class FrozenNetwork:
    """Computes rows (B, R, T) float16 of waves (B, L) int16; nothing in it learns.

    On a CPU each clip is computed by itself on one thread, and clips side by side.

    Args:
        checkpoint: of the encoder.
        digest: of what is read of it.
        layers: the hidden layer that is read, or several for their mean; None for a mix of all.
        mix: logits (n + 1,) of the mix, where there is one.
        reading: what becomes of the frames.
        precision: ``"float32"``, ``"bfloat16"`` or, on a CPU, ``"int8"`` for the encoder; what
            follows it is float32.
        device: where it is computed.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        digest: str | None,
        layers: int | tuple[int, ...] | None,
        mix: np.ndarray | None,
        reading: Reading,
        precision: str,
        device: str,
    ) -> None:
        self._checkpoint, self._kind = checkpoint, checkpoint.kind
        self._layers, self._mix, self._reading = layers, mix, reading
        self._states: Callable[[list[np.ndarray]], list[np.ndarray]]
        folder = checkpoint.folder
        small = sum(path.stat().st_size for path in folder.glob("*model*.*")) < _SMALL
        if torch.device(device).type != "cpu" or (small and precision != "int8"):
            self._states = _ByTorch(self._load(False), precision == "bfloat16", device)
            return
        self._states = _Converted(lambda: self._load(True), precision, folder, [digest, layers])

    def _load(self, convertible: bool) -> nn.Module:
        """Read the module from the encoder's inputs to its hidden states (B, S, H)."""
        # A fused kernel of attention is none that can be converted.
        own = {"attn_implementation": "eager"} if convertible else {}
        model = self._kind.model(self._checkpoint.folder, **own)
        frames = LayerFrames(model, self._layers, self._kind.ends_in_layer)
        if self._mix is not None:
            frames.mix = nn.Parameter(torch.from_numpy(self._mix))
        return frames

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute rows (B, R, T) float16 of ``waves`` (B, L) int16.

        A clip that is longer than the encoder hears at once is cut where frames begin, so that all
        frames lie on one grid.
        """
        place: dict[bytes, int] = {}  # clips that are alike, as silence that fills a batch, once
        order = [place.setdefault(wave.tobytes(), len(place)) for wave in waves]
        clips = waves[[order.index(number) for number in range(len(place))]]
        found = []
        for pieces in self._pieces(clips):
            states = self._states([self._kind.inputs(piece[None]) for piece in pieces])
            frames = np.concatenate([self._kind.frames(state) for state in states])
            found.append(frames[:, : self._kind.grid.count(pieces.shape[1])])
        frames = np.concatenate(found, axis=1)
        with torch.inference_mode(), one_thread():
            return np.concatenate([self._reading.rows(clip[None]) for clip in frames])[order]

    def _pieces(self, clips: np.ndarray) -> Iterator[np.ndarray]:
        """Yield what the encoder hears of clips (B, L) at once, one piece after the other."""
        grid, length = self._kind.grid, clips.shape[1]
        window = self._kind.window or length
        for first in range(0, grid.count(length), grid.count(window)):
            yield clips[:, first * grid.stride :][:, :window]

    def macs(self, length: int) -> int:
        """Return the multiply-accumulates of the encoder for a clip of ``length`` samples.

        They are counted while torch runs.
        """
        module, clip = self._load(True).eval(), np.ones((1, length), np.int16)
        pieces = [torch.from_numpy(self._kind.inputs(piece)) for piece in self._pieces(clip)]
        return multiply_accumulates(lambda: [module(piece) for piece in pieces])


class _ByTorch:
    """Computes hidden states by torch: a batch on a GPU; on a CPU clips, on one thread each.

    Args:
        module: from inputs to hidden states.
        half: in bfloat16, else in float32.
        device: where.
    """

    def __init__(self, module: nn.Module, half: bool, device: str) -> None:
        self._module = module.eval().requires_grad_(False).to(device)
        self._half, self._device = half, torch.device(device)

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Compute the states (1, S, H) float32 of inputs (1, ...) of one shape."""
        if self._device.type == "cpu":
            return on_one_thread_each(self._compute, inputs)
        return list(self._compute(np.concatenate(inputs))[:, None])

    @torch.inference_mode()
    def _compute(self, batch: np.ndarray) -> np.ndarray:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            states: torch.Tensor = self._module(torch.from_numpy(batch).to(self._device))
        return states.float().cpu().numpy()


class _Converted:
    """Computes hidden states by OpenVINO, clips side by side on one thread each.

    How a sum is shared among threads would show in the last bits; how clips are does not.

    Args:
        load: gives the module.
        precision: ``"float32"``, ``"bfloat16"`` or ``"int8"``.
        folder: the checkpoint; what is converted is kept beside it.
        content: all that decides what ``load`` gives, first the checkpoint's digest.
    """

    def __init__(
        self,
        load: Callable[[], nn.Module],
        precision: str,
        folder: Path,
        content: Sequence[Any],
    ) -> None:
        import openvino

        self._load, self._precision = load, precision
        self._content = [*content, openvino.__version__, _VERSION]
        self._kept = folder.resolve().with_name(f".{folder.resolve().name}.openvino")
        self._core = openvino.Core()
        self._queues: dict[tuple[int, ...], Any] = {}
        if not _is_faster(precision):
            note(
                f"{precision} is no faster than float32 on this processor; its values come from"
                " float32 products"
            )

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Compute the states (1, S, H) float32 of inputs (1, ...) of one shape."""
        shape = inputs[0].shape
        if shape not in self._queues:
            self._queues[shape] = self._compile(shape)
        found: list[Any] = [None] * len(inputs)

        def keep(request: Any, place: int) -> None:
            found[place] = request.get_output_tensor().data.copy()

        queue = self._queues[shape]
        queue.set_callback(keep)
        for place, one in enumerate(inputs):
            queue.start_async({0: one}, place)
        queue.wait_all()
        return found

    def _compile(self, shape: tuple[int, ...]) -> Any:
        import openvino

        streams = min(torch.get_num_threads(), _AT_ONCE)
        half = self._precision != "float32" and cpu_is_fast_in_bfloat16()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
            "ENABLE_CPU_PINNING": False,  # other workers of this machine would be pinned alike
        }
        if self._precision == "int8":
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP
        model = self._model(shape, self._precision == "int8")
        return openvino.AsyncInferQueue(self._core.compile_model(model, "CPU", settings))

    def _model(self, shape: tuple[int, ...], quantised: bool) -> Any:
        """Return what is kept of the module for a shape, or convert and keep it."""
        name = sha256_json([self._content, shape, quantised])
        place = self._kept / f"{self._content[0][:16]}-{name[:16]}"
        if (place / "model.xml").is_file():
            with suppress(RuntimeError):  # damaged
                return self._core.read_model(place / "model.xml")
            shutil.rmtree(place, ignore_errors=True)
        if quantised:
            model = _quantised(self._model(shape, False))
        else:
            model = _converted(self._load(), shape)
        with suppress(OSError):  # a folder that is only read, or another process was faster
            self._keep(model, place)
        return model

    def _keep(self, model: Any, place: Path) -> None:
        import openvino

        self._kept.mkdir(exist_ok=True)
        for old in self._kept.iterdir():
            if not old.name.startswith(self._content[0][:16]):
                shutil.rmtree(old, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(prefix=f"{self._content[0][:16]}-", dir=self._kept))
        try:
            openvino.save_model(model, beside / "model.xml", compress_to_fp16=False)
            for file in beside.iterdir():
                sync(file)
            beside.rename(place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _is_faster(precision: str) -> bool:
    """Return whether this CPU is as fast in a precision as one could wish who asks for it."""
    if precision == "int8":
        return any(on for name, on in torch.cpu.get_capabilities().items() if "vnni" in name)
    return precision == "float32" or cpu_is_fast_in_bfloat16()


def _converted(module: nn.Module, shape: tuple[int, ...]) -> Any:
    import openvino

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing tells of everything that depends on a shape
        return openvino.convert_model(
            module.eval().requires_grad_(False), example_input=torch.zeros(shape), input=[shape]
        )


def _quantised(model: Any) -> Any:
    """Return a model with weights of 8 bits, each output's with a scale of its own."""
    try:
        with redirect_stdout(StringIO()):
            import nncf
    except ImportError:
        raise UsageError(
            "precision int8 needs the package nncf; pip install 'machine-asd[int8]', or set it to"
            " bfloat16"
        ) from None
    nncf.set_log_level(40)  # errors
    with redirect_stdout(StringIO()):
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
