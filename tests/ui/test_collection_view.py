"""Collection view: add, search, delete, edit metadata; the progress of a rebuild; rollback."""

import json

from playwright.sync_api import expect


def add(page, *files):
    page.get_by_label("Add pictures").locator("input[type=file]").set_input_files(list(files))


def test_add_search_delete(changing, open_page, folder):
    page = open_page(changing, "collection")
    add(page, folder / "new.jpg", folder / "broken.jpg", folder / "known" / "picture-01.jpg")
    expect(page.get_by_text("1 added, 1 already in the collection, 1 failed, 0 remaining")).to_be_visible()
    expect(page.locator(".outcomes .error")).to_contain_text("broken.jpg")
    page.goto(f"{changing.url}/#/search")
    page.locator("input[type=file]").set_input_files(folder / "new.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("same picture")
    page.goto(f"{changing.url}/#/collection")
    page.locator(".card").first.wait_for()
    page.keyboard.press("End")
    page.get_by_role("button", name="Delete new.jpg").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#notice")).to_contain_text("new.jpg was deleted")
    assert changing.http.get("/images", params={"key": "new.jpg"}).json()["items"] == []


def test_metadata_can_be_edited_and_bad_json_is_refused(changing, open_page):
    page = open_page(changing, "collection")
    page.get_by_role("button", name="Edit picture-00.jpg").click()
    box = page.get_by_role("dialog")
    box.get_by_role("textbox").fill("{not json")
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_role("alert")).to_contain_text("not valid JSON")
    box.get_by_role("textbox").fill(json.dumps({"album": "2026"}))
    box.get_by_role("button", name="Save").click()
    expect(box).to_have_count(0)
    [item] = changing.http.get("/images", params={"key": "picture-00.jpg"}).json()["items"]
    assert item["metadata"] == {"album": "2026"}


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


def test_a_rebuild_started_elsewhere_shows_its_progress(changing, open_page):
    job = changing.http.post("/index/rebuild").json()
    page = open_page(changing, "collection")
    expect(page.get_by_label("progress of the rebuild")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2, timeout=60_000)
    assert changing.http.get(f"/jobs/{job['id']}").json()["state"] == "done"


def test_a_rebuild_shows_its_progress_and_can_be_rolled_back(changing, open_page, folder):
    page = open_page(changing, "collection")
    panel = page.get_by_label("Index", exact=True)
    expect(panel.locator("tbody tr")).to_have_count(1)
    add(page, folder / "new.jpg")
    panel.get_by_role("button", name="Rebuild to include 1 change").click()
    expect(panel.get_by_label("progress of the rebuild")).to_be_visible()
    expect(panel.locator("tbody tr")).to_have_count(2, timeout=60_000)
    expect(panel.locator("tbody tr").first).to_contain_text("live")
    before = changing.http.get("/index").json()["generation"]
    panel.get_by_role("button", name="Roll back to this one").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.locator("#notice")).to_contain_text("live again")
    assert changing.http.get("/index").json()["generation"] != before
