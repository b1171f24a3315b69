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
