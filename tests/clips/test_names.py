"""What names and places of clips say: the challenge years, plain folders, attribute tables."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.clips.names import (
    LAYOUTS,
    Facts,
    attributes_in,
    attributes_of,
    choose_split,
    meaning,
    parse,
    place,
    read_attributes,
    why_not,
)

_DIGITS = "0123456789"
_TOKEN = st.text("abcXYZ0189.-+", min_size=1, max_size=6)
_KEY = st.builds(lambda first, rest: first + rest, st.sampled_from("amZ"), _TOKEN)
_PAIRS = st.lists(st.tuples(_KEY, _TOKEN), min_size=1, max_size=4)
_SECTION = st.text(_DIGITS, min_size=2, max_size=2)
_NUMBER = st.text(_DIGITS, min_size=4, max_size=4)
_DOMAIN = st.sampled_from(["source", "target"])
_LABEL = st.sampled_from(["normal", "anomaly"])

# Layout, folder and name; then section, domain, split, label and attributes ("-" where hidden).
GENUINE = """
dcase2020 train normal_id_01_00000000.wav                       | 01 . train normal
dcase2020 test normal_id_06_00000007.wav                        | 06 . test normal
dcase2020 test anomaly_id_01_00000000.wav                       | 01 . test anomaly
dcase2020 test id_05_00000000.wav                               | 05 . test .
dcase2021 train section_00_source_train_normal_0000_strength_1_ambient.wav\
 | 00 source train normal condition=strength_1_ambient
dcase2021 source_test section_01_source_test_anomaly_0011_0_g_25_mm_2000_mV_none.wav\
 | 01 source test anomaly condition=0_g_25_mm_2000_mV_none
dcase2021 target_test section_02_target_test_normal_0099_A1Spd6Mic1.wav\
 | 02 target test normal condition=A1Spd6Mic1
dcase2021 target_test section_03_target_test_0000.wav           | 03 target test .
dcase2021 source_test section_03_0000.wav                       | 03 source test .
dcase2022 train section_00_target_train_normal_0005_m-n_W.wav   | 00 target train normal m-n=W
dcase2022 train section_01_source_train_normal_0000_v1pat_A_v2pat_none.wav\
 | 01 source train normal v1pat=A;v2pat=none
dcase2022 test section_00_source_test_normal_0028_car_C2_spd_34V_mic_1.wav\
 | 00 source test normal car=C2;spd=34V;mic=1
dcase2022 test section_00_target_test_anomaly_0001_pro_A_vel_4_loc_A.wav\
 | 00 target test anomaly pro=A;vel=4;loc=A
dcase2022 train section_00_source_train_normal_0000_noAttribute.wav  | 00 source train normal -
dcase2022 train section_00_target_train_normal_0000_noAttributes.wav | 00 target train normal -
dcase2022 test section_03_0000.wav                              | 03 . test .
dcase2022 supplemental section_00_machine_0001_.wav             | 00 . supplemental normal
dcase2022 supplemental section_00_noise_0001_.wav               | 00 . supplemental noise
dcase2022 supplemental section_00_noise_supplemental_normal_0000.wav | 00 . supplemental noise
dcase2022 supplemental section_00_source_supplemental_machine_0000.wav\
 | 00 source supplemental normal
dcase2022 supplemental section_00_source_supplemental_normal_0099_vel_21_loc_A.wav\
 | 00 source supplemental normal vel=21;loc=A
"""


@pytest.mark.parametrize("line", GENUINE.strip().splitlines())
def test_genuine_names(line: str) -> None:
    name, _, told = line.partition("|")
    facts = ["" if one in ".-" else one for one in told.split()]
    assert parse(*name.split()) == Facts(*facts)


@pytest.mark.parametrize(
    ("tail", "attributes"),
    [
        ("vel_620_ac_0.08", "vel=620;ac=0.08"),
        ("n_B", "n=B"),
        ("noAttribute", ""),
        ("noAttributes", ""),
        ("strength_1_ambient", "condition=strength_1_ambient"),
        ("1_ambient", "condition=1_ambient"),
        ("vel_6_2_A", "condition=vel_6_2_A"),
        ("noattribute", "condition=noattribute"),
    ],
)
def test_tails(tail: str, attributes: str) -> None:
    assert attributes_of(tail) == attributes


@given(_SECTION, _DOMAIN, st.sampled_from(["train", "test"]), _LABEL, _NUMBER, _PAIRS, st.data())
def test_what_a_2022_name_is_made_of_is_what_is_read(
    section: str,
    domain: str,
    split: str,
    label: str,
    number: str,
    pairs: list[tuple[str, str]],
    data: st.DataObject,
) -> None:
    if split == "train":
        label = "normal"
    tail = "".join(f"_{key}_{value}" for key, value in pairs)
    name = f"section_{section}_{domain}_{split}_{label}_{number}{tail}.wav"
    spelt = ";".join(f"{key}={value}" for key, value in pairs)
    assert parse("dcase2022", split, name) == Facts(section, domain, split, label, spelt)
    folder = "train" if split == "train" else f"{domain}_test"
    assert parse("dcase2021", folder, name) == Facts(section, domain, split, label, spelt)
    assert parse("dcase2020", split, name) is None
    # A letter less anywhere in what comes before the attributes is no name of the challenge.
    head = len(name) - len(f"{tail}.wav")
    gone = data.draw(st.integers(0, head - 1))
    assert parse("dcase2022", split, name[:gone] + name[gone + 1 :]) is None


@given(
    _SECTION, st.sampled_from(["normal", "anomaly", ""]), st.text(_DIGITS, min_size=8, max_size=8)
)
def test_what_a_2020_name_is_made_of_is_what_is_read(
    identity: str, label: str, number: str
) -> None:
    name = f"{label}_id_{identity}_{number}.wav".removeprefix("_")
    assert parse("dcase2020", "test", name) == Facts(identity, "", "test", label)
    in_training = Facts(identity, "", "train", "normal") if label == "normal" else None
    assert parse("dcase2020", "train", name) == in_training


@given(st.sampled_from(LAYOUTS), st.sampled_from(["train", "test", "source_test"]), st.text())
def test_any_text_is_read_or_refused_with_a_reason(layout: str, folder: str, name: str) -> None:
    if parse(layout, folder, name) is None:
        assert why_not(layout, folder, name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".wav",
        "section_00_source_train_normal_0000",
        "section_00_source_train_normal_0000.mp3",
        "section_0_source_train_normal_0000_m-n_W.wav",
        "section_000_source_train_normal_0000.wav",
        "section_00_source_train_normal_000_m-n_W.wav",
        "section_00_source_train_normal_00000.wav",
        "section_00_source_train_normal_0000_.wav",
        "section_00_source_train_normal_0000__W.wav",
        "section_00_source_train_normal_0000_a_b;c.wav",
        "section_00_source_train_normal_0000_a=b_c.wav",
        "section_00_source_train_normal_0000_a_b .wav",
        "section_00_source_train_normal_0000_a_b.wav\n",
        "section_00_source_train_anomaly_0000.wav",
        "section_00_source_train_0000.wav",
        "section_00_left_train_normal_0000.wav",
        "Section_00_source_train_normal_0000.wav",
        "xsection_00_source_train_normal_0000.wav",
        "section_٠٠_source_train_normal_0000.wav",
        "normal_id_1_00000000.wav",
        "normal_id_01_0000000.wav",
        "anomaly_id_01_00000000.wav",
        "abnormal_id_01_00000000.wav",
        "id_01_00000000.wav",
    ],
)
def test_names_that_are_no_training_clip(layout: str, name: str) -> None:
    assert parse(layout, "train", name) is None


REASONS = """
dcase2022 train section_00_source_test_normal_0000.wav
  name and folder disagree: a name of test in train
dcase2022 test section_00_source_train_normal_0000.wav
  name and folder disagree: a name of train in test
dcase2021 target_test section_00_source_test_normal_0000.wav
  name and folder disagree: a name of source_test in target_test
dcase2020 train anomaly_id_01_00000000.wav
  name and folder disagree: a name of test in train
dcase2022 supplemental section_00_0000.wav
  name and folder disagree: a name of test in supplemental
dcase2022 supplement section_00_0000.wav
  folder unknown to dcase2022: 'supplement', not train or test or supplemental
dcase2022 supplemental section_00_wind_0000.wav
  name fits no grammar: dcase2022 has none like it in supplemental
dcase2022 test fan.wav
  name fits no grammar: dcase2022 has none like it in test
""".strip().splitlines()


@pytest.mark.parametrize(("name", "reason"), zip(REASONS[::2], REASONS[1::2], strict=True))
def test_reasons(name: str, reason: str) -> None:
    assert parse(*name.split()) is None
    assert why_not(*name.split()) == reason.strip()


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac", ".ogg"])
def test_a_converted_recording_keeps_its_facts(suffix: str) -> None:
    assert parse("dcase2020", "test", f"id_05_00000000{suffix}") == Facts("05", "", "test", "")


@pytest.mark.parametrize(
    ("folders", "facts"),
    [
        ("train", Facts("00", "", "train", "normal")),
        ("train/normal/monday", Facts("00", "", "train", "normal")),
        ("test", Facts("00", "", "test", "")),
        ("test/monday", Facts("00", "", "test", "")),
        ("Test/Anomalous", Facts("00", "", "test", "anomaly")),
        ("abnormal/loose belt", Facts("00", "", "test", "anomaly")),
    ],
)
def test_places(folders: str, facts: Facts) -> None:
    assert place(folders.split("/")) == facts


NORMAL = "normal Normal_2 ok OK good healthy io i.O. no_fault non-faulty fault free faultless gut"
ABNORMAL = (
    "abnormal anomaly Anomalous bad ng NOK n.i.O. faulty fault inner_race_fault defect broken"
    " damaged Failure not_ok kaputt abnormal_normal_speed"
)


@pytest.mark.parametrize("word", NORMAL.replace("fault free", "fault_free").split())
def test_words_for_normal_at_any_depth(word: str) -> None:
    assert place([word]) == Facts("00", "", "", "normal")
    assert place(["fan", "id_03", word, "monday"]) == Facts("03", "", "", "normal")
    assert place(["test", "day1", word]) == Facts("00", "", "test", "normal")
    assert place(["training", word]) == Facts("00", "", "train", "normal")


@pytest.mark.parametrize("word", ABNORMAL.split())
def test_words_for_faulty_at_any_depth_are_never_learnt(word: str) -> None:
    assert place([word]) == Facts("00", "", "test", "anomaly")
    assert place(["fan", "id_03", word, "monday"]) == Facts("03", "", "test", "anomaly")
    assert place(["test", "day1", word]) == Facts("00", "", "test", "anomaly")
    for above in ("train", "normal", "id_00/Train/day1", "ok", "train_data"):
        for below in ("", "/deeper"):
            found = place([*above.split("/"), word, *filter(None, below.split("/"))])
            assert isinstance(found, str), found
    found = place([f"train_{word}"])
    assert isinstance(found, str) or (found.split, found.label) == ("test", "anomaly")
    if len(word) > 2:  # "ng_1.wav" may be anything
        for folders in ([], ["train"], ["normal"]):
            assert str(place(folders, f"{word} 1.wav")).startswith("named as a fault: ")
    assert place(["test"], f"{word}.wav") == Facts("00", "", "test", "")


@pytest.mark.parametrize(
    "name", ["monday", "test rig", "io board", "ngk", "goodyear", "training 2"]
)
def test_words_within_others_say_nothing(name: str) -> None:
    assert meaning(name) == (frozenset({"train"}) if "training" in name else frozenset())


def test_straight_in_the_machine_s_folder_is_normal_training_sound() -> None:
    assert place([]) == Facts("00", "", "train", "normal")
    assert place(["id_06"]) == Facts("06", "", "train", "normal")


def test_a_folder_may_be_said_to_be_normal() -> None:
    assert place(["monday"], normal=1) == Facts("00", "", "", "normal")
    assert place(["fault bench"], normal=1) == Facts("00", "", "", "normal")
    assert place(["test", "monday"], normal=2) == Facts("00", "", "test", "normal")
    assert place(["anything"], normal=0) == Facts("00", "", "", "normal")
    assert isinstance(place(["monday", "faulty"], normal=1), str)


@pytest.mark.parametrize(
    "folders", ["monday", "id_6/other", "train/anomaly", "normal/bad", "a/b/c"]
)
def test_places_that_say_nothing(folders: str) -> None:
    reason = place(folders.split("/"))
    assert isinstance(reason, str)
    assert ": " in reason


def test_for_training_and_for_testing_is_neither() -> None:
    assert place(["train", "test"]) == "both for training and for testing: in 'train/test'"


def _digests(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


@given(st.integers(0, 40), st.floats(0.01, 0.99), st.randoms(use_true_random=False))
def test_the_split_takes_the_share_whatever_the_order(
    count: int, share: float, random: object
) -> None:
    pool = _digests(count)
    shuffled = pool * 2  # copies change nothing either
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = choose_split(shuffled, share)
    assert chosen == choose_split(pool, share)
    assert chosen <= set(pool)
    if count >= 2:
        assert 1 <= len(chosen) <= count - 1
        assert abs(len(chosen) - share * count) <= max(
            0.5 + 1e-9, 1 - share * count, 1 - (1 - share) * count + 1e-9
        )
    else:
        assert len(chosen) == count


def test_the_split_does_not_follow_the_order_of_names() -> None:
    pool = _digests(100)
    assert choose_split(pool, 0.5) not in (set(pool[:50]), set(pool[50:]))


def test_tables_of_all_sections_are_joined(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(
        b"\xef\xbb\xbffile_name,d1p,d1v,d2p,d2v\r\n"
        b"fan/train/a.wav,m-n,W,f,2\r\n"
        b"fan/test/a.wav,m-n, X ,,\r\n"
        b"\r\n"
    )
    (tmp_path / "attributes_01.csv").write_bytes(
        b"file_name,d1p,d1v\nfan/train/b.wav,noAttribute,\nfan/train/c.wav\n"
    )
    (tmp_path / "attributes.csv").write_text("not one of them")
    tables = read_attributes(tmp_path)
    assert tables == {
        ("train", "a"): "m-n=W;f=2",
        ("test", "a"): "m-n=X",
        ("train", "b"): "",
        ("train", "c"): "",
    }
    assert attributes_in(tables, "train", "a.flac") == "m-n=W;f=2"
    assert attributes_in(tables, "supplemental", "a.wav") == ""


def test_a_table_of_bare_stems_and_one_of_hidden_attributes(tmp_path: Path) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(
        b"filename,d1p,d1v\nsection_00_source_train_normal_0000_vel_0.08,vel,0.08\n"
    )
    (tmp_path / "attributes_01.csv").write_bytes(
        b"file_name\nfan/train/section_01_source_train_normal_0000_noAttributes.wav\n"
    )
    tables = read_attributes(tmp_path)
    name = "section_00_source_train_normal_0000_vel_0.08.wav"
    assert attributes_in(tables, "train", name) == "vel=0.08"
    assert tables["train", "section_01_source_train_normal_0000_noAttributes"] == ""


def test_no_table_is_no_error(tmp_path: Path) -> None:
    assert read_attributes(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "left out, as its first column is not 'file_name'"),
        (b"name,d1p,d1v\n", "left out, as its first column is not 'file_name'"),
        (b"file_name,d1p,d1v\nfan/train/a.wav,m,W=1\n", "line 2: left out, as 'W=1' holds"),
        (b"file_name\xff", "left out, as it cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_told_and_stops_nothing(
    tmp_path: Path, content: bytes, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "attributes_00.csv").write_bytes(content)
    assert read_attributes(tmp_path) == {}
    told = capsys.readouterr().err
    assert "attributes_00.csv" in told
    assert complaint in told
