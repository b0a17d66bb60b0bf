"""`vipe live` without a camera and without a display."""

import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.media import make_video
from vipecli.alignment.online import Follower, Place
from vipecli.errors import VipeError
from vipecli.outputs.live_page import Page
from vipecli.outputs.live_view import Status
from vipecli.outputs.window import check_window
from vipecli.poses.formats import save_poses
from vipecli.video import camera
from vipecli.video.read import probe

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
TEACHER = CLIPS / "jumping_jack" / "jumpingjack_000_eva.mp4"
PUPIL = CLIPS / "jumping_jack" / "jumpingjack_120_finn.mp4"


def test_a_clip_follows_another_one(vipe, tmp_path):
    """The real landmarker, at the clip's own speed: film, log and what is printed."""
    film, log = tmp_path / "seen.mp4", tmp_path / "log.json"
    code, out, err = vipe(
        *("live", "--reference", TEACHER, "--source", PUPIL, "--no-window"),
        *("--record", film, "--json", log),
    )
    assert (code, err) == (0, "")
    assert f"Wrote {film}" in out and "frames shown" in out and "95th percentile" in out
    data = json.loads(log.read_text())
    info, own = probe(film), probe(PUPIL)
    assert data["shown"] == len(data["frames"]) > 5
    assert data["shown"] + data["dropped"] <= own.frames
    assert abs(info.duration_s - data["frames"][-1]["time_s"]) < 0.5
    assert info.height == 480 + 64 and info.fps == 30
    times = [row["time_s"] for row in data["frames"]]
    assert times == sorted(times)
    assert np.median([row["match"] for row in data["frames"] if row["match"]]) > 0.4
    assert {"reference_s", "surety", "repetitions", "restarted", "delay_ms"} <= set(
        data["frames"][-1]
    )


def test_the_clip_starts_when_all_is_ready(vipe, tmp_path, monkeypatch):
    """What the first frame needs is compiled before: on a new machine seconds would be dropped."""
    order = []

    def noted(name, function):
        def call(*args, **options):
            order.append(name)
            return function(*args, **options)

        return call

    monkeypatch.setattr(Follower, "step", noted("place", Follower.step))
    monkeypatch.setattr(camera, "paced", noted("film", camera.paced))
    code, _, _ = vipe(
        *("live", "--reference", TEACHER, "--source", PUPIL, "--no-window"),
        *("--json", tmp_path / "log.json"),
    )
    assert code == 0 and order[:2] == ["place", "film"] and len(order) > 2


def test_actions_are_named(vipe, tmp_path):
    for label in ("jumping_jack", "squat"):
        (tmp_path / "index" / label).mkdir(parents=True)
        clip = min((CLIPS / label).glob("*.mp4"))
        (tmp_path / "index" / label / clip.name).write_bytes(clip.read_bytes())
    code, out, _ = vipe(
        *("live", "--classify", "--index", tmp_path / "index", "--source", PUPIL),
        *("--no-window", "--json", tmp_path / "log.json"),
    )
    assert code == 0 and "frames shown" in out and "repetitions" not in out
    rows = json.loads((tmp_path / "log.json").read_text())["frames"]
    assert {row["label"] for row in rows if "label" in row} <= {"jumping_jack", "squat"}


def test_actions_are_named_by_an_index_in_lance(vipe, tmp_path):
    pytest.importorskip("lance")
    for i in range(8):
        folder = tmp_path / "index" / ("up", "down")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        save_poses([seen(waving(30 + i)[:: 1 - 2 * (i % 2)])], folder / f"{i}.json", format="coco")
    assert vipe("index", "build", tmp_path / "index", "--store", "lance")[0] == 0
    code, out, err = vipe(
        *("live", "--classify", "--index", tmp_path / "index", "--source", PUPIL),
        *("--no-window", "--json", tmp_path / "log.json"),
    )
    assert code == 0 and "frames shown" in out, err
    rows = json.loads((tmp_path / "log.json").read_text())["frames"]
    assert rows and {row["label"] for row in rows if "label" in row} <= {"up", "down"}


def test_refuses_what_nobody_could_see_or_follow(vipe, monkeypatch, tmp_path):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    clip = make_video(tmp_path / "a.mp4")
    code, _, err = vipe("live", "--source", clip)
    assert code == 2 and "--reference A, or --classify" in err
    code, _, err = vipe("live", "--reference", clip, "--no-window")
    assert code == 2 and "--serve, --record or --json" in err
    code, _, err = vipe("live", "--classify", "--no-window", "--json", "-")
    assert code == 2 and "--index DIR go together" in err
    code, _, err = vipe("live", "--reference", tmp_path / "gone.mp4", "--serve")
    assert code == 1 and "gone.mp4" in err
    code, _, err = vipe("live", "--reference", clip, "--source", clip, "--record", clip, "--serve")
    assert code == 1 and "a.mp4" in err


def test_a_window_needs_a_display_and_an_opencv_that_has_windows(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("cv2.getBuildInformation", lambda: "  GUI:      QT5\n")
    check_window({"DISPLAY": ":0"})
    check_window({"WAYLAND_DISPLAY": "wayland-0"})
    with pytest.raises(VipeError, match=r"no display.*--serve"):
        check_window({})
    monkeypatch.setattr("cv2.getBuildInformation", lambda: "  GUI:      NONE\n")
    with pytest.raises(VipeError, match=r"headless build.*--serve"):
        check_window({"DISPLAY": ":0"})


# --- the page ------------------------------------------------------------------------------------


STATUS = Status(Place(1.0, 0.5, 0.6, 0.9, 3, restarted=False), "squat", 0.04, 29.7)


def get(page: Page, path: str, *, token: str | None = None, host: str = "", data=None):
    url = f"http://127.0.0.1:{page.port}/{path}?token={page.token if token is None else token}"
    request = urllib.request.Request(url, data=data, headers={"Host": host} if host else {})
    return urllib.request.urlopen(request, timeout=10)


def test_the_page_shows_pictures_and_state_until_the_end():
    image = np.full((64, 96, 3), 90, np.uint8)
    with Page() as page:
        assert page.url.startswith("http://127.0.0.1:") and page.token in page.url
        assert json.load(get(page, "state")) == {"started": False, "ended": False}
        shown: list[bytes] = []

        def look() -> None:
            with get(page, "stream") as stream:
                shown.append(stream.read(400))

        viewer = threading.Thread(target=look)
        viewer.start()
        until = time.monotonic() + 10
        while not shown and time.monotonic() < until:
            assert page.show(image, STATUS)
            time.sleep(0.01)
        viewer.join()
        head, _, rest = shown[0].partition(b"\r\n\r\n")
        assert head.startswith(b"--vipe-frame\r\nContent-Type: image/jpeg")
        assert rest.startswith(b"\xff\xd8\xff")
        state = json.load(get(page, "state"))
        assert state["match"] == 0.8 and state["repetitions"] == 3 and state["label"] == "squat"
        text = get(page, "")
        assert "script-src 'sha256-" in text.headers["Content-Security-Policy"]
        assert page.token in text.read().decode()
        assert get(page, "end", data=b"").status == 200
        assert not page.show(image, STATUS), "somebody has ended the session"


@pytest.mark.parametrize("path", ["", "state", "stream", "end"])
def test_nobody_gets_in_without_the_token_or_under_another_name(path):
    with Page() as page:
        data = b"" if path == "end" else None
        for ways in ({"token": "wrong"}, {"token": ""}, {"host": "evil.example"}):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(page, path, data=data, **ways)
            assert refused.value.code == 403
        with pytest.raises(urllib.error.HTTPError) as unknown:
            get(page, "etc/passwd")
        assert unknown.value.code == 404


def test_a_port_that_is_taken():
    with Page() as page, pytest.raises(VipeError, match=f"port {page.port}"):
        Page(page.port)
