"""Whatever extractor is registered keeps the contract."""

from __future__ import annotations

import pytest

from asd.clips.audio import Signal
from asd.errors import UsageError
from asd.features import EXTRACTORS, build_extractor
from asd.digest import canonical_json

SIGNAL = Signal(sample_rate=16000, length=16000, channel=0)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_registered_under_its_own_name(name: str) -> None:
    assert EXTRACTORS[name].name == name
    assert EXTRACTORS[name].version >= 1
    assert EXTRACTORS[name].Config.model_config["frozen"]


@pytest.mark.parametrize("name", ["wave", "logmel", "spectrum", "spectrogram"])
def test_recipe_is_canonical(name: str) -> None:
    extractor = build_extractor(EXTRACTORS, "mine", {"extractor": name}, SIGNAL)
    assert extractor.recipe["extractor"] == name
    assert canonical_json(extractor.recipe)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown extractor 'logmell'.*did you mean 'logmel'"):
        build_extractor(EXTRACTORS, "logmell", {}, SIGNAL)
    with pytest.raises(UsageError, match="features.logmel: unknown key 'n_mel'.*'mels'"):
        build_extractor(EXTRACTORS, "logmel", {"n_mel": 3}, SIGNAL)
    with pytest.raises(UsageError, match="features.logmel: hop: .*not 0"):
        build_extractor(EXTRACTORS, "logmel", {"hop": 0}, SIGNAL)
    with pytest.raises(UsageError, match="extractor: must be a name"):
        build_extractor(EXTRACTORS, "logmel", {"extractor": 3}, SIGNAL)
