"""On duty: states, messages, the log, and what a watch survives."""

import http.server
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.detection import Detector
from asd.detection.arrivals import Arrival
from asd.detection.watch import Duty, Messenger, RowLog, Rule, Watch, command_of, webhook

NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
QUIET = "raw/pump/id_00/test/normal/00_10.wav"
ODD = "raw/pump/id_00/test/anomaly/00_11.wav"


def states(rule, heard):
    duty, found = Duty(rule), []
    for decision, score in heard:
        found.append(duty.hear(decision, score))
        duty.turn(found[-1], 0.0)
    return found


def of(scores, threshold=1.0):
    return [("anomalous" if one > threshold else "normal", one) for one in scores]


def test_two_of_three_make_an_alarm():
    found = states(Rule(2, 3), of([2, 0, 2, 0, 0, 2]))
    assert found == ["normal", "normal", "alarm", "normal", "normal", "normal"]


def test_an_alarm_lasts_until_scores_fall_to_the_level():
    assert states(Rule(clear=0.5), of([2, 0.9, 0.6, 0.5, 0.9])) == ["alarm"] * 3 + ["normal"] * 2
    found = states(Rule(2, 3, clear=0.5), of([2, 2, 0.6, 0.6, 0, 0]))
    assert found == ["normal", *["alarm"] * 4, "normal"]


def test_silence_and_strange_recordings_are_no_alarm():
    heard = [("no sound", -np.inf), ("unlike training", 5.0), ("normal", 0.0)]
    assert states(Rule(), heard) == ["no sound", "unlike training", "normal"]


def test_what_tells_nothing_of_the_machine_ends_no_alarm():
    odd = [("no sound", -np.inf), ("unlike training", 5.0), ("normal", 0.0), ("normal", 0.0)]
    found = states(Rule(2, 3), [*of([2, 2]), *odd])
    assert found == ["normal", "alarm", "alarm", "alarm", "alarm", "normal"]
    found = states(Rule(2, 3), [odd[0], odd[0], odd[1], odd[2]])
    assert found == ["normal", "no sound", "no sound", "normal"]


def test_a_state_is_told_once_an_interval():
    """One that came too soon is told later if it lasts, and its end only where it was told."""
    duty = Duty(Rule(interval=60))
    turns = [
        ("alarm", 0), ("alarm", 10), ("normal", 20), ("alarm", 30), ("normal", 40),
        ("alarm", 50), ("alarm", 59), ("alarm", 61), ("alarm", 200), ("normal", 300),
    ]  # fmt: skip
    found = [duty.turn(state, now) for state, now in turns]
    assert [told for _, told in found] == [
        True, False, True, False, False, False, False, True, False, True,
    ]  # fmt: skip
    assert [changed for changed, _ in found] == [
        True, False, True, True, True, True, False, False, False, True,
    ]  # fmt: skip


@pytest.fixture
def watched(tiny):
    """Return a watch over the pump, the rows that it shows, and those that it tells."""
    shown, told = [], []
    return Watch(Detector(tiny, "pump"), Rule(), shown.append, told.append, "00"), shown, told


def decisions(shown):
    return [row["decision"] for row in shown if row["event"] == "recording"]


def test_rows_of_recordings_and_states(tiny, watched):
    watch, shown, told = watched
    watch.run([Arrival(str(tiny / one)) for one in (NORMAL, ODD, QUIET)])
    assert [(row["event"], row["state"]) for row in shown] == [
        ("recording", "normal"),
        ("recording", "alarm"),
        ("state", "alarm"),
        ("recording", "normal"),
        ("state", "normal"),
    ]
    assert [row["state"] for row in told] == ["alarm", "normal"]
    (said,) = watch.detector.predictions([tiny / ODD], "00")
    alarm = told[0]
    assert (alarm["score"], alarm["threshold"]) == (said.score, said.threshold)
    assert (alarm["recording"], alarm["reason"]) == (str(tiny / ODD), said.reason)
    assert (alarm["was"], alarm["machine"], alarm["system"]) == ("normal", "pump", "cosine")
    assert alarm["time"][4::3][:2] == "--"
    assert watch.anomalous == 1
    json.dumps(shown)


def test_a_file_that_was_only_touched_is_not_scored_again(tiny, watched):
    watch, shown, _ = watched
    file = tiny / "a.wav"
    for source in (NORMAL, NORMAL, ODD):
        file.write_bytes((tiny / source).read_bytes())
        watch.run([Arrival(str(file))])
    assert decisions(shown) == ["normal", "anomalous"]


def test_bad_and_silent_recordings_are_told_apart(tiny, watched):
    watch, shown, told = watched
    (tiny / "half.wav").write_bytes((tiny / NORMAL).read_bytes()[:3000])
    soundfile.write(tiny / "silent.wav", np.zeros(4096), 8000)
    watch.run([Arrival(str(tiny / one)) for one in ("half.wav", "gone.wav", "silent.wav", NORMAL)])
    assert decisions(shown) == ["unusable", "unusable", "no sound", "normal"]
    assert "cut short" in shown[0]["reason"]
    assert [row["state"] for row in told] == ["no sound", "normal"]


def test_clips_of_a_stream(tiny, watched):
    """They are scored as files of the same samples are, at any rate and number of channels."""
    watch, shown, _ = watched
    wave, rate = soundfile.read(tiny / ODD, dtype="float32")
    stereo = np.stack([wave, -wave], axis=1)
    clips = [wave, stereo, np.zeros_like(wave)]
    watch.run([Arrival(f"-#t={n}", clip, lost=n // 2) for n, clip in enumerate(clips)], rate)
    (said,) = watch.detector.predictions([tiny / ODD], "00")
    scores = [row["score"] for row in shown if "score" in row and row["event"] == "recording"]
    assert scores == [said.score, said.score]
    (behind,) = [row for row in shown if row["event"] == "behind"]
    assert behind["lost"] == 1
    assert (shown[-1]["decision"], shown[-1]["state"]) == ("no sound", "alarm")


def test_an_enrolment_is_taken_up(tiny, watched):
    watch, shown, _ = watched
    odd = [Arrival(str(tiny / ODD))]
    watch.run(odd)
    Detector(tiny, "pump").enroll([tiny / ODD], "00", force=True)
    watch._digests.clear()
    watch.run(odd)
    events = [(row["event"], row.get("decision")) for row in shown if row["event"] != "state"]
    assert events == [("recording", "anomalous"), ("reloaded", None), ("recording", "normal")]


def test_a_detector_that_cannot_be_loaded_leaves_the_old_one(tiny, watched, capsys):
    watch, shown, _ = watched
    (tiny / "data/scores/cosine/pump.json").write_text("{}")
    watch.run([Arrival(str(tiny / ODD)), Arrival(str(tiny / NORMAL))])
    assert decisions(shown) == ["anomalous", "normal"]
    assert capsys.readouterr().err.count("the detector of before decides on") == 1


def test_nothing_that_arrives_is_no_sound(tiny):
    told = []
    now = iter([0.0, 10.0, 29.0, 30.0, 31.0, 40.0, 40.0, 40.0, 40.0])
    detector = Detector(tiny, "pump")
    watch = Watch(
        detector, Rule(expected=30), lambda row: None, told.append, "00", lambda: next(now)
    )
    watch.run([None, None, None, Arrival(str(tiny / NORMAL))])
    assert [(row["state"], row["reason"][:15]) for row in told][:1] == [
        ("no sound", "nothing arrived")
    ]
    assert told[-1]["state"] == "normal"


def test_messages_hold_nothing_up(tmp_path, capsys):
    done = threading.Event()
    sent = []

    def slow(row):
        done.wait(10)
        sent.append(row["n"])
        if row["n"] == 1:
            raise RuntimeError("no such host")

    messenger = Messenger(slow)
    started = time.monotonic()
    for n in range(5):
        messenger({"n": n})
    assert time.monotonic() - started < 1
    done.set()
    messenger.close(10)
    assert sent == [0, 1, 2, 3, 4]
    assert "a message could not be sent: no such host" in capsys.readouterr().err


def test_a_command_gets_the_row(tmp_path):
    messenger = Messenger(command_of(f"cat > {tmp_path / 'got'}"))
    messenger({"state": "alarm", "score": 2.5})
    messenger.close(10)
    assert json.loads((tmp_path / "got").read_text()) == {"state": "alarm", "score": 2.5}


@pytest.fixture
def server():
    """A server that fails twice and then takes what is posted."""
    got = []
    failures = iter([503, 500])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = next(failures, 200)
            if code == 200:
                got.append(json.loads(body))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{one.server_address[1]}", got
        one.shutdown()


def test_a_webhook_is_tried_again(server):
    url, got = server
    messenger = Messenger(webhook(url, backoff=0.01))
    messenger({"state": "alarm"})
    messenger.close(10)
    assert got == [{"state": "alarm"}]


def test_the_log_rotates(tmp_path):
    log = RowLog(tmp_path / "logs" / "pump.jsonl", 200, 2)
    for n in range(30):
        log.write({"n": n, "text": "100 % of it"})
    files = sorted((tmp_path / "logs").iterdir(), key=lambda path: path.name, reverse=True)
    assert [path.name for path in files] == ["pump.jsonl.2", "pump.jsonl.1", "pump.jsonl"]
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert [row["n"] for row in rows] == list(range(30))[-len(rows) :]


def test_a_log_that_cannot_be_written_is_told_before_the_first_row(capsys, tmp_path):
    (tmp_path / "pump.jsonl").mkdir()
    log = RowLog(tmp_path / "pump.jsonl", 10_000, 2)
    assert "Is a directory; rows are lost until" in capsys.readouterr().err
    (tmp_path / "pump.jsonl").rmdir()
    log.write({"n": 0})
    assert "can be written again" in capsys.readouterr().err


def test_a_full_disk_loses_rows_and_ends_nothing(capsys, tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("the system has no full device")
    log = RowLog(tmp_path / "pump.jsonl", 10_000, 2)
    log.write({"n": 0})
    log.stream.close()
    log.stream = Path("/dev/full").open("w")  # noqa: SIM115
    log.write({"n": 1})
    with monkeypatch.context() as patch:
        patch.setattr(log, "_open", lambda: Path("/dev/full").open("w"))  # noqa: SIM115
        log.write({"n": 2})
    log.write({"n": 3})
    rows = [json.loads(line) for line in (tmp_path / "pump.jsonl").read_text().splitlines()]
    assert [row["n"] for row in rows] == [0, 3]
    said = capsys.readouterr().err.splitlines()
    assert ["No space left" in line or "written again" in line for line in said] == [True, True]
