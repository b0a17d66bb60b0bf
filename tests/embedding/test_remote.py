"""Clips in a store: a small S3 on the loopback interface, asked by pyarrow's own client."""

import builtins
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.bodies import seen, waving
from tests.conftest import ROOT
from tests.fake_gcs import fake_gcs
from tests.fake_s3 import fake_s3
from vipecli.embedding import remote
from vipecli.embedding.remote import (
    below,
    clip_of,
    downloaded,
    is_remote_pattern,
    remote_matches,
    stamp_of_remote,
    with_stamps,
)
from vipecli.errors import MissingExtraError, VideoError, VipeError
from vipecli.poses.formats import save_poses
from vipecli.urls import scrubbed

FILM = ROOT / "examples" / "clips" / "squat" / "squat_000_ada.mp4"
SECRET = "sesame123"


@pytest.fixture(autouse=True)
def s3(monkeypatch, tmp_path_factory):
    """An empty store, credentials for it, and a folder of its own for temporary files."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    here = tmp_path_factory.mktemp("copies")
    monkeypatch.setenv("TMPDIR", str(here))
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    remote._store.cache_clear()
    with fake_s3() as store:
        yield store
        assert copies() == [], "copies are removed whatever happens"


def copies():
    """What is left among the temporary files of copies."""
    return list(Path(tempfile.gettempdir()).glob(".*.part*"))


@pytest.fixture
def clips(s3, tmp_path):
    """Four keypoint files here and in the store."""
    folder = tmp_path / "clips"
    for i, name in enumerate(("a/1.json", "a/2.json", "b/1.json", "b/deep/3.json")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_poses([seen(waving(12 + i))], path, format="coco")
        s3.objects[f"bucket/clips/{name}"] = path.read_bytes()
    return folder


def files(folder):
    """Content of the files of clips."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("[!.]*.npz")}


# -- URLs ------------------------------------------------------------------------------------------


def test_a_url_is_shown_and_stored_without_what_opens_it():
    one = clip_of(f"S3://me:{SECRET}@bucket/dir/a@2.mp4?region=x&scheme=http")
    assert str(one) == "s3://bucket/dir/a@2.mp4"
    assert SECRET not in repr(one) and SECRET in one.access
    assert (one.name, one.suffix, str(one.parent)) == ("a@2.mp4", ".mp4", "s3://bucket/dir")
    assert clip_of("a/b.mp4", Path("x")) == Path("x/a/b.mp4")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"http://me:{SECRET}@host/a.mp4?{SECRET}", "http://host/a.mp4: only URLs of s3:// and gs"),
        ("hdfs://host/a.mp4", "only URLs of s3:// and gs://"),
        ("ftp://host/a.mp4", "only URLs of s3:// and gs://"),
        ("file:///a.mp4", "give the path without file://"),
        (f"s3://me:{SECRET[:3]}/{SECRET}@bucket/a.mp4", "%2F for a slash"),
        ("s3://", "not the URL of an object"),
        ("s3://bucket/../../etc/a.mp4", "no file can be named after this key"),
        ("s3://bucket/a//b.mp4", "no file can be named after this key"),
        ("s3://bucket/a\\b.mp4", "no file can be named after this key"),
    ],
)
def test_other_urls_are_refused(url, problem):
    with pytest.raises(VideoError, match=re.escape(problem)) as raised:
        clip_of(url)
    assert SECRET not in str(raised.value)


# -- the store -------------------------------------------------------------------------------------


def test_patterns_and_prefixes_list_what_they_name(s3):
    names = ["1.mp4", "2.MOV", "deep/3.mp4", "deep/er/4.mp4", "deep/x.json"]
    names += [".hidden/5.mp4", "deep/._6.mp4"]
    s3.objects = {f"bucket/d/{name}": b"film" for name in names} | {"bucket/e.mp4": b"film"}

    def found(pattern):
        one = clip_of(s3.url(pattern))
        assert is_remote_pattern(one)
        return [str(clip).removeprefix("s3://bucket/") for clip in remote_matches(one)]

    assert found("bucket/d/*.mp4") == ["d/1.mp4"]
    assert found("bucket/d/**/*.mp4") == ["d/1.mp4", "d/deep/3.mp4", "d/deep/er/4.mp4"]
    assert found("bucket/d/*/[34].mp4") == ["d/deep/3.mp4"]
    assert found("bucket/**")[-1] == "e.mp4"
    assert found("bucket/nothing/*") == []
    films = ["d/1.mp4", "d/2.MOV", "d/deep/3.mp4", "d/deep/er/4.mp4"]
    listed = below(clip_of(s3.url("bucket/d/")))
    assert [str(one).removeprefix("s3://bucket/") for one in listed] == films
    assert s3.asked.count(("GET", "bucket/d/1.mp4")) == 0
    single = clip_of(s3.url("bucket/d/1.mp4"))
    assert stamp_of_remote(single) == listed[0].stamp == "1 4 1672628645000000000"
    both = with_stamps([single, Path("here.mp4"), clip_of(s3.url("bucket/gone.mp4"))])
    assert [getattr(one, "stamp", None) for one in both] == [listed[0].stamp, None, ""]
    with pytest.raises(VideoError, match="no video below it"):
        below(clip_of(s3.url("bucket/nothing")))


@pytest.mark.parametrize(
    "name", ["x\\..\\..\\x.json", "/x.json", "x\n.json", f"{'x' * 250}.json", f"{'x' * 300}.json"]
)
def test_a_key_that_no_file_can_be_named_after_costs_no_other(s3, clips, vipe, tmp_path, name):
    s3.objects[f"bucket/clips/a/{name}"] = s3.objects["bucket/clips/a/1.json"]
    for done in ("4 embedded, 0", "0 embedded, 4"):
        args = ("embed", s3.url("bucket/clips/**/*.json"), "--out", tmp_path / "out")
        code, printed, err = vipe(*args)
        assert (code, printed.split(" were")[0]) == (1, done)
        assert "1 of 5 clips failed" in err
        assert re.search("no file can be named after this key|json.npz: cannot be written", err)
    assert len(files(tmp_path / "out")) == 4
    s3.objects["bucket/films/" + name.replace(".json", ".txt")] = b"no clip"
    s3.objects["bucket/films/a.mp4"] = b"film"
    assert [one.name for one in below(clip_of(s3.url("bucket/films")))] == ["a.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
def test_a_copy_for_which_there_is_no_room_is_told_of(s3, monkeypatch, tmp_path):
    import resource

    s3.objects["bucket/a.mp4"] = b"film" * 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with (
            pytest.raises(VipeError, match=r": no room for a copy .*TMPDIR$"),
            downloaded(clip_of(s3.url("bucket/a.mp4"))),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        with (
            pytest.raises(VipeError, match=r"gone: no folder for temporary files .*TMPDIR$"),
            downloaded(clip_of(s3.url("bucket/a.mp4"))),
        ):
            pass


def test_a_copy_is_the_object_and_is_removed(s3, monkeypatch):
    monkeypatch.setattr(remote, "_BLOCK", 1000)
    data = bytes(range(256)) * 10
    s3.objects["bucket/ä b.mp4"] = data
    with downloaded(clip_of(s3.url("bucket/ä b.mp4"))) as (path, stamp):
        assert path.read_bytes() == data
        assert (path.name, stamp.split()[:2]) == ("ä b.mp4", ["1", str(len(data))])
        assert copies() == [path.parent]
    with (
        pytest.raises(VideoError, match=r"^s3://bucket/ä b\.mp4: no good$"),
        downloaded(clip_of(s3.url("bucket/ä b.mp4"))) as (path, _),
    ):
        raise VideoError(f"{path}: no good")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("broken", "cannot be read"),
        ("short", "cannot be read|did not arrive whole"),
        ("changing", "changed while it was downloaded"),
        ("gone", "no such object"),
    ],
)
def test_what_does_not_arrive_whole_is_an_error_that_names_the_url(s3, kind, problem):
    s3.objects["bucket/a.mp4"] = b"film" * 1000
    s3.__dict__.setdefault(kind, set()).add("bucket/a.mp4")
    if kind == "gone":
        s3.objects.clear()
    with (
        pytest.raises(VipeError, match=f"^s3://bucket/a.mp4: ({problem})") as raised,
        downloaded(clip_of(s3.url("bucket/a.mp4"))),
    ):
        pass
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, VideoError) == (kind == "gone"), "tried again, unless gone"


@pytest.mark.parametrize(
    "url",
    [
        f"s3://me:{SECRET}@bucket/a.mp4?password={SECRET}",
        f"s3://me:{SECRET}@bucket/a.mp4?{SECRET}",
        f"s3://me:{SECRET}@bucket/a.mp4?region=x&scheme=http&endpoint_override=127.0.0.1:9",
    ],
)
def test_secrets_are_in_no_message(url):
    with pytest.raises(VipeError) as raised, downloaded(clip_of(url)):
        pass
    assert SECRET not in str(raised.value)
    assert "me:" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_pyarrow_without_stores_is_told_of(s3, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **more):
        if name == "pyarrow.fs":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with (
        pytest.raises(MissingExtraError, match=r"^s3://bucket: .*pip install --upgrade pyarrow$"),
        downloaded(clip_of("s3://bucket/a.mp4")),
    ):
        pass


def test_no_store_is_opened_for_files_of_this_machine(clips, tmp_path):
    script = (
        "import sys\nfrom vipecli.cli.app import main\n"
        f"try: main(['embed', {str(clips)!r}, '--out', {str(tmp_path / 'out')!r}])\n"
        "finally: assert 'pyarrow.fs' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- commands --------------------------------------------------------------------------------------


def test_embedding_a_list_of_urls_equals_embedding_the_files(s3, clips, vipe, tmp_path):
    names = ["a/1.json", "a/2.json", "b/1.json", "b/deep/3.json"]
    assert vipe("embed", clips, "--out", tmp_path / "here")[0] == 0
    urls = [s3.url(f"bucket/clips/{name}") for name in names]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    parquet.write_table(pyarrow.table({"path": urls}), tmp_path / "list.parquet")
    asked = {
        "text": ("--list", tmp_path / "list.txt"),
        "parquet": ("--list", tmp_path / "list.parquet"),
        "pattern": (s3.url("bucket/clips/**/*.json"),),
    }
    for kind, arguments in asked.items():
        out = tmp_path / kind
        code, printed, err = vipe("embed", *arguments, "--out", out, "--log", tmp_path / "log")
        assert (code, printed.split(",")[0]) == (0, "4 embedded"), err
        assert files(out) == files(tmp_path / "here")
        done = len(s3.downloads)
        code, printed, _ = vipe("embed", *arguments, "--out", out)
        assert printed.startswith("0 embedded, 4 were done already")
        assert len(s3.downloads) == done, "the second run downloads nothing"
        marks = (out / ".done.jsonl").read_text()
        assert '"video": "s3://bucket/clips/b/deep/3.json"' in marks
        assert "endpoint" not in marks and SECRET not in marks
    s3.objects["bucket/clips/a/1.json"] += b"\n"
    assert vipe("embed", *asked["text"], "--out", tmp_path / "text")[1].startswith("1 embedded, 3")


def test_embedding_a_film_and_a_prefix_of_films_equals_embedding_the_files(s3, vipe, tmp_path):
    films = tmp_path / "films" / "squat"
    films.mkdir(parents=True)
    shutil.copy(FILM, films)
    s3.objects["bucket/films/squat/squat_000_ada.mp4"] = FILM.read_bytes()
    assert vipe("embed", films.parent, "--out", tmp_path / "here")[0] == 0
    for name, url in {"all": "bucket/films", "one": f"bucket/films/squat/{FILM.name}"}.items():
        code, _, err = vipe("embed", s3.url(url), "--out", tmp_path / name)
        assert code == 0, err
    assert files(tmp_path / "all") == files(tmp_path / "here")
    assert [*files(tmp_path / "one").values()] == [*files(tmp_path / "here").values()]
    code, _, err = vipe("embed", s3.url("bucket/films"))
    assert code == 1 and "say with --out" in err
    assert not [path for path in s3.asked if path[0] not in ("GET", "HEAD")]


def test_googles_store_is_read_by_the_same_means(clips, vipe, tmp_path):
    names = ["a/1.json", "a/2.json", "b/1.json", "b/deep/3.json"]
    assert vipe("embed", clips, "--out", tmp_path / "here")[0] == 0
    with fake_gcs(tmp_path) as url:
        urls = [url(f"clips/{name}") for name in (*names, "gone.json")]
        (tmp_path / "list.txt").write_text("\n".join(urls))
        args = ("embed", "--list", tmp_path / "list.txt", "--out", tmp_path / "listed")
        code, printed, err = vipe(*args)
        assert (code, printed.split(",")[0]) == (1, "4 embedded")
        assert "gs://clips/gone.json: no such object" in err
        args = ("embed", url("clips/**/*.json"), "--out", tmp_path / "out")
        code, printed, err = vipe(*args)
        assert (code, printed.split(",")[0]) == (0, "4 embedded"), err
        assert vipe(*args)[1].startswith("0 embedded, 4 were done already")
    assert files(tmp_path / "out") == files(tmp_path / "listed") == files(tmp_path / "here")
    marks = (tmp_path / "out" / ".done.jsonl").read_text()
    assert '"video": "gs://clips/b/deep/3.json"' in marks and "anonymous" not in marks


def test_what_fails_costs_no_other_and_is_tried_again(s3, clips, vipe, tmp_path):
    names = ["a/1.json", "a/2.json", "gone.json"]
    urls = [s3.url(f"bucket/clips/{name}") for name in names]
    (tmp_path / "list.txt").write_text("\n".join([*urls, str(clips / "b" / "1.json")]))
    s3.broken = {"bucket/clips/a/2.json"}
    args = ("embed", "--list", tmp_path / "list.txt", "--out", tmp_path / "out")
    code, printed, err = vipe(*args, "--log", tmp_path / "log")
    assert (code, printed.split(",")[0]) == (1, "2 embedded")
    assert "2 of 4 clips failed" in err and "s3://bucket/clips/gone.json: no such object" in err
    assert "s3://bucket/clips/a/2.json: cannot be read" in err
    logged = [json.loads(line)["video"] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(logged) == ["s3://bucket/clips/a/2.json", "s3://bucket/clips/gone.json"]
    assert "endpoint" not in err + (tmp_path / "log").read_text()
    s3.broken = set()
    assert vipe(*args)[1].startswith("1 embedded, 2 were done already")


def test_one_key_in_two_stores_is_refused_and_none_is_dropped(s3, clips, vipe, tmp_path):
    with fake_s3() as other:
        other.objects["bucket/clips/a/1.json"] = s3.objects["bucket/clips/b/1.json"]
        urls = [store.url("bucket/clips/a/1.json") for store in (s3, other)]
        code, _, err = vipe("embed", *urls, "--out", tmp_path / "out")
    assert code == 1 and "would both go to" in err
    assert "embed them one after the other into different folders" in err


def test_several_processes_embed_urls_and_end(s3, clips, tmp_path, vipe):
    assert vipe("embed", clips, "--out", tmp_path / "here")[0] == 0
    command = [sys.executable, "-m", "vipecli", "embed", s3.url("bucket/clips/**/*.json")]
    command += ["--out", str(tmp_path / "out"), "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "out") == files(tmp_path / "here")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_copy_is_removed_after_a_signal_or_swept_after_a_kill(s3, how, tmp_path):
    s3.objects["bucket/a.mp4"] = b"film" * 1000
    script = (
        "import time\nfrom vipecli.cli.interrupts import ending_promptly\n"
        "from vipecli.embedding.remote import clip_of, downloaded\n"
        f"with ending_promptly(), downloaded(clip_of({s3.url('bucket/a.mp4')!r})):\n"
        "    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not [path for one in copies() for path in one.iterdir() if path.stat().st_size]:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, how)
    process.wait(30)
    assert (copies() == []) == (how is signal.SIGTERM)
    with downloaded(clip_of(s3.url("bucket/a.mp4"))) as (path, _):
        assert copies() == [path.parent]


def test_an_item_given_up_for_its_time_leaves_no_copy(s3, vipe, tmp_path):
    s3.objects["bucket/a.mp4"] = FILM.read_bytes()
    args = ("embed", s3.url("bucket/a.mp4"), "--out", tmp_path / "out", "--time-limit", 0.5)
    code, _, err = vipe(*args)
    assert code == 1 and "s3://bucket/a.mp4: not done after 0.5 s" in err


def test_outputs_are_never_urls(s3, clips, vipe, tmp_path):
    url = s3.url("bucket/out", f"&{SECRET}")
    for command in (
        ("embed", clips, "--out", url),
        ("embed", clips, "--out", tmp_path / "out", "--log", url),
        ("index", "build", clips, "--out", url),
        ("index", "copy", clips, url),
    ):
        code, _, err = vipe(*command)
        assert code == 1 and len(err.splitlines()) == 1 and SECRET not in err
        if command[1] != "copy":
            assert "s3://bucket/out: outputs are written to local and shared file systems" in err
    assert not [one for one in s3.asked if one[0] not in ("GET", "HEAD")]
    assert not Path("s3:").exists()


def test_an_index_of_urls_equals_one_of_files(s3, clips, vipe, tmp_path):
    rows = [("a", "a/1.json"), ("b", "b/1.json"), ("b", "b/deep/3.json")]
    here = "".join(f"{clips / name},{label}\n" for label, name in rows)
    there = "".join(f"{s3.url(f'bucket/clips/{name}')},{label}\n" for label, name in rows)
    for name, text in {"here": here, "there": there}.items():
        (tmp_path / f"{name}.csv").write_text(f"path,label\n{text}")
        code, printed, err = vipe("index", "build", tmp_path / f"{name}.csv", "-o", tmp_path / name)
        assert code == 0 and printed.startswith("3 clips"), err
    tables = {}
    for name in ("here", "there"):
        parts = sorted((tmp_path / name / ".vipe" / "index.parquet").glob("*.parquet"))
        tables[name] = pyarrow.concat_tables(map(parquet.read_table, parts)).to_pylist()
    urls = [f"s3://bucket/clips/{name}" for _, name in rows]
    assert [row["path"] for row in tables["there"]] == urls
    for row in (*tables["here"], *tables["there"]):
        for name in ("name", "path", "stamp", "source"):
            row.pop(name, None)
    assert tables["there"] == tables["here"]
    done = len(s3.downloads)
    again = vipe("index", "build", tmp_path / "there.csv", "-o", tmp_path / "there")
    assert again[1].startswith("3 clips") and len(s3.downloads) == done
    query = ("classify", clips / "a" / "2.json", "--index", tmp_path / "there", "--json", "-")
    code, printed, _ = vipe(*query)
    assert code == 0 and json.loads(printed)["neighbours"][0]["clip"] in urls
    stored = b"".join(p.read_bytes() for p in (tmp_path / "there").rglob("*") if p.is_file())
    assert b"endpoint" not in stored
    add = ("index", "add", tmp_path / "there", s3.url("bucket/clips/a/2.json"), "--label", "a")
    assert vipe(*add)[1].startswith("4 clips")


@pytest.mark.parametrize("jobs", [1, 2])
def test_clips_are_labelled_by_their_urls(s3, clips, vipe, tmp_path, jobs):
    assert vipe("index", "build", clips)[0] == 0
    names = ["a/1.json", "b/deep/3.json", "gone.json"]
    urls = [s3.url(f"bucket/clips/{name}") for name in names]
    query = ("--index", clips, "--jobs", jobs, "--json", "-")
    code, printed, err = vipe("classify", *urls, *query)
    assert code == 1 and "s3://bucket/clips/gone.json: no such object" in err
    there = json.loads(printed)["clips"]
    assert [one["clip"] for one in there] == [f"s3://bucket/clips/{name}" for name in names[:2]]
    assert err.count("is the clip itself and does not vote") == 2
    here = json.loads(vipe("classify", *(clips / name for name in names[:2]), *query)[1])["clips"]
    for one in (*here, *there):
        one.pop("clip")
    assert there == here
    code, _, err = vipe("classify", urls[0], *query[:2], "--explain", tmp_path / "x.html")
    assert code == 1 and err.startswith("vipe: s3://bucket/clips/a/1.json: is remote; copy it")


def test_an_index_of_prefixes_has_their_labels(s3, vipe, tmp_path):
    s3.objects["bucket/films/squat/a.mp4"] = FILM.read_bytes()
    args = ("index", "build", s3.url("bucket/films"))
    code, _, err = vipe(*args)
    assert code == 1 and "say with --out" in err
    assert vipe(*args, "--out", tmp_path)[0] == 0
    info = json.loads(vipe("index", "info", tmp_path, "--json", "-")[1])
    assert info["labels"] == {"squat": 1} and info["source"]["path"] == "s3://bucket/films"
    query = ("classify", FILM.with_name("squat_120_ben.mp4"), "--index", tmp_path)
    code, _, err = vipe(*query, "--explain", tmp_path / "x.mp4")
    assert code == 1 and "s3://bucket/films/squat/a.mp4: is remote; copy it here" in err


def test_a_store_that_does_not_answer_takes_nothing_from_an_index(
    s3, clips, vipe, tmp_path, monkeypatch
):
    urls = [s3.url(f"bucket/clips/{name}") for name in ("a/1.json", "b/1.json")]
    text = "".join(f"{url},{label}\n" for url, label in zip(urls, "ab", strict=True))
    (tmp_path / "t.csv").write_text(f"path,label\n{text}")
    args = ("index", "build", tmp_path / "t.csv", "-o", tmp_path / "i")
    assert vipe(*args)[1].startswith("2 clips")
    with monkeypatch.context() as patch:
        patch.setattr(remote, "_info", lambda source: refused(source))
        code, printed, err = vipe(*args)
        assert (code, printed.split(" in ")[0]) == (1, "2 clips")
        assert "2 of 2 clips failed" in err and "s3://bucket/clips/a/1.json: cannot be read" in err
    assert vipe(*args)[:2] == (0, f"2 clips in the index of {tmp_path / 'i'}\n")
    del s3.objects["bucket/clips/b/1.json"]
    code, printed, err = vipe(*args)
    assert (code, printed.split(" in ")[0]) == (1, "1 clip"), "an object that is gone leaves it"


def refused(source):
    """What a store that refuses to answer leads to."""
    raise VipeError(f"{source}: cannot be read (ACCESS_DENIED)")


def test_clips_that_were_added_by_url_stay_in_the_index(s3, clips, vipe, tmp_path):
    assert vipe("index", "build", clips)[1].startswith("4 clips")
    save_poses([seen(waving(30))], tmp_path / "new.json", format="coco")
    s3.objects["bucket/more/new.json"] = (tmp_path / "new.json").read_bytes()
    add = ("index", "add", clips, s3.url("bucket/more/*.json"), "--label", "new")
    assert vipe(*add)[1].startswith("5 clips")
    code, printed, _ = vipe("classify", s3.url("bucket/clips/a/*.json"), "--index", clips)
    assert code == 0 and "s3://bucket/clips/a/2.json: " in printed
    assert vipe("index", "info", clips)[1].startswith("5 clips of 3 labels")
    assert vipe("index", "build", clips)[1].startswith("5 clips")


@pytest.mark.parametrize("command", ["poses", "lift"])
def test_other_commands_say_in_one_line_that_a_url_is_not_opened(command, vipe, tmp_path):
    url = f"s3://me:{SECRET}@bucket/a.mp4?{SECRET}"
    code, _, err = vipe(command, url, "--out", tmp_path / "a.json")
    assert code == 1 and SECRET not in err
    assert err.startswith("vipe: s3://bucket/a.mp4: addresses are not opened; download the video")


@pytest.mark.parametrize(
    "command",
    [
        ("classify", FILM, "--index"),
        ("index", "info"),
        ("index", "verify"),
        ("evaluate", "retrieval"),
    ],
)
def test_urls_of_indices_and_motion_capture_are_refused_without_secrets(command, vipe):
    code, _, err = vipe(*command, f"s3://me:{SECRET}@bucket/a?key={SECRET}")
    assert code == 1 and len(err.splitlines()) == 1 and SECRET not in err
    assert err.startswith("vipe: s3://bucket/a: ")


@pytest.mark.parametrize("command", ["penn", "alignment"])
def test_a_line_that_repeats_a_url_repeats_no_secret(command, vipe):
    code, _, err = vipe("evaluate", command, f"s3://me:{SECRET}@bucket/a?key={SECRET}")
    assert code == 1 and SECRET not in err and "bucket/a" in err


def test_text_loses_the_secrets_of_its_urls():
    assert scrubbed(f"s3://me:{SECRET}@b/k?x={SECRET}&y=a:b: no file") == "s3://b/k: no file"
    assert (
        scrubbed("see https://a.b/c#d; or 'gs://x@b/k?t=1'") == "see https://a.b/c; or 'gs://b/k'"
    )
    for text in ("a.mp4: cut off; read 2 of 3 s", r"C:\x\y?: no", "what? a@b: no"):
        assert scrubbed(text) == text
