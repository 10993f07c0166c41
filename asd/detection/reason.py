"""In which bands and when a recording is unlike the normal ones, in one sentence.

Levels of a log-mel are averaged over patches of about half an octave and half a second, and each
patch is compared with what such patches are in normal clips. The one that lies farthest out, in
deviations of these, is the reason; neighbours that lie half as far out belong to it. It is an
account of the sound, whatever system scored it: what differs in how it fluctuates, and not in
level, has no such patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asd.detection.occlusion import band_edges
from asd.features.logmel import LogMelConfig

_BANDS, _SECONDS = 6, 0.5  # of a patch
_LEAST = 0.5  # dB: the least deviation of a patch that is taken for one


@dataclass(frozen=True)
class Reason:
    """Where a clip is unlike the normal ones.

    Attributes:
        low, high: edges of the bands in Hz.
        decibels: the mean level above that of normal clips; negative below it.
        start, end: of the moment, in seconds from the beginning of the clip.
        throughout: whether that is most of the clip.
        deviations: how far the farthest patch lies out.
    """

    low: float
    high: float
    decibels: float
    start: float
    end: float
    throughout: bool
    deviations: float

    def words(self, begin: float = 0.0) -> str:
        """Return it in words, for a clip that begins at so many seconds of its recording.

        Example:
            >>> Reason(2500.0, 3700.0, 8.2, 3.75, 4.25, False, 5.0).words(20.0)
            '2.5 to 3.7 kHz, 8 dB above normal, at 24 s'
        """
        level = f"{abs(self.decibels):.0f} dB {'above' if self.decibels >= 0 else 'below'} normal"
        middle = begin + (self.start + self.end) / 2
        whole = f"from {begin:g} s on" if begin else "throughout"
        when = whole if self.throughout else f"at {middle:.{0 if middle >= 10 else 1}f} s"
        return f"{_band(self.low, self.high)}, {level}, {when}"


@dataclass(frozen=True, eq=False)
class NormalLevels:
    """What the patches of normal clips are.

    Attributes:
        mean, deviation: (F,) of the level of a patch around each band, in dB.
        hertz: (F + 1,) edges of the bands in Hz.
        rate: frames a second.
        scale: dB of a unit of the log-mel.
    """

    mean: np.ndarray
    deviation: np.ndarray
    hertz: np.ndarray
    rate: float
    scale: float = 1.0

    @classmethod
    def of(
        cls, clips: Sequence[np.ndarray], hertz: np.ndarray, rate: float, scale: float = 1.0
    ) -> NormalLevels:
        """Return those of log-mels (F, T) of normal clips, one or more."""
        patches = [_patches(scale * clip.astype(np.float32), rate) for clip in clips]
        mean = np.mean([one.mean(axis=1) for one in patches], axis=0)
        apart = np.mean([((one.T - mean) ** 2).mean(axis=0) for one in patches], axis=0)
        return cls(mean, np.maximum(np.sqrt(apart), _LEAST), hertz, rate, scale)

    @classmethod
    def of_log_mels(
        cls, clips: Sequence[np.ndarray], config: LogMelConfig, sample_rate: int
    ) -> NormalLevels:
        """Return those of log-mels (F, T) as the settings of their extractor make them."""
        scale = 1.0 if config.log == "db" else 10 / np.log(10)
        return cls.of(clips, band_edges(config, sample_rate), sample_rate / config.hop, scale)

    def reason(self, clip: np.ndarray) -> Reason:
        """Return where a log-mel (F, T) is most unlike the normal ones."""
        level = _patches(self.scale * clip.astype(np.float32), self.rate)
        above = level - self.mean[:, None]
        apart = above / self.deviation[:, None]
        band, frame = np.unravel_index(int(np.abs(apart).argmax()), apart.shape)
        most = float(apart[band, frame])
        like = apart / most >= 0.5
        first, last = _run(like[:, frame], int(band))
        begin, end = _run(like[first:last].mean(axis=0) >= 0.5, int(frame))
        return Reason(
            low=float(self.hertz[first]),
            high=float(self.hertz[last]),
            decibels=float(above[first:last, begin:end].mean()),
            start=begin / self.rate,
            end=end / self.rate,
            throughout=bool(end - begin > 0.7 * clip.shape[1]),
            deviations=abs(most),
        )


def _patches(clip: np.ndarray, rate: float) -> np.ndarray:
    """Return the mean (F, T) around each band and frame; at the ends of what there is."""
    from scipy.ndimage import uniform_filter

    frames = max(1, round(_SECONDS * rate))
    return uniform_filter(clip, (_BANDS, frames), mode="nearest")


def _run(marked: np.ndarray, place: int) -> tuple[int, int]:
    """Return the first place of the run of marked ones around a place, and the one behind it."""
    gaps = np.flatnonzero(~marked)
    before, behind = gaps[gaps < place], gaps[gaps > place]
    first = int(before[-1]) + 1 if len(before) else 0
    return first, int(behind[0]) if len(behind) else len(marked)


def _band(low: float, high: float) -> str:
    if high < 1000:
        return f"{round(low, -1):.0f} to {round(high, -1):.0f} Hz"
    return f"{low / 1000:.2g} to {high / 1000:.2g} kHz"
