"""Search view: find copies, compare, filter, options; errors of bad files."""

import csv
import re

import numpy as np
import pytest
from playwright.sync_api import expect


def search_for(page, folder, *names):
    page.locator("input[type=file]").set_input_files([folder / name for name in names])


def row(page, name):
    """The row of a picture in the table of several."""
    return page.locator(".table .row").filter(has=page.get_by_role("button", name=re.compile(f"^{name}: ")))


def unfold(page):
    """Show the nearest pictures that are no copies."""
    page.locator(".neighbours summary").click()


def test_the_copy_is_found_and_compared(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "copy.jpg")
    first = page.locator(".answer .card").first
    expect(first).to_contain_text("picture-03.jpg")
    expect(first.locator(".badge svg")).to_be_visible()
    first.click()
    box = page.get_by_role("dialog")
    expect(box.locator("img")).to_have_count(2)
    match = box.locator(".match")
    expect(match).to_be_visible()
    page.keyboard.press("b")
    expect(match).to_be_hidden()
    expect(match).to_be_visible()
    page.keyboard.press("b")
    expect(box.locator(".side")).to_be_visible()
    for key, number in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("ArrowLeft", 1), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        expect(box.get_by_role("heading")).to_have_text(f"Match {number} of 20")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_a_bad_file_shows_its_error_and_does_not_affect_others(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "broken.jpg", "copy.jpg")
    expect(row(page, "broken.jpg").get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(row(page, "copy.jpg")).to_contain_text("picture-03.jpg")


def test_several_pictures_are_a_table_with_answers_to_open(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "broken.jpg", "known/picture-03.jpg", "known/picture-04.jpg")
    expect(page.locator(".summary")).to_have_text("3 pictures: 2 found, 1 failed")
    expect(page.locator(".table .row .what")).to_have_text(["broken.jpg", "picture-03.jpg", "picture-04.jpg"])
    row(page, "picture-04.jpg").locator(".open").click()
    expect(page.locator(".answer h2")).to_have_text("picture-04.jpg")
    expect(page.locator(".answer .verdict")).to_have_text("The same picture is in the collection")
    page.keyboard.press("k")
    expect(page.locator(".answer h2")).to_have_text("picture-03.jpg")
    page.keyboard.press("Escape")
    expect(row(page, "picture-03.jpg").locator(".open")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(row(page, "broken.jpg").locator(".open")).to_be_focused()
    page.get_by_role("button", name="Remove broken.jpg").click()
    expect(page.locator(".summary")).to_have_text("2 pictures: 2 found")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".table, .answer")).to_have_count(0)
    expect(page.locator(".examples a").first).to_be_visible()


def test_the_table_is_sorted_filtered_exported_and_added(changing, open_page, folder, tmp_path):
    page = open_page(changing)
    search_for(page, folder, "new.jpg", "known/picture-05.jpg", "broken.jpg", "copy.jpg")
    expect(page.locator(".summary")).to_contain_text("1 failed")
    expect(page.locator(".summary")).not_to_contain_text("searching")
    names = page.locator(".table .row .what")
    page.get_by_role("button", name="Sort by picture").click()
    expect(names).to_have_text(["broken.jpg", "copy.jpg", "new.jpg", "picture-05.jpg"])
    page.get_by_role("button", name="Sort by picture").click()
    expect(names).to_have_text(["picture-05.jpg", "new.jpg", "copy.jpg", "broken.jpg"])
    page.get_by_role("button", name="Sort by verdict").click()
    expect(names.last).to_have_text("broken.jpg")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    saved.value.save_as(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="") as file:
        rows = {one["file"]: one for one in csv.DictReader(file)}
    assert rows["picture-05.jpg"]["verdict"] == "exact"
    assert rows["picture-05.jpg"]["match_key"] == "picture-05.jpg"
    assert float(rows["picture-05.jpg"]["similarity"]) > 0.999
    assert rows["broken.jpg"]["outcome"] == "failed"
    assert rows["broken.jpg"]["error"]
    page.get_by_role("button", name="failed 1").click()
    expect(names).to_have_text(["broken.jpg"])
    page.get_by_role("button", name="Remove 1").click()
    expect(page.locator(".summary")).not_to_contain_text("failed")
    page.get_by_role("button", name="Add 3 pictures to the collection").click()
    expect(page.locator("#notice")).to_contain_text("2 added, 1 already in the collection, 0 failed")
    assert {"new.jpg", "copy.jpg"} <= {item["key"] for item in changing.http.get("/images").json()["items"]}


def test_the_first_visit_shows_three_steps_and_no_filters(shared, open_page, folder):
    page = open_page(shared)
    expect(page.locator(".welcome")).to_contain_text("24 pictures can be searched.")
    expect(page.locator(".steps li")).to_have_count(3)
    expect(page.locator("select[name=effort]")).to_be_hidden()
    assert page.locator(".dropzone").bounding_box()["height"] < 70
    search_for(page, folder, "copy.jpg")
    expect(page.locator("select[name=effort]")).to_be_visible()
    expect(page.locator("select[name=effort] option")).to_have_text(["whole", "+ inside screenshots", "+ rotated"])
    expect(page.locator(".welcome")).to_have_count(0)


def test_no_copy_is_said_as_the_answer_and_the_neighbours_are_folded(judged, open_page, jpeg, drawn):
    found = ((seed, judged.http.post("/search", files={"file": jpeg(drawn(seed))})) for seed in range(900, 960))
    strange = next(seed for seed, one in found if one.json()["items"][0]["matches"][0]["verdict"] == "different")
    page = open_page(judged)
    picture = {"name": "strange.jpg", "mimeType": "image/jpeg", "buffer": jpeg(drawn(strange))}
    page.locator("input[type=file]").set_input_files(picture)
    expect(page.locator(".answer .verdict")).to_have_text("No copy among 120 pictures")
    expect(page.locator(".answer .card").first).to_be_hidden()
    expect(page.locator(".neighbours summary")).to_have_text("The 20 nearest pictures; none is a copy")
    unfold(page)
    expect(page.locator(".answer .card").first).to_be_visible()
    page.locator("select[name=collection]").select_option("default")
    expect(page.locator(".answer .verdict")).to_have_text("No copy among 120 pictures")


def test_the_scale_agrees_with_the_verdict(shared, open_page):
    """Each third of the bar is a verdict, so that no "possibly" stands beside a full bar."""
    page = open_page(shared)
    page.locator(".welcome").wait_for()
    places = page.evaluate(
        "async (all) => { const { placeOf } = await import('/ui/matching/verdict.js'); return all.map(placeOf); }",
        [0, 0.03, 0.05, 0.051, 0.5, 0.899, 0.9, 0.95, 1],
    )
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == 1
    assert places[2] == pytest.approx(1 / 3)  # 5 %: the end of "different"
    assert places[6] == pytest.approx(2 / 3)  # 90 %: the start of "copy"


def test_the_minimum_probability_hides_and_shows_matches(judged, open_page, jpeg, drawn):
    page = open_page(judged)
    picture = {"name": "known.jpg", "mimeType": "image/jpeg", "buffer": jpeg(drawn(5))}
    page.locator("input[type=file]").set_input_files(picture)
    cards = page.locator(".answer .card")
    expect(cards.first).to_contain_text("same picture")
    expect(cards.first.locator(".probability")).to_have_attribute("aria-label", "probability of a copy 100 percent")
    track, fill = (cards.first.locator(name).evaluate("bar => bar.clientWidth") for name in (".track", ".fill"))
    assert track == fill > 20
    slider = page.get_by_role("slider", name="Minimum probability")
    slider.fill("1")
    expect(cards).to_have_count(1)
    expect(page.locator(".answer .query")).to_contain_text("1 same picture · 19 below the minimum probability")
    assert "least=1" in page.url
    slider.fill("0")
    expect(page.locator(".answer .query")).not_to_contain_text("below")
    expect(cards.nth(1)).to_be_visible()


def test_without_a_calibration_the_slider_is_disabled(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "copy.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("not calibrated")
    expect(page.get_by_role("slider", name="Minimum probability")).to_be_disabled()


def test_verdicts_differ_in_words_colour_and_shape(shared, open_page):
    page = open_page(shared)
    expect(page.locator("h1")).to_be_visible()
    page.evaluate(
        """async () => {
            const { badge } = await import("/ui/matching/verdict.js");
            const all = ["exact", "copy", "uncertain", "different"].map((verdict) => badge(verdict));
            document.getElementById("view").replaceChildren(...all);
        }"""
    )
    badges = page.locator(".badge").evaluate_all(
        "all => all.map((one) => [one.textContent, getComputedStyle(one).color, one.querySelector('path').outerHTML])"
    )
    for values in zip(*badges, strict=True):
        assert len(set(values)) == 4


def test_the_place_of_a_match_in_the_picture_is_shown(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "screen.jpg")
    found = page.locator(".answer .card", has_text="picture-03.jpg")
    expect(found.locator(".tag")).to_have_text("in a part")
    found.click()
    box = page.get_by_role("dialog")
    expect(box.locator("dd", has_text="in a part of the picture")).to_be_visible()
    canvas = box.locator("canvas.whole")
    expect(canvas).to_have_js_property("width", 500)
    yellow = """canvas => {
        const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += data[i] > 230 && data[i + 1] > 180 && data[i + 2] < 60;
        return count;
    }"""
    assert canvas.evaluate(yellow) > 500
    page.keyboard.press("b")  # the cropped part is under the match
    part = box.locator("canvas.part")
    expect(canvas).to_be_hidden()
    size = part.evaluate("canvas => [canvas.width, canvas.height]")
    body = (folder / "screen.jpg").read_bytes()
    answer = shared.http.post("/search", params={"k": 20}, files={"file": body}).json()["items"][0]["matches"]
    [region] = [one["where"]["region"] for one in answer if one["key"] == "picture-03.jpg"]
    sides = [(region[2] - region[0]) * 500, (region[3] - region[1]) * 700]
    assert np.abs(np.subtract(size, sides)).max() <= 1
    page.keyboard.press("Escape")
    page.locator("select[name=effort]").select_option("low")
    expect(page.locator(".answer .card .tag")).to_have_count(0)
    assert "effort=low" in page.url


def test_a_part_is_cropped_and_turned_upright(shared, open_page):
    """A white picture with a red corner at the top left: after a turn to the left it is at the bottom left."""
    page = open_page(shared)
    expect(page.locator("h1")).to_be_visible()
    corners = """async (where) => {
        const { part } = await import("/ui/matching/found.js");
        const drawn = Object.assign(document.createElement("canvas"), {width: 80, height: 40});
        const brush = drawn.getContext("2d");
        brush.fillStyle = "white";
        brush.fillRect(0, 0, 80, 40);
        brush.fillStyle = "red";
        brush.fillRect(0, 0, 10, 10);
        const image = Object.assign(new Image(), {src: drawn.toDataURL()});
        const canvas = part(image, where);
        while (canvas.width === 300) await new Promise(requestAnimationFrame);  // the default width of a canvas
        const {width, height} = canvas, brushed = canvas.getContext("2d");
        const places = [[2, 2], [width - 3, 2], [2, height - 3], [width - 3, height - 3]];
        return [width, height, ...places.map(([x, y]) => brushed.getImageData(x, y, 1, 1).data[1])];
    }"""
    for turn, size, red in ((90, [40, 80], 2), (180, [80, 40], 3), (270, [40, 80], 1)):
        found = page.evaluate(corners, {"region": None, "turn": turn})
        assert found[:2] == size
        assert [place for place, green in enumerate(found[2:]) if green == 0] == [red]
    assert page.evaluate(corners, {"region": [0, 0, 0.5, 1], "turn": 0}) == [40, 40, 0, 255, 255, 255]


def test_an_identical_file_is_the_same_picture_and_can_be_linked(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "known/picture-05.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("same picture")
    page.get_by_role("button", name="Copy link").click()
    again = open_page(shared, page.url.split("#/")[1])
    expect(again.locator(".answer h2")).to_have_text("picture-05.jpg")
    expect(again.locator(".answer .card").first).to_be_visible()


def test_an_example_can_be_clicked(shared, open_page):
    page = open_page(shared)
    page.locator(".examples a").first.click()
    expect(page.locator(".answer .card").first).to_be_visible()
    assert "id=" in page.url


def test_a_pasted_picture_is_searched(shared, open_page, folder):
    page = open_page(shared)
    expect(page.locator(".dropzone")).to_be_visible()
    data = list((folder / "copy.jpg").read_bytes())
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", {type: "image/jpeg"}));
            dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
        }""",
        data,
    )
    expect(page.locator(".answer h2")).to_have_text("pasted.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("picture-03.jpg")


def test_a_dropped_picture_is_searched(shared, open_page, folder):
    page = open_page(shared)
    transfer = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", {type: "image/jpeg"}));
            return data;
        }""",
        list((folder / "copy.jpg").read_bytes()),
    )
    page.dispatch_event(".dropzone", "drop", {"dataTransfer": transfer})
    expect(page.locator(".answer h2")).to_have_text("dropped.jpg")


def test_options_go_to_the_server_and_into_the_address(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "copy.jpg")
    expect(page.locator(".answer .card").first).to_be_visible()
    with page.expect_request(lambda one: "k=100" in one.url):
        page.locator("select[name=k]").select_option("100")
    with page.expect_request(lambda one: "collection=default" in one.url):
        page.locator("select[name=collection]").select_option("default")
    assert "k=100" in page.url


def test_a_metadata_filter_is_kept_in_the_address(shared, open_page, folder):
    page = open_page(shared)
    search_for(page, folder, "copy.jpg")
    summary = page.locator(".answer .query p.hint")
    expect(summary).to_contain_text("20 ")
    page.locator("select[name=field]").select_option("album")
    page.locator("select[name=test]").select_option("least")
    page.locator("input[name=value]").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator(".card", has_text="album: 1")).to_have_count(0)
    expect(page.locator(".card", has_text="album: 2").first).to_be_visible()
    page.locator("select[name=test]").select_option("is")
    page.locator("input[name=value]").fill("3")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".card")).to_have_count(6)
    expect(page.locator(".card", has_text="album: 3")).to_have_count(6)
    again = open_page(shared, page.url.split("#/")[1] + "&id=4")
    expect(again.locator("select[name=field]")).to_have_value("album")
    expect(again.locator("input[name=value]")).to_have_value("3")
    expect(again.locator(".card")).to_have_count(5)  # less itself
    again.locator("select[name=field]").select_option("")
    expect(again.locator(".card", has_text="album: 1").first).to_be_visible()


def test_a_single_collection_can_be_searched(changing, open_page, folder, jpeg, drawn):
    added = {"key": "theirs.jpg", "collection": "archive"}
    changing.http.post("/images", files={"file": jpeg(drawn(902))}, data=added).raise_for_status()
    page = open_page(changing)
    search_for(page, folder, "copy.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("picture-03.jpg")
    page.locator("select[name=collection]").select_option("archive")
    expect(page.locator(".answer .card")).to_have_count(1)
    expect(page.locator(".answer .card")).to_contain_text("theirs.jpg")


def test_text_from_users_is_never_html(changing, open_page, folder, jpeg, drawn):
    key = "<img src=x onerror=alert(1)>"
    changing.http.post("/images", files={"file": jpeg(drawn(901))}, data={"key": key}).raise_for_status()
    page = open_page(changing, "collection")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("End")  # the list is virtual: tiles far from the screen do not exist
    expect(page.locator(".card .name", has_text=key)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    number = changing.http.get("/images", params={"key": key}).json()["items"][0]["id"]
    changing.http.patch(f"/images/{number}", json={"metadata": {key: [key]}}).raise_for_status()
    changing.http.patch("/clusters/0", json={"name": key}).raise_for_status()
    page.goto(f"{changing.url}/#/clusters?by=name")
    expect(page.locator(".heap").first).to_contain_text(key)
    page.goto(f"{changing.url}/#/search?id={number}")
    expect(page.locator(".answer h2")).to_have_text(key)
    page.goto(f"{changing.url}/#/search")
    page.locator("input[type=file]").set_input_files(
        {"name": key, "mimeType": "image/jpeg", "buffer": jpeg(drawn(901))}
    )
    page.locator(".answer .card", has_text=key).first.click()
    expect(page.get_by_role("dialog").locator("dt", has_text=key)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
