"""Offline commands on drawn pictures print the same results as the core."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from cli.main import main
from copysight.model.embedder import Embedder
from copysight.pictures import video
from copysight.pictures.decode import decode
from training.export import exportable
from training.export.export import export


@pytest.fixture
def folder(tmp_path, drawn, jpeg):
    root = tmp_path / "pictures"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.jpg").write_bytes(jpeg(drawn(number)))
    return root


@pytest.fixture
def index(folder, tiny_bundle, tmp_path):
    words = ["index", "build", folder, "--index", tmp_path / "index", "--bundle", tiny_bundle.path]
    result = run(*words)
    assert result.exit_code == 0, result.output
    return tmp_path / "index"


@pytest.fixture(scope="module")
def other_resnet(tmp_path_factory):
    """A ResNet without prototypes."""
    return export([exportable.load("timm:test_resnet", 64, random=True)], tmp_path_factory.mktemp("b") / "plain")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def answer(*words):
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def expected(folder, bundle, number):
    picture = decode((folder / f"{number}.jpg").read_bytes(), at_least=bundle.at_least)
    return Embedder(bundle).embed([picture.pixels])[0]


def test_embed_a_folder(folder, tiny_bundle, tmp_path):
    out = tmp_path / "vectors.npy"
    found = answer("embed", folder, "--bundle", tiny_bundle.path, "--out", out)
    assert (found["model"], found["dimension"]) == (tiny_bundle.id, 32)
    assert [item["path"] for item in found["items"]] == [str(folder / f"{n}.jpg") for n in range(3)]
    for number in range(3):
        np.testing.assert_array_equal(np.load(out)[number], expected(folder, tiny_bundle, number))
        np.testing.assert_allclose(found["items"][number]["embedding"], np.load(out)[number], atol=1e-7)


def test_search_finds_the_picture_itself_first(folder, index):
    found = answer("search", folder / "1.jpg", "--index", index, "-k", 2)
    assert found["generation"] == "000001"
    assert [set(match) for match in found["matches"]] == [
        {"id", "key", "collection", "similarity", "score", "probability", "verdict", "verified", "where", "metadata"}
    ] * 2
    assert (found["matches"][0]["key"], found["matches"][0]["verdict"]) == ("1.jpg", "exact")
    assert found["matches"][0]["similarity"] == pytest.approx(1, abs=1e-6)
    assert "1.jpg" in run("search", folder / "1.jpg", "--index", index).stdout.splitlines()[0]


def test_search_in_another_collection_finds_nothing(folder, index):
    assert answer("search", folder / "1.jpg", "--index", index, "--collection", "other")["matches"] == []


def test_compare_tells_equal_pictures_from_different_ones(folder, tiny_bundle, tmp_path):
    words = ("--bundle", tiny_bundle.path)
    same = answer("compare", folder / "0.jpg", folder / "0.jpg", *words)
    assert same["verdict"] == "exact"
    assert same["similarity"] == pytest.approx(1, abs=1e-6)
    other = answer("compare", folder / "0.jpg", folder / "1.jpg", "--effort", "low", *words)
    assert other["verdict"] != "exact"
    assert other["where"] is None
    cosine = expected(folder, tiny_bundle, 0) @ expected(folder, tiny_bundle, 1)
    assert other["similarity"] == pytest.approx(float(cosine), abs=1e-6)
    Image.open(folder / "0.jpg").save(tmp_path / "0.png")
    assert answer("compare", folder / "0.jpg", tmp_path / "0.png", *words)["verdict"] == "exact"


def test_search_and_compare_find_a_picture_within_another(folder, index, tiny_bundle, tmp_path):
    screen = Image.new("RGB", (500, 700), (244, 245, 247))
    with Image.open(folder / "1.jpg") as picture:
        screen.paste(picture.resize((320, 240)), (90, 200))
    screen.save(tmp_path / "screen.png")
    found = answer("search", tmp_path / "screen.png", "--index", index)["matches"]
    part = next(match for match in found if match["key"] == "1.jpg")
    assert np.allclose(part["where"]["region"], [90 / 500, 200 / 700, 410 / 500, 440 / 700], atol=0.03)
    assert "within 0.1" in run("search", tmp_path / "screen.png", "--index", index).stdout
    compared = answer("compare", folder / "1.jpg", tmp_path / "screen.png", "--bundle", tiny_bundle.path)
    assert compared["where"] == {"picture": 2, **part["where"]}
    assert compared["similarity"] == pytest.approx(part["similarity"], abs=1e-3)


def test_attention_of_a_picture_and_one_head(folder, tiny_bundle, tmp_path):
    out = tmp_path / "map.png"
    found = answer("attention", folder / "0.jpg", "--out", out, "--bundle", tiny_bundle.path)
    assert found == {"out": str(out), "frames": 1, "heads": 2, "grid": [4, 4], "maps": ["head 0", "head 1"]}
    with Image.open(out) as sheet:
        assert sheet.width > 3 * 224
    run("attention", folder / "0.jpg", "--out", out, "--bundle", tiny_bundle.path, "--head", 1)
    with Image.open(out) as one:
        assert one.size == (160, 120)
    wrong = run("attention", folder / "0.jpg", "--out", out, "--bundle", tiny_bundle.path, "--head", 2)
    assert wrong.exit_code == 1
    assert "counted from 0" in wrong.stderr


def test_prototypes_of_a_resnet(folder, resnet_bundle, tiny_bundle, tmp_path):
    out = tmp_path / "map.png"
    words = ("attention", folder / "0.jpg", "--out", out, "--bundle", resnet_bundle.path)
    found = answer(*words)
    assert (found["heads"], found["grid"]) == (6, [2, 2])
    assert all(name.startswith("prototype ") for name in found["maps"])
    assert answer(*words, "--head", 11)["maps"] == ["prototype 11"]
    assert "the bundle has 12 prototypes" in run(*words, "--head", 12).stderr
    assert answer(*words, "--bundle", tiny_bundle.path)["bundles"] == ["resnet", "tiny"]


def test_attention_fails_for_a_bundle_without_attention_or_prototypes(folder, tmp_path, other_resnet):
    """Its heads, that is: it has patches of any size, so that the default is the object."""
    words = ("attention", folder / "0.jpg", "--out", tmp_path / "map.png", "--bundle", other_resnet.path)
    for heads in (("--method", "heads"), ("--head", 0)):
        result = run(*words, *heads)
        assert result.exit_code == 1
        assert "gives no attention" in result.stderr
    assert answer(*words)["maps"] == ["object"]


def test_attention_rejects_files_and_names_that_it_cannot_use(folder, tiny_bundle, tmp_path, drawn):
    (tmp_path / "film.mp4").write_bytes(b"moov")
    words = ("--bundle", tiny_bundle.path, "--out")
    assert "give the folder of frames" in run("attention", tmp_path / "film.mp4", *words, tmp_path / "a.gif").stderr
    assert "needed is .png or .jpg" in run("attention", folder / "0.jpg", *words, tmp_path / "a.txt").stderr
    drawn(7, (90, 200)).save(folder / "9.png")
    assert "frames of 2 shapes" in run("attention", folder, *words, tmp_path / "a.gif").stderr


def test_attention_of_two_bundles_on_one_sheet(folder, tiny_bundle, tmp_path):
    one, both = tmp_path / "one.png", tmp_path / "both.png"
    words = ("attention", folder / "0.jpg", "--bundle", tiny_bundle.path)
    answer(*words, "--out", one)
    found = answer(*words, "--bundle", tiny_bundle.path, "--out", both)
    assert found["bundles"] == [tiny_bundle.name, tiny_bundle.name]
    with Image.open(one) as single, Image.open(both) as double:
        assert double.width == single.width
        assert double.height == 2 * (single.height + 18)
        assert double.crop((0, 18, single.width, 18 + single.height)).tobytes() == single.tobytes()


@pytest.mark.parametrize("kind", ["folder", "animation"])
def test_attention_of_a_video(folder, tiny_bundle, tmp_path, kind, drawn):
    source = folder
    if kind == "animation":
        source = tmp_path / "film.gif"
        drawn(0).save(source, save_all=True, append_images=[drawn(1), drawn(2)])
    out = tmp_path / "maps.webp"
    words = ("attention", source, "--bundle", tiny_bundle.path, "--head", 0, "--out")
    assert answer(*words, out)["frames"] == 3
    with Image.open(out) as film:
        assert film.n_frames == 3
    assert "a video needs .webp or .gif" in run(*words, tmp_path / "maps.png").stderr


def test_attention_of_a_video_file_keeps_its_pace(folder, tiny_bundle, tmp_path, drawn):
    """MP4 in, MP4 out; each second frame at half the pace; and the same as an animation."""
    video.write(tmp_path / "film.mp4", [drawn(number % 3, (160, 120)) for number in range(6)], Fraction(10))
    words = ("attention", tmp_path / "film.mp4", "--bundle", tiny_bundle.path, "--out")
    found = answer(*words, tmp_path / "maps.mp4")
    assert (found["frames"], found["maps"]) == (6, ["head 0", "head 1"])
    made = video.opened(tmp_path / "maps.mp4", 10**8)
    assert (len(made), made.rate) == (6, 10)
    [first, *_] = made
    assert first.width > 3 * 224
    assert answer(*words, tmp_path / "half.mp4", "--step", 2)["frames"] == 3
    assert video.opened(tmp_path / "half.mp4", 10**8).rate == 5
    answer(*words, tmp_path / "maps.gif")
    with Image.open(tmp_path / "maps.gif") as film:
        assert (film.n_frames, film.info["duration"]) == (6, 100)


def test_attention_of_frames_as_a_video_file(folder, tiny_bundle, tmp_path, monkeypatch):
    words = ("attention", folder, "--bundle", tiny_bundle.path, "--head", 0, "--out")
    assert answer(*words, tmp_path / "maps.mp4")["frames"] == 3
    assert len(list(video.opened(tmp_path / "maps.mp4", 10**8))) == 3
    monkeypatch.setitem(sys.modules, "av", None)
    refused = run(*words, tmp_path / "again.mp4")
    assert (refused.exit_code, "install copysight[video]" in refused.stderr) == (1, True)
    assert not (tmp_path / "again.mp4").exists()


def test_the_error_names_a_broken_file(folder, tiny_bundle):
    (folder / "2.jpg").write_bytes(b"broken")
    result = run("embed", folder, "--bundle", tiny_bundle.path)
    assert result.exit_code == 1
    assert "2.jpg: got 6 bytes that are not a picture" in result.stderr


def test_search_rejects_a_filter_that_is_not_json(folder, index):
    result = run("search", folder / "0.jpg", "--index", index, "--filter", "{")
    assert result.exit_code == 1
    assert "which is not valid JSON" in result.stderr


def test_compare_explains_a_match_on_both_pictures(folder, tmp_path, drawn):
    """A picture within a larger one: the maps add up to the similarity, and lie on the part that was found."""
    page = Image.new("RGB", (480, 360), "white")
    page.paste(drawn(1, (240, 180)), (200, 150))
    page.save(tmp_path / "page.png")
    drawn(1, (240, 180)).save(tmp_path / "picture.png")
    words = ("--bundle", "default", "--explain", tmp_path / "made" / "why.png")
    found = answer("compare", tmp_path / "page.png", tmp_path / "picture.png", *words)
    assert found["explanation"]["similarity"] == pytest.approx(found["similarity"], abs=1e-5)
    maps = np.array(found["explanation"]["maps"])
    assert maps.shape == (2, 24, 24)
    assert maps.sum(axis=(1, 2)) == pytest.approx([found["similarity"]] * 2, abs=1e-4)
    positive = maps[0].clip(0)
    assert positive[10:22, 10:22].sum() > 0.8 * positive.sum()
    with Image.open(tmp_path / "made" / "why.png") as drawn_maps:
        assert drawn_maps.height == 384


def test_explanations_that_cannot_be_drawn_are_refused(folder, tiny_bundle, tmp_path):
    both = ("compare", folder / "0.jpg", folder / "1.jpg", "--bundle")
    assert "gives no contributions" in run(*both, tiny_bundle.path, "--explain", tmp_path / "a.png").stderr
    assert "needed is .png or .jpg" in run(*both, "default", "--explain", tmp_path / "a.txt").stderr
    assert "leave out --server" in run(*both, "default", "--explain", tmp_path / "a.png", "--server", "http://x").stderr


def test_attention_draws_the_object_of_a_whole_picture(tmp_path, tiny_bundle):
    """A disk at the side of a wide picture, which the heads of the central square would not see whole."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(60, 90, (120, 300, 3)).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse((200, 20, 270, 90), fill=(250, 220, 40))
    picture.save(tmp_path / "wide.png")
    words = ("attention", tmp_path / "wide.png", "--out", tmp_path / "object.png", "--method", "objects")
    assert answer(*words) == {
        "out": str(tmp_path / "object.png"),
        "frames": 1,
        "heads": 1,
        "grid": [20, 50],
        "maps": ["object"],
    }
    with Image.open(tmp_path / "object.png") as sheet:
        assert sheet.width > 600
    assert "patches of any size" in run(*words, "--bundle", tiny_bundle.path).stderr
    assert "leave it out" in run(*words, "--head", 0).stderr
