"""Clusters view: sort, open and name clusters; find the cluster of a picture."""

from playwright.sync_api import expect


def test_clusters_are_sorted(shared, open_page):
    page = open_page(shared, "clusters")
    clusters = shared.http.get("/clusters").json()["clusters"]
    tightest = max(clusters, key=lambda one: one["tightness"])
    expect(page.locator(".heap")).to_have_count(len(clusters))
    page.locator("select[name=by]").select_option("tightness")
    expect(page.locator(".heap").first).to_contain_text(f"{tightest['tightness']:.2f}")
    assert "by=tightness" in page.url


def test_a_cluster_opens_and_keeps_its_name_over_a_rebuild(changing, open_page):
    page = open_page(changing, "clusters")
    page.locator(".heap").first.click()
    expect(page.locator(".card img").first).to_be_visible()
    page.locator("input[name=name]").fill("drawn things")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="drawn things")).to_be_visible()
    page.goto(f"{changing.url}/#/admin")
    page.get_by_role("button", name="Rebuild").click()
    expect(page.get_by_label("Index", exact=True).locator("tbody tr")).to_have_count(2, timeout=60_000)
    page.goto(f"{changing.url}/#/clusters?by=name")
    expect(page.locator(".heap").first).to_contain_text("drawn things")


def test_the_cluster_of_a_picture(shared, open_page, folder):
    page = open_page(shared, "clusters")
    page.locator("input[type=file]").set_input_files([folder / "copy.jpg", folder / "broken.jpg"])
    expect(page.locator(".found a")).to_contain_text("copy.jpg belongs to")
    expect(page.locator(".found .error")).to_contain_text("broken.jpg")
    page.locator(".found a").click()
    expect(page.locator("h1")).to_contain_text("cluster")


def test_clusters_are_merged_by_keyboard_and_separated(changing, open_page):
    clusters = changing.http.get("/clusters").json()["clusters"]
    page = open_page(changing, "clusters")
    heaps = page.locator(".heap")
    expect(heaps).to_have_count(len(clusters))
    for key in ("ArrowDown", "x", "ArrowRight", "x", "m"):
        page.keyboard.press(key)
    page.keyboard.type("shapes")
    page.keyboard.press("Enter")
    expect(heaps).to_have_count(len(clusters) - 1)
    expect(page.locator("#notice")).to_contain_text("2 clusters are shown as shapes.")
    page.get_by_role("link", name="shapes").click()
    both = clusters[0]["size"] + clusters[1]["size"]
    expect(page.locator(".view")).to_contain_text(f"{both} pictures of 2 merged clusters")
    expect(page.locator(".card img")).to_have_count(both)
    page.get_by_role("button", name="Separate").click()
    expect(heaps).to_have_count(len(clusters))
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(heaps).to_have_count(len(clusters) - 1)
    named = [one["name"] for one in changing.http.get("/clusters").json()["clusters"]]
    assert named.count("shapes") == 2


def test_the_pictures_of_a_cluster_are_tagged(changing, open_page):
    [cluster, *_] = changing.http.get("/clusters").json()["clusters"]
    page = open_page(changing, f"clusters?id={cluster['id']}")
    page.get_by_role("button", name="Tag the pictures…").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Set a field of {cluster['size']} pictures")
    page.locator("input[name=field]").fill("kind")
    page.locator("input[name=value]").fill("shapes")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text(f"kind of {cluster['size']} pictures was set.")
    items = changing.http.get("/images").json()["items"]
    assert sum(one["metadata"].get("kind") == "shapes" for one in items) == cluster["size"]


def test_pictures_are_moved_to_a_new_and_to_a_known_cluster_by_keyboard(changing, open_page):
    def named(name):
        clusters = changing.http.get("/clusters").json()["clusters"]
        return {one["name"]: one["size"] for one in clusters}.get(name)

    [cluster, other, *_] = changing.http.get("/clusters").json()["clusters"]
    changing.http.patch(f"/clusters/{other['id']}", json={"name": "known"}).raise_for_status()
    page = open_page(changing, f"clusters?id={cluster['id']}")
    summary, cards = page.locator(".view"), page.locator(".card img")
    expect(cards).to_have_count(cluster["size"])
    for key in ("ArrowDown", "x", "ArrowRight", "x", "m"):
        page.keyboard.press(key)
    box = page.get_by_role("dialog", name="Move 2 pictures")
    page.keyboard.type("splinters")
    expect(box).to_contain_text("There is no splinters yet: a new cluster gets this name.")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("2 pictures moved to splinters.")
    expect(summary).to_contain_text(f"{cluster['size'] - 2} pictures, the nearest")
    expect(cards).to_have_count(cluster["size"] - 2)
    assert named("splinters") == 2
    page.goto(f"{changing.url}/#/clusters?by=name")
    page.get_by_role("link", name="splinters").click()
    expect(cards).to_have_count(2)
    page.locator(".pick").first.check()
    page.get_by_role("button", name="Move…").click()
    page.keyboard.type("known")
    expect(box.or_(page.get_by_role("dialog"))).to_contain_text(f"known has {other['size']} picture")
    page.keyboard.press("Enter")
    expect(cards).to_have_count(1)
    assert named("known") == other["size"] + 1
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(2)
    assert named("known") == other["size"]

    page.goto(f"{changing.url}/#/admin")
    page.get_by_role("button", name="Rebuild").click()
    expect(page.get_by_label("Index", exact=True).locator("tbody tr")).to_have_count(2, timeout=60_000)
    assert named("splinters") == 2
    page.goto(f"{changing.url}/#/clusters?by=name")
    page.get_by_role("link", name="splinters").click()
    expect(cards).to_have_count(2)
    for number in (0, 1):
        page.locator(".pick").nth(number).check()
    page.keyboard.press("m")
    page.keyboard.type("known")
    page.keyboard.press("Enter")
    expect(page.locator(".heap").first).to_be_visible()  # nothing is left of it
    assert named("splinters") is None
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="splinters")).to_be_visible()
