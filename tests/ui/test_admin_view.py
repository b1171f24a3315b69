"""Admin view: rebuild, roll back with undo, jobs, keys, audit trail, webhooks; hidden from who may not."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from service.auth.keys import Keys
from tests.service.conftest import serving
from tests.service.intake.test_decoding import children
from tests.ui.test_whole_page import PHONE, SCREENS, serious


def section(page, name):
    return page.get_by_label(name, exact=True)


def test_a_rebuild_started_elsewhere_shows_its_progress(changing, open_page):
    job = changing.http.post("/index/rebuild").json()
    [worker] = [
        pid for pid in children(changing.process.pid) if b"rebuild" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(worker, signal.SIGSTOP)  # it must not be done before the page is open
    page = open_page(changing, "admin")
    expect(page.get_by_label("progress of the rebuild")).to_be_visible()
    os.kill(worker, signal.SIGCONT)
    expect(section(page, "Index").locator("tbody tr")).to_have_count(2, timeout=60_000)
    assert changing.http.get(f"/jobs/{job['id']}").json()["state"] == "done"


def test_a_rebuild_shows_its_progress_and_can_be_rolled_back_and_forth(changing, open_page, folder):
    body = {"file": (folder / "new.jpg").read_bytes()}
    changing.http.post("/images", files=body, data={"key": "new.jpg"}).raise_for_status()
    page = open_page(changing, "admin")
    index = section(page, "Index")
    expect(index.locator("tbody tr")).to_have_count(1)
    index.get_by_role("button", name="Rebuild to include 1 change").click()
    expect(index.get_by_label("progress of the rebuild")).to_be_visible()
    expect(index.locator("tbody tr")).to_have_count(2, timeout=60_000)
    expect(index.locator("tbody tr").first).to_contain_text("live")
    before = changing.http.get("/index").json()["generation"]
    index.get_by_role("button", name="Roll back to this one").click()
    expect(page.locator("#notice")).to_contain_text("live again")
    assert changing.http.get("/index").json()["generation"] != before
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(index.locator("tbody tr").first).to_contain_text("live")
    assert changing.http.get("/index").json()["generation"] == before
    expect(section(page, "Jobs").locator("tbody tr").first).to_contain_text("rebuild")
    page.reload()
    expect(section(page, "Audit").locator("tbody tr").first).to_contain_text("index.rollback")


def test_the_audit_trail_is_filtered(changing, open_page):
    changing.http.patch("/images/1", json={"metadata": {"album": 9}}).raise_for_status()
    changing.http.delete("/images/2").raise_for_status()
    page = open_page(changing, "admin")
    rows = section(page, "Audit").locator("tbody tr")
    expect(rows.first).to_contain_text("item.delete")
    page.locator("select[name=action]").select_option("webhook")
    expect(section(page, "Audit")).to_contain_text("Nothing was recorded.")
    page.locator("select[name=action]").select_option("item")
    expect(rows.first).to_contain_text("item.delete")


def test_a_webhook_is_created_paused_and_deleted(tmp_path, built, open_page):
    shutil.copytree(built, tmp_path / "index")
    with serving(tmp_path / "index", webhook_networks="127.0.0.0/8") as server:
        page = open_page(server, "admin")
        hooks = section(page, "Webhooks")
        expect(hooks).to_contain_text("There is no webhook.")
        hooks.locator("input[name=url]").fill("http://127.0.0.1:9/copysight")
        hooks.get_by_role("button", name="Create a webhook").click()
        expect(page.get_by_role("dialog").locator(".secret")).to_contain_text("whsec_")
        page.keyboard.press("Escape")
        expect(hooks.locator("tbody tr")).to_contain_text("active")
        hooks.get_by_role("button", name="Actions for").click()
        page.get_by_role("menuitem", name="Pause").click()
        expect(hooks.locator("tbody tr")).to_contain_text("paused")
        hooks.get_by_role("button", name="Actions for").click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(hooks).to_contain_text("There is no webhook.")
        assert server.http.get("/webhooks").json()["webhooks"] == []


def test_a_refused_webhook_says_why(changing, open_page):
    page = open_page(changing, "admin")
    hooks = section(page, "Webhooks")
    hooks.locator("input[name=url]").fill("http://127.0.0.1:9/copysight")
    hooks.get_by_role("button", name="Create a webhook").click()
    expect(hooks.get_by_role("alert")).not_to_be_empty()


def test_keys_and_their_use_are_listed_for_admins_only(tmp_path, built, open_page):
    shutil.copytree(built, tmp_path / "index")
    with serving(tmp_path / "index", auth="keys") as server:
        made = {scope: Keys(server.index).add(f"{scope} desk", scope) for scope in ("write", "admin")}
        page = open_page(server, "admin")
        page.locator("#key-value").fill(made["write"])
        page.keyboard.press("Enter")
        expect(page.locator(".empty")).to_have_text("This view needs a key of scope admin.")
        expect(page.get_by_role("link", name="Admin")).to_have_count(0)
        page.get_by_role("button", name="Key: write").click()
        page.locator("#key-value").fill(made["admin"])
        page.keyboard.press("Enter")
        expect(section(page, "Keys").locator("tbody tr")).to_have_count(2)
        expect(section(page, "Keys")).to_contain_text("write desk")
        expect(page.get_by_role("link", name="Admin")).to_be_visible()


@pytest.mark.parametrize("screen", SCREENS)
def test_it_is_accessible_and_fits(changing, open_page, screen):
    changing.http.delete("/images/2").raise_for_status()
    page = open_page(changing, "admin", bypass_csp=True, **SCREENS[screen])
    expect(section(page, "Audit").locator("tbody tr").first).to_be_visible()
    assert serious(page) == []
    if SCREENS[screen] is PHONE:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
