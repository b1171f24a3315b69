"""Search: the copy is found, looked at closely, filtered; what cannot be read says so."""

from playwright.sync_api import expect


def ask_for(page, folder, *names):
    page.locator("input[type=file]").set_input_files([folder / name for name in names])


def test_the_copy_is_found_and_compared(shared, open_page, folder):
    page = open_page(shared)
    ask_for(page, folder, "copy.jpg")
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
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_a_bad_file_says_why_and_its_neighbour_is_answered(shared, open_page, folder):
    page = open_page(shared)
    ask_for(page, folder, "broken.jpg", "copy.jpg")
    expect(page.get_by_role("alert")).to_have_count(1)
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.locator(".answer .card").first).to_contain_text("picture-03.jpg")


def test_where_in_the_picture_is_shown(shared, open_page, folder):
    page = open_page(shared)
    ask_for(page, folder, "screen.jpg")
    found = page.locator(".answer .card", has_text="picture-03.jpg")
    expect(found).to_contain_text("within")
    found.click()
    box = page.get_by_role("dialog")
    expect(box.locator("dd", has_text="in a part of the picture")).to_be_visible()
    canvas = box.locator("canvas.marked")
    expect(canvas).to_have_js_property("width", 500)
    yellow = """canvas => {
        const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += data[i] > 230 && data[i + 1] > 180 && data[i + 2] < 60;
        return count;
    }"""
    assert canvas.evaluate(yellow) > 500
    page.keyboard.press("Escape")
    page.locator("select[name=effort]").select_option("low")
    expect(page.locator(".answer .card", has_text="within")).to_have_count(0)
    assert "effort=low" in page.url


def test_the_same_bytes_are_the_same_picture_and_can_be_linked(shared, open_page, folder):
    page = open_page(shared)
    ask_for(page, folder, "known/picture-05.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("the same picture")
    page.get_by_role("button", name="Copy link").click()
    again = open_page(shared, page.url.split("#/")[1])
    expect(again.locator(".answer h2")).to_contain_text("item")
    expect(again.locator(".answer .card").first).to_be_visible()


def test_an_example_can_be_pressed(shared, open_page):
    page = open_page(shared)
    page.locator(".examples a").first.click()
    expect(page.locator(".answer .card").first).to_be_visible()
    assert "id=" in page.url


def test_a_pasted_picture_is_asked_for(shared, open_page, folder):
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


def test_a_dropped_picture_is_asked_for(shared, open_page, folder):
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


def test_the_options_reach_the_server_and_the_address(shared, open_page, folder):
    page = open_page(shared)
    ask_for(page, folder, "copy.jpg")
    expect(page.locator(".answer .card").first).to_be_visible()
    with page.expect_request(lambda one: "k=100" in one.url):
        page.locator("select[name=k]").select_option("100")
    with page.expect_request(lambda one: "collection=default" in one.url):
        page.locator("select[name=collection]").select_option("default")
    assert "k=100" in page.url
    page.locator("input[name=field]").fill("album")
    page.locator("input[name=value]").fill("7")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text("album")


def test_text_from_users_stays_text(changing, open_page, folder, jpeg, drawn):
    key = "<img src=x onerror=alert(1)>"
    changing.http.post("/images", files={"file": jpeg(drawn(901))}, data={"key": key}).raise_for_status()
    page = open_page(changing, "collection")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("End")  # the list is windowed: what is far from the screen does not exist
    expect(page.locator(".card .name", has_text=key)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
