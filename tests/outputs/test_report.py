"""The page of `vipe align --report`: what stands in it, and how it behaves in a browser."""

import base64
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.media import make_video, number
from tests.outputs.test_report_data import embeddings
from tests.outputs.test_synced import half_speed, poses
from vipecli.alignment.align import Span
from vipecli.alignment.time_map import warp
from vipecli.errors import VideoError, VipeError
from vipecli.outputs.report import Chart, Side, Words, write_report
from vipecli.outputs.report_clips import MOST_BITS_S, encode_clips
from vipecli.outputs.report_data import clarity, clip_states
from vipecli.video.source import ClipSource

NAME = "</script><img src=x onerror=alert(1)>{{data}}&amp;.mp4"  # would break out of a page


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> tuple[Side, Side]:
    """A of 10 frames, and B of 20 that does the same half as fast; frames tell their number."""
    folder = tmp_path_factory.mktemp("clips")
    a = make_video(folder / "a.mp4", range(0, 400, 40), size=(128, 96))
    b = make_video(folder / "b.mp4", range(0, 800, 40), size=(66, 120))
    return (
        Side(ClipSource(a), poses(a), embeddings(10), label=NAME),
        Side(ClipSource(b), poses(b), embeddings(20)),
    )


@pytest.fixture(scope="module")
def page(sides, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    times = np.arange(10) / 25
    knee = Chart("Left knee", "°", times, np.linspace(170, 90, 10), np.linspace(160, 100, 10))
    words = Words(
        summary="a < b", facts=(("rate", "1"),), moments=((0.2, "half-way"),), charts=(knee,)
    )
    write_report(half_speed(), *sides, out, words=words)
    return out


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


# --- what stands in it ---------------------------------------------------------------------------


def test_moments_are_those_of_the_time_map(page, sides):
    data = data_of(page)
    a, b = data["moments"]["a"], data["moments"]["b"]
    np.testing.assert_allclose(a, np.arange(10) / 25, atol=1e-4)
    np.testing.assert_allclose(b, warp(half_speed(), np.array(a)), atol=1e-4)
    assert data["fps"] == 25
    assert [clip["frames"] for clip in data["clips"]] == [10, 20]


def test_names_cannot_become_tags_or_scripts(page):
    text = page.read_text(encoding="utf-8")
    assert data_of(page)["clips"][0]["name"] == NAME
    assert "<img" not in text
    assert text.count("</script>") == 4  # data, two clips, the script itself
    assert "&lt;/script&gt;&lt;img src=x" in text


def test_the_policy_allows_this_script_and_no_network(page):
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy and "http" not in policy and "unsafe" not in policy
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)


def test_a_name_that_is_not_text_can_be_written(sides, tmp_path):
    a = Side(sides[0].source, sides[0].poses, sides[0].embeddings, label="take \udcff")
    write_report(half_speed(), a, sides[1], tmp_path / "page.html")
    assert data_of(tmp_path / "page.html")["clips"][0]["name"] == "take \ufffd"


def test_poses_without_pictures(sides, tmp_path):
    path = tmp_path / "a.npz"
    path.touch()
    a = Side(ClipSource(path), sides[0].poses, sides[0].embeddings)
    write_report(half_speed(), a, sides[1], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="clip-0"' not in text and 'id="clip-1"' in text
    assert data_of(tmp_path / "page.html")["clips"][0]["frames"] == 10


def test_where_the_pose_is_unclear_or_nobody_is_seen(sides):
    clip = embeddings(10)
    clip.std[7] = 0.4
    unsure, missing = clip_states(sides[0].poses, clip)
    assert (unsure, missing) == ([(0.28, 0.32)], [(0.16, 0.24)])
    clear = clarity(clip)
    assert np.isnan(clear[4:6]).all() and clear[7] < 0.5 < 0.8 < clear[0]


def test_what_is_left_out_is_told(sides, tmp_path):
    out = tmp_path / "page.html"
    alignment = half_speed()
    write_report(
        type(alignment)(
            **{**alignment.__dict__, "unmatched": (Span("a", 0.0, 0.3), Span("b", 0.7, 0.75))}
        ),
        *sides,
        out,
    )
    texts = [event["text"] for event in data_of(out)["events"]]
    assert "A shows 0.3 s not in B" in texts
    assert not any("B shows" in text for text in texts)


def test_the_same_page_twice_is_the_same_file(sides, tmp_path):
    pages = [tmp_path / f"{i}.html" for i in (1, 2)]
    for out in pages:
        write_report(half_speed(), *sides, out)
    # but for the pictures, see media.assert_same_video
    one, two = (re.sub(r'id="clip-\d">[\w+/=]+<', "", out.read_text()) for out in pages)
    assert one == two


def test_refuses(sides, tmp_path):
    a, b = sides
    with pytest.raises(VipeError, match=r"ends in \.html"):
        write_report(half_speed(), a, b, tmp_path / "page.pdf")
    with pytest.raises(ValueError, match="onto"):
        write_report(half_speed(), a, b, tmp_path / "page.html", onto="c")
    gone = Side(ClipSource(tmp_path / "gone.mp4"), a.poses, a.embeddings)
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        write_report(half_speed(), gone, b, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_noise_keeps_to_the_bit_rate(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(60)]
    path = make_video(tmp_path / "noise.mp4", range(0, 2400, 40), size=(640, 480), images=images)
    clip = encode_clips([(path, np.arange(60) / 25)])[0]
    assert len(clip.video) < (2.4 + 1) * MOST_BITS_S / 8  # a second may be ahead of its time


def test_a_side_without_a_file_is_shown_by_its_joints():
    assert [one.video for one in encode_clips([(None, np.arange(3.0))])] == [b""]
    assert Side(None, None, None, "1847 (squat)").name == "1847 (squat)"


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `test`")
    names = os.environ.get("VIPE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium that plays H.264: install `chromium`, or set VIPE_CHROMIUM")
    with sync_api.sync_playwright() as play:
        one = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def opened(browser, page):
    """The page in a fresh tab that collects its requests and errors."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, color_scheme="light")
    tab = context.new_page()
    tab.requests, tab.errors = [], []
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda m: tab.errors.append(m.text) if m.type == "error" else None)
    tab.goto(page.as_uri())
    settle(tab)
    yield tab
    assert tab.errors == []
    context.close()


def settle(tab) -> None:
    """Wait until both videos show what they were asked for."""
    tab.wait_for_function(
        "() => [...document.querySelectorAll('video')].filter(v => v.readyState > 1 && !v.seeking)"
        ".length === 2"
    )
    tab.wait_for_timeout(60)


def position(tab) -> int:
    return int(tab.locator("#time").input_value())


def shown(tab) -> list[int]:
    """Number of the frame of each clip that the videos show, by their pictures."""
    pictures = tab.evaluate(
        """() => [...document.querySelectorAll('video')].map(v => {
            const canvas = document.createElement('canvas');
            Object.assign(canvas, {width: v.videoWidth, height: v.videoHeight});
            const ctx = canvas.getContext('2d');
            ctx.drawImage(v, 0, 0);
            const {data} = ctx.getImageData(0, 0, canvas.width, canvas.height);
            let sum = 0;
            for (let i = 0; i < data.length; i += 4) sum += data[i];
            return sum / (data.length / 4);
        })"""
    )
    return [number(np.array([grey])) for grey in pictures]


def belongs(frame: int) -> list:
    """Frames of both clips that belong to a frame of the time base, to half a frame."""
    mapped = float(warp(half_speed(), np.array([frame / 25]))[0])
    return pytest.approx([frame, mapped * 25], abs=0.51)


def move_slider(tab, frame: int) -> None:
    tab.locator("#time").evaluate(
        "(slider, value) => { slider.value = value;"
        " slider.dispatchEvent(new Event('input', {bubbles: true})); }",
        frame,
    )
    settle(tab)


def test_the_slider_moves_both_clips(opened):
    assert shown(opened) == belongs(0)
    for frame in (7, 2, 9, 5):
        move_slider(opened, frame)
        assert shown(opened) == belongs(frame)
        times = opened.evaluate("[...document.querySelectorAll('video')].map(v => v.currentTime)")
        mapped = frame / 25, float(warp(half_speed(), np.array([frame / 25]))[0])
        for got, want in zip(times, mapped, strict=True):
            assert got == pytest.approx(want + 0.02, abs=0.021)  # the middle of the frame
    for _ in range(3):  # several at once: the last one counts
        for frame in (0, 8, 3, 6):
            opened.locator("#time").evaluate(
                "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", frame
            )
        settle(opened)
        assert shown(opened) == belongs(6)
    assert "A 0.24 seconds" in opened.locator("#time").get_attribute("aria-valuetext")


def test_a_click_on_the_matrix_goes_there(opened):
    box = opened.locator("#matrix canvas").bounding_box()
    left, right, top, bottom = 44, 10, 8, 22  # margins of the plot
    width, height = box["width"] - left - right, box["height"] - top - bottom
    for frame in (8, 3):
        a, b = frame / 25, float(warp(half_speed(), np.array([frame / 25]))[0])
        x = left + width * a / (9 / 25)
        y = top + height * (1 - b / (19 / 25))
        opened.locator("#matrix canvas").click(position={"x": x, "y": y})
        settle(opened)
        assert position(opened) == frame
        assert shown(opened) == belongs(frame)
    chart = opened.locator("#graphs canvas").first
    width = chart.bounding_box()["width"] - left - right
    chart.click(position={"x": left + width * 5 / 9, "y": 50})
    assert position(opened) == 5
    opened.get_by_role("button", name="half-way").click()
    assert position(opened) == 5
    move_slider(opened, 0)
    opened.get_by_role("button", name="half-way").click()
    assert position(opened) == 5


def test_keys(opened):
    press = opened.keyboard.press
    press("ArrowRight")
    press("ArrowRight")
    assert position(opened) == 2
    press("ArrowLeft")
    assert position(opened) == 1
    press("End")
    assert position(opened) == 9
    press("Home")
    assert position(opened) == 0
    press("Shift+ArrowRight")
    assert position(opened) == 9
    overlay = "() => document.querySelector('.take canvas').toDataURL()"
    with_skeleton = opened.evaluate(overlay)
    for key, button in (("s", "Skeletons"), ("m", "Mirror B"), ("l", "Loop")):
        state = opened.get_by_role("button", name=button)
        before = state.get_attribute("aria-pressed")
        press(key)
        assert state.get_attribute("aria-pressed") != before
    assert opened.evaluate(overlay) != with_skeleton
    assert "mirrored" in opened.locator(".take.second .view").get_attribute("class")
    press("-")
    assert opened.locator("#rate").input_value() == "0.5"


def test_it_plays_in_step(opened):
    opened.locator("#loop").click()
    opened.keyboard.press("-")  # half as fast
    opened.locator("#time").focus()
    opened.keyboard.press("Space")
    assert opened.locator("#play-text").inner_text() == "Pause"
    opened.wait_for_function("() => document.getElementById('time').value === '9'")
    opened.wait_for_function("() => document.getElementById('play-text').textContent === 'Play'")
    settle(opened)
    assert shown(opened) == belongs(9)


def test_nothing_is_fetched(opened, page):
    opened.keyboard.press("Space")
    opened.wait_for_timeout(300)
    assert [url for url in opened.requests if not url.startswith(("blob:", "data:"))] == [
        page.as_uri()
    ]
    refused = opened.evaluate(
        "() => fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"
    )
    assert refused == "refused"
    opened.errors.clear()  # the browser tells of the refusal


def test_names_stand_there_as_text(opened):
    assert opened.locator(".name").first.inner_text() == NAME
    assert NAME in opened.title()
    assert opened.locator("img").count() == 0


def test_dark_and_light(opened):
    background = "() => getComputedStyle(document.body).backgroundColor"
    matrix_corner = (
        "() => [...document.querySelector('#matrix canvas').getContext('2d')"
        ".getImageData(300, 40, 1, 1).data]"
    )
    light, light_matrix = opened.evaluate(background), opened.evaluate(matrix_corner)
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_timeout(100)
    dark = opened.evaluate(background)
    assert [sum(map(int, re.findall(r"\d+", c))) > 380 for c in (light, dark)] == [True, False]
    assert opened.evaluate(matrix_corner) != light_matrix


def test_the_clips_stay_in_view_below(opened):
    stage = opened.locator("#stage")
    opened.locator("#angles canvas").first.scroll_into_view_if_needed()
    opened.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    opened.wait_for_function("() => document.getElementById('stage').className === 'docked'")
    assert stage.bounding_box()["y"] > 0
    opened.evaluate("window.scrollTo(0, 0)")
    opened.wait_for_function("() => document.getElementById('stage').className === ''")


def test_it_fits_a_phone(opened):
    opened.set_viewport_size({"width": 360, "height": 740})
    opened.wait_for_timeout(100)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    for control in opened.locator("button:visible, select").all():
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    unnamed = opened.evaluate(
        "() => [...document.querySelectorAll('button, input, select, [role=img]')].filter("
        "e => !(e.getAttribute('aria-label') || e.textContent.trim())).length"
    )
    assert unnamed == 0
