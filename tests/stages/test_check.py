"""Every name and setting of the params is looked up before anything is computed."""

import pytest

from asd.errors import UsageError
from asd.stages import STAGES, check, init
from asd.workspace import PARAMS, Workspace

# What is planted: text of the demo's params, what it becomes, and what must be said.
FAULTS = [
    ("extractor: wave", "extractor: wav", "features.wave.extractor: unknown extractor 'wav'"),
    (
        "network: autoencoder\n    frames",
        "network: autoencodr\n    frames",
        "did you mean 'autoencoder'?",
    ),
    ("features: [logmel, ptm]", "features: [logmel, ptn]", "unknown feature 'ptn'"),
    ("{model: ltp,", "{model: ltpp,", "unknown model 'ltpp' (did you mean 'ltp'?)"),
    ("criterion: strangers", "criterion: stranger", "unknown criterion 'stranger'"),
    ("threshold: gamma", "threshold: gama", "score.threshold: unknown threshold 'gama'"),
    ("{system: '6'", "{system: '66'", "ladder: unknown system '66'"),
    ("machines: [fan, valve]   #", "machines: [fan, vavle]   #", "did you mean 'valve'?"),
    ("    channels: [128", "    chanels: [128", "networks.tdnn: unknown key 'chanels'"),
    ("    n_fft: 1024", "    n_fft: lots", "features.logmel: n_fft: Input should be"),
]


@pytest.fixture
def workspace(tmp_path):
    init.run("demo", folder=tmp_path)
    return Workspace.at(tmp_path)


def test_an_embedding_that_no_pooling_gives(workspace):
    fault = [("embedding: gwrp_90", "embedding: gwrp_9", "")]
    with pytest.raises(UsageError, match=r"embedding of pooled_logmel 'gwrp_9' \(did you mean"):
        check.run(planted(workspace, fault))


@pytest.mark.parametrize(
    ("pseudo", "complaint"),
    [
        ("{model: logmel}", "models.logmel.pseudo.model: it has pseudo-labels itself"),
        ("{model: pooled}", "pseudo.model: unknown model 'pooled' (did you mean 'pooled_logmel'?)"),
        ("{model: pooled_logmel, embedding: men}", "models.logmel.pseudo: unknown embedding"),
    ],
)
def test_what_no_pseudo_labels_come_from(workspace, pseudo, complaint):
    before = "  logmel:\n    features: [logmel]\n    losses"
    after = before.replace("losses", f"pseudo: {pseudo}\n    losses")
    with pytest.raises(UsageError) as told:
        check.run(planted(workspace, [(before, after, "")]))
    (line,) = str(told.value).splitlines()
    assert complaint in line


def planted(workspace, faults):
    path = workspace.root / PARAMS
    text = path.read_text()
    for before, after, _ in faults:
        assert before in text, before
        text = text.replace(before, after, 1)
    path.write_text(text)
    return Workspace.at(workspace.root)


def test_the_params_of_a_profile_are_in_order(workspace):
    assert check.run(workspace).machines == 2


def test_ten_faults_are_told_at_once(workspace):
    with pytest.raises(UsageError) as told:
        check.run(planted(workspace, FAULTS))
    lines = str(told.value).splitlines()
    for _, _, words in FAULTS:
        assert any(words in line for line in lines), words
    assert all(line.startswith(str(PARAMS)) for line in lines)
    assert len(lines) == len(set(lines)) <= len(FAULTS) + 1  # a machine is named twice


def test_faults_of_types_hide_none_of_names(workspace):
    types = [
        ("  epochs: 10 ", "  epochs: many ", "train.epochs: Input should be"),
        ("{model: logmel_tgram, sc", "{sc", "systems.2.model: Field req"),
        ("seconds: auto ", "secs: auto ", "index: unknown key 'secs' (did you mean 'seconds'?)"),
    ]
    with pytest.raises(UsageError) as told:
        check.run(planted(workspace, [*types, *FAULTS]))
    lines = str(told.value).splitlines()
    for _, _, words in (*types, *FAULTS):
        assert any(words in line for line in lines), words
    assert not any("'2'" in line for line in lines)  # the ladder names it, which is right
    assert all(line.startswith(f"{PARAMS}: ") for line in lines)


def test_folders_without_recordings_are_seen(workspace):
    for machine in ("fan", "pump"):
        (workspace.root / "data/raw/demo" / machine).mkdir(parents=True)
    machines = [("machines: [fan, valve]\n\n", "machines: [fan, valve, pump]\n\n", "")]
    with pytest.raises(UsageError) as told:
        check.run(planted(workspace, machines))
    (line,) = str(told.value).splitlines()
    assert "pump: no WAV, FLAC, OGG or MP3 recordings in it" in line


def test_what_dvc_wants_written_is_said_before_it_runs(workspace, monkeypatch):
    text = [("joint: {} ", "# joint: {} ", ""), ("  channel: 0 ", "  # channel: 0 ", "")]
    wrong = planted(workspace, text)
    with pytest.raises(UsageError) as told:
        check.run(wrong)
    assert str(told.value).splitlines() == [
        f"{PARAMS}: index.channel: not written, and DVC wants it: add 'channel: 0'",
        f"{PARAMS}: joint: not written, and DVC wants it: add 'joint: {{}}'",
    ]
    check.check(wrong)  # without DVC it has a default
    monkeypatch.setenv("DVC_STAGE", "train")
    with pytest.raises(UsageError, match="joint: not written, and DVC wants it"):
        check.check(wrong)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_begins_with_a_name_of_nothing(workspace, stage):
    from importlib import import_module

    wrong = planted(workspace, [("threshold: gamma", "threshold: gama", "")])
    with pytest.raises(UsageError, match=r"score\.threshold: unknown threshold 'gama'"):
        for _ in import_module(f"asd.stages.{stage}").run(wrong) or ():
            pass
    assert not (workspace.root / "data" / "index").exists()


def test_what_is_no_scorer_is_said_to_be_none(workspace, tmp_path, monkeypatch):
    (tmp_path / "lofx.py").write_text("class Lof:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    fault = [("{model: ltp_aux, scorer: cosine}", "{model: ltp_aux, scorer: 'lofx:Lof'}", "")]
    with pytest.raises(UsageError, match=r"systems\.6.*lofx:Lof is no scorer"):
        check.run(planted(workspace, fault))
