"""Whatever extractor is registered keeps the contract."""

import pickle

import numpy as np
import pytest

from asd.clips.audio import Signal
from asd.digest import canonical_json
from asd.errors import UsageError
from asd.features import EXTRACTORS, build_extractor
from asd.features.base import NetworkExtractor, placement
from asd.features.encoder import Encoder
from asd.features.ptm import Ptm

SIGNAL = Signal(sample_rate=16000, length=16000, channel=0)
WITHOUT_WEIGHTS = [n for n in EXTRACTORS if not issubclass(EXTRACTORS[n], NetworkExtractor)]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_registered_under_its_own_name(name):
    assert EXTRACTORS[name].name == name
    assert EXTRACTORS[name].version >= 1
    assert EXTRACTORS[name].Config.model_config["frozen"]


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_a_row_is_what_was_announced_whatever_the_batch(name):
    extractor = build_extractor(EXTRACTORS, "mine", {"extractor": name}, SIGNAL)
    assert extractor.recipe["extractor"] == name
    assert canonical_json(extractor.recipe)
    random = np.random.default_rng(0)
    waves = random.integers(-9000, 9000, (extractor.batch_size, SIGNAL.length)).astype(np.int16)
    waves[1] //= 500
    rows = extractor(waves)
    assert rows.shape == (len(waves), *extractor.row_shape)
    assert rows.dtype == extractor.dtype
    sent = pickle.loads(pickle.dumps(extractor))  # noqa: S301
    assert sent.recipe == extractor.recipe
    alone = np.zeros_like(waves)
    alone[:2] = waves[1::-1]
    assert sent(alone)[:2].tobytes() == rows[1::-1].tobytes()


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UsageError, match="unknown extractor 'logmell'.*did you mean 'logmel'"):
        build_extractor(EXTRACTORS, "logmell", {}, SIGNAL)
    with pytest.raises(UsageError, match="features.logmel: unknown key 'n_mel'.*'mels'"):
        build_extractor(EXTRACTORS, "logmel", {"n_mel": 3}, SIGNAL)
    with pytest.raises(UsageError, match="features.logmel: hop: .*not 0"):
        build_extractor(EXTRACTORS, "logmel", {"hop": 0}, SIGNAL)
    with pytest.raises(UsageError, match="extractor: must be a name"):
        build_extractor(EXTRACTORS, "logmel", {"extractor": 3}, SIGNAL)


def test_paths_are_of_the_project(tmp_path):
    (tmp_path / "bases" / "ast").mkdir(parents=True)
    values = {"extractor": "encoder", "base": "bases/ast", "layer": 3, "revision": "v1"}
    wanted = {"base": str(tmp_path / "bases" / "ast"), "revision": "v1"}
    assert placement(Encoder, values, tmp_path) == wanted
    hub = {"base": "microsoft/wavlm-base-plus", "allow_pickle": True}
    assert placement(Encoder, hub, tmp_path) == hub
    assert placement(Encoder, {}, tmp_path) == {}
    assert placement(Ptm, {}, tmp_path) == {"checkpoint": str(tmp_path / "data/checkpoints/ptm")}
    own = {"checkpoint": "mine", "layer": 3}
    assert placement(Ptm, own, tmp_path) == {"checkpoint": str(tmp_path / "mine")}


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_others_lie_nowhere(name, tmp_path):
    assert placement(EXTRACTORS[name], {"hop": 512}, tmp_path) == {}
