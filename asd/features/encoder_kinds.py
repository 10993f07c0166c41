"""Which kind of encoder each ``model_type`` of config.json is; a new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from asd.features.encoder_base import Kind
from asd.features.encoder_mels import Patches, StackedMel, Whisper
from asd.features.encoder_waves import ConformerWaves, SqueezedWaves, Waves
from asd.features.wav2vec2 import FAMILY

FRONT_ENDS: Mapping[str, type[Kind]] = {
    **dict.fromkeys(FAMILY, Waves),
    "wav2vec2-conformer": ConformerWaves,
    "sew": SqueezedWaves,
    "wav2vec2-bert": StackedMel,
    "audio-spectrogram-transformer": Patches,
    "whisper": Whisper,
}
