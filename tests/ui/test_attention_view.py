"""Attention: the sliders change pixels, a patch can be read."""

from playwright.sync_api import expect

PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).join()"


def test_sliders_change_the_picture(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    expect(page.locator("canvas")).to_have_count(3)  # all heads, and each of two
    canvas = page.locator("canvas").nth(1)
    seen = [canvas.evaluate(PIXELS)]
    for label, value in (("Opacity", "0.2"), ("Mass", "0.3")):
        page.get_by_role("slider", name=label).fill(value)
        seen.append(canvas.evaluate(PIXELS))
    page.get_by_label("Masks").uncheck()
    seen.append(canvas.evaluate(PIXELS))
    assert len(set(seen)) == 4


def test_a_patch_is_read(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    canvas = page.locator("canvas").nth(1)
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator(".reading")).to_contain_text("Row 1, column 1 of 4 x 4: head 1:")


def test_an_item_by_its_address(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("canvas").first).to_be_visible()


def test_a_bad_file_says_why(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "broken.jpg")
    expect(page.get_by_role("alert")).not_to_be_empty()
