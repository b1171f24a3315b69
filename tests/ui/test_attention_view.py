"""Attention view: sliders, masks, reading a patch by mouse and keyboard."""

from playwright.sync_api import expect

PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).join()"


def test_sliders_change_the_picture(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    expect(page.locator("canvas")).to_have_count(3)  # all heads, and each of two
    canvas = page.locator("canvas").nth(1)
    drawings = [canvas.evaluate(PIXELS)]
    for label, value in (("Opacity", "0.2"), ("Share of attention", "0.3")):
        page.get_by_role("slider", name=label).fill(value)
        drawings.append(canvas.evaluate(PIXELS))
    page.get_by_role("checkbox", name="Show masks").uncheck()
    drawings.append(canvas.evaluate(PIXELS))
    assert len(set(drawings)) == 4


def test_pointing_at_a_patch_shows_its_values(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    canvas = page.locator("canvas").nth(1)
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator(".reading")).to_contain_text("Row 1, column 1 of 4 x 4: head 1:")


def test_arrow_keys_frame_and_read_a_patch(shared, open_page):
    page = open_page(shared, "attention?id=1")
    sheet = page.locator("canvas").first
    expect(sheet).to_be_visible()
    plain = page.locator("canvas").nth(2).evaluate(PIXELS)
    sheet.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".reading")).to_contain_text("Row 1, column 2 of 4 x 4")
    assert page.locator("canvas").nth(2).evaluate(PIXELS) != plain  # every sheet frames it
    maps = shared.http.post("/attention", files={"file": shared.http.get("/images/1/thumbnail").content}).json()
    shares = [100 * head[0][1] for head in maps["items"][0]["maps"]]
    for head, share in enumerate(shares):
        expect(page.locator(".reading")).to_contain_text(f"head {head + 1}: {share:.2f} %")


def test_the_first_sheet_shows_all_heads(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("figcaption")).to_have_text(["all heads", "head 1", "head 2"])
    page.get_by_role("slider", name="Opacity").fill("1")
    colours = """canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), found = new Set();
        for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 3).join());
        return [...found];
    }"""
    [both, first, second] = [set(page.locator("canvas").nth(at).evaluate(colours)) for at in range(3)]
    assert {"0,114,178", "230,159,0"} <= both
    assert "0,114,178" in first - second
    assert "230,159,0" in second - first


def test_the_address_of_an_item_opens_it(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("canvas").first).to_be_visible()


def test_a_bad_file_shows_its_error(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "broken.jpg")
    expect(page.get_by_role("alert")).not_to_be_empty()
