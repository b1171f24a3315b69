"""Collection view: add, find by name, sort, select, delete with undo, edit metadata."""

from playwright.sync_api import expect

from tests.service.moderation.test_scenario import until


def add(page, *files):
    page.get_by_label("Add pictures").locator("input[type=file]").set_input_files(list(files))


def card(page, key):
    return page.locator(".card").filter(has=page.locator(f".name[title='{key}']"))


def act(page, key, action):
    """Choose an action from the menu of a picture."""
    page.get_by_role("button", name=f"Actions for {key}").click()
    page.get_by_role("menuitem", name=action).click()


def keys(server):
    return {item["key"] for item in server.http.get("/images").json()["items"]}


def test_add_search_delete_and_undo(changing, open_page, folder):
    page = open_page(changing, "collection")
    add(page, folder / "new.jpg", folder / "broken.jpg", folder / "known" / "picture-01.jpg")
    expect(page.get_by_text("1 added, 1 already in the collection, 1 failed, 0 remaining")).to_be_visible()
    expect(page.locator(".outcomes .error")).to_contain_text("broken.jpg")
    page.goto(f"{changing.url}/#/search")
    page.locator("input[type=file]").set_input_files(folder / "new.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("same picture")
    page.goto(f"{changing.url}/#/collection")
    expect(page.locator(".card .name").first).to_have_text("new.jpg")  # what was added last is first
    before = keys(changing)
    act(page, "new.jpg", "Delete")
    expect(page.locator("#notice")).to_contain_text("new.jpg was deleted")
    expect(card(page, "new.jpg")).to_have_count(0)
    assert keys(changing) == before - {"new.jpg"}
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(card(page, "new.jpg")).to_be_visible()
    assert keys(changing) == before


def test_metadata_is_edited_as_rows(changing, open_page):
    page = open_page(changing, "collection")
    act(page, "picture-00.jpg", "Edit metadata")
    box = page.get_by_role("dialog")
    expect(box.get_by_label("Value of album")).to_have_value("0")
    box.get_by_label("Value of album").fill('"2026"')
    for name, value in (("sold", "true"), ("tags", '["red", "blue"]'), ("note", "a b")):
        box.get_by_role("button", name="Add a field").click()
        box.get_by_label("Name of the field").last.fill(name)
        box.get_by_label("Value of the field").last.fill(value)
    box.get_by_role("button", name="Add a field").click()
    box.get_by_label("Name of the field").last.fill("note")
    box.get_by_label("Value of the field").last.fill("again")
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_role("alert")).to_have_text("The name note is there twice.")
    box.get_by_role("button", name="Remove this field").last.click()
    box.get_by_role("button", name="Save").click()
    expect(box).to_have_count(0)
    [item] = changing.http.get("/images", params={"key": "picture-00.jpg"}).json()["items"]
    assert item["metadata"] == {"album": "2026", "sold": True, "tags": ["red", "blue"], "note": "a b"}
    act(page, "picture-00.jpg", "Edit metadata")
    expect(box.get_by_label("Value of album")).to_have_value('"2026"')  # a text that looks like a number
    page.keyboard.press("Escape")
    page.locator("#notice").get_by_role("button", name="Undo").click()
    until(lambda: changing.http.get(f"/images/{item['id']}").json()["metadata"] == {"album": 0})


def test_pictures_are_found_by_name_and_sorted(changing, open_page, jpeg, drawn):
    added = {"key": "a/Holiday 1.jpg"}
    changing.http.post("/images", files={"file": jpeg(drawn(903, (640, 480)))}, data=added).raise_for_status()
    page = open_page(changing, "collection")
    expect(page.locator(".summary")).to_have_text("25 pictures")
    page.keyboard.press("/")
    page.keyboard.type("holiday")
    expect(page.locator(".summary")).to_have_text("1 picture found")
    expect(page.locator(".card .name")).to_have_text(["a/Holiday 1.jpg"])
    folder, file = (page.locator(f".card .name .{part}").bounding_box() for part in ("folder", "file"))
    assert folder["y"] > file["y"] + file["height"] / 2  # the folder has a line of its own
    assert "text=holiday" in page.url
    page.locator("input[name=text]").fill("")
    expect(page.locator(".summary")).to_have_text("25 pictures")
    page.locator("select[name=order]").select_option("pixels")
    expect(page.locator(".card .name").first).to_have_text("a/Holiday 1.jpg")
    page.locator("select[name=order]").select_option("oldest")
    expect(page.locator(".card .name").first).to_have_text("picture-00.jpg")
    again = open_page(changing, page.url.split("#/")[1])
    expect(again.locator("select[name=order]")).to_have_value("oldest")


def test_several_pictures_are_selected_and_changed_at_once(changing, open_page):
    page = open_page(changing, "collection?order=oldest")
    bar = page.get_by_role("region", name="Selected pictures")
    expect(page.locator(".card img").first).to_be_visible()
    expect(bar).to_be_hidden()
    page.get_by_label("Select picture-01.jpg").check(force=True)
    page.get_by_label("Select picture-03.jpg").click(modifiers=["Shift"], force=True)
    expect(bar.get_by_role("status")).to_have_text("3 pictures selected")
    bar.get_by_role("button", name="Set a field…").click()
    page.get_by_role("dialog").locator("input[name=field]").fill("album")
    page.get_by_role("dialog").locator("input[name=value]").fill("7")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("album of 3 pictures was set")
    albums = {one["key"]: one["metadata"]["album"] for one in changing.http.get("/images").json()["items"]}
    assert [albums[f"picture-0{number}.jpg"] for number in range(5)] == [0, 7, 7, 7, 0]
    bar.get_by_role("button", name="Disable").click()
    expect(page.locator(".card.off")).to_have_count(3)
    page.locator("select[name=state]").select_option("disabled")
    expect(page.locator(".summary")).to_have_text("3 pictures found")
    page.locator("select[name=state]").select_option("")
    expect(page.locator(".summary")).to_have_text("24 pictures")
    before = keys(changing)
    page.keyboard.press("Delete")
    expect(page.locator("#notice")).to_contain_text("3 pictures were deleted")
    expect(page.locator(".summary")).to_have_text("21 pictures")
    expect(bar).to_be_hidden()
    page.keyboard.press("u")
    expect(page.locator(".summary")).to_have_text("24 pictures")
    assert keys(changing) == before


def test_long_names_are_cut_in_the_middle(changing, open_page, jpeg, drawn):
    name = "a-very-long-name-of-a-picture-from-a-camera-20260501-0042.jpg"
    changing.http.post("/images", files={"file": jpeg(drawn(904))}, data={"key": name}).raise_for_status()
    page = open_page(changing, "collection")
    found = card(page, name).locator(".name")
    expect(found).to_have_text(name)
    start, end = found.locator(".start"), found.locator(".end")
    assert start.evaluate("one => one.scrollWidth > one.clientWidth")
    assert end.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert name.endswith(end.inner_text())
    assert ".jpg" in end.inner_text()


def test_a_single_collection_can_be_shown(changing, open_page, jpeg, drawn):
    added = {"key": "theirs.jpg", "collection": "archive"}
    changing.http.post("/images", files={"file": jpeg(drawn(902))}, data=added).raise_for_status()
    page = open_page(changing, "collection")
    expect(page.locator("select[name=which] option")).to_have_text(["all (25)", "archive (1)", "default (24)"])
    page.locator("select[name=which]").select_option("archive")
    expect(page.locator(".card .name")).to_have_text(["theirs.jpg"])
    expect(page.locator("input[name=into]")).to_have_value("archive")


def test_going_back_restores_the_scroll_position(shared, open_page):
    page = open_page(shared, "collection", viewport={"width": 500, "height": 500})
    page.locator(".card").first.wait_for()
    page.evaluate("scrollTo(0, 900)")
    page.locator(".card a").nth(4).evaluate("link => link.click()")  # a real click would scroll to it first
    expect(page.locator(".answer .card").first).to_be_visible()
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(page.locator("h1")).to_have_text("The collection")
    expect(page.locator("html")).to_have_js_property("scrollTop", 900)


def test_a_slow_view_does_not_draw_over_the_next(shared, open_page):
    page = open_page(shared, "clusters")
    page.locator(".heap").first.wait_for()
    held = []

    def hold(route):  # and let it through later
        held.append(route)

    page.route("**/index", hold)
    with page.expect_request("**/index"):
        page.goto(f"{shared.url}/#/search")
    page.goto(f"{shared.url}/#/clusters")
    page.locator(".heap").first.wait_for()
    with page.expect_response(
        lambda answer: "limit=6" in answer.url
    ):  # which the search view requests after it is drawn
        held[0].continue_()
    expect(page.locator("h1")).to_have_text("Which pictures belong together?")
