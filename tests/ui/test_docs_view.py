"""API documentation page: every call of the OpenAPI document, with parameters, bodies and examples."""

import json
import subprocess
import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.ui.test_whole_page import PHONE


def opened(server, open_page, **options):
    page = open_page(server, **options)
    page.goto(f"{server.url}/docs")
    page.locator(".call").first.wait_for()
    return page


def test_every_call_is_listed(shared, open_page):
    page = opened(shared, open_page)
    paths = shared.http.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(page.locator(".call > summary > code").all_inner_texts()) == calls


def test_a_call_shows_its_parameters_body_and_example(shared, open_page):
    page = opened(shared, open_page)
    call = page.locator(".call").filter(has=page.get_by_text("POST /search", exact=True))
    call.locator("summary").first.click()
    expect(call).to_contain_text("Near-duplicates")
    row = call.get_by_role("row").filter(has=page.get_by_text("k", exact=True)).first
    expect(row).to_contain_text("integer ≥ 1 (default 10)")
    expect(call).to_contain_text("multipart/form-data")
    expect(call).to_contain_text("application/problem+json")
    expect(call.locator("pre.example")).to_contain_text('"verdict": "copy"')


def test_calls_are_found_by_word_and_opened_by_address(shared, open_page):
    page = opened(shared, open_page)
    everything = page.locator(".call").count()
    page.keyboard.press("/")
    page.keyboard.type("webhooks secret")
    expect(page.locator(".call:visible > summary > code").first).to_have_text("POST /webhooks")
    assert page.locator(".call:visible").count() < everything / 4
    page.goto(f"{shared.url}/docs#post-compare")
    page.reload()
    expect(page.locator("#post-compare[open]")).to_contain_text("explanation")


def snippet(call, language):
    call.get_by_role("button", name=language, exact=True).click()
    return call.locator(".snippet code").inner_text()


def printed(command, folder):
    """The JSON that a command prints."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("path", ["POST /search", "GET /images/{number}", "POST /compare", "PATCH /clusters/{number}"])
def test_snippets_run_as_they_are(changing, open_page, folder, tmp_path, path):
    page = opened(changing, open_page)
    call = page.locator(".call").filter(has=page.get_by_text(path, exact=True))
    call.locator("summary").first.click()
    for name in ("picture.jpg", "other.jpg"):
        (tmp_path / name).write_bytes((folder / "copy.jpg").read_bytes())
    program = snippet(call, "Python")
    answer = printed([sys.executable, "-c", program], tmp_path)
    assert answer["model"]
    assert printed(["bash", "-c", snippet(call, "curl")], tmp_path).keys() == answer.keys()


def test_a_snippet_is_copied(shared, open_page):
    page = opened(shared, open_page, permissions=["clipboard-read", "clipboard-write"])
    call = page.locator("#get-index")
    call.locator("summary").first.click()
    call.get_by_role("button", name="Copy").click()
    expect(call.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"curl '{shared.url}/index'"


def test_a_call_can_be_tried(shared, open_page, folder):
    page = opened(shared, open_page)
    call = page.locator("#post-search")
    call.locator("summary").first.click()
    call.get_by_text("Try it").click()
    call.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    call.locator("input[name=k]").fill("3")
    call.get_by_role("button", name="Send POST").click()
    expect(call.locator(".result [role=status]")).to_contain_text("200 OK")
    found = json.loads(call.locator(".result pre").inner_text())
    assert found["items"][0]["matches"][0]["key"] == "picture-03.jpg"
    assert len(found["items"][0]["matches"]) == 3
    call.locator("input[name=k]").fill("0")
    call.get_by_role("button", name="Send POST").click()
    expect(call.locator(".result [role=status]")).to_contain_text("400")


def test_it_is_accessible_and_fits_a_phone(shared, open_page):
    page = opened(shared, open_page, bypass_csp=True, **PHONE)
    for summary in page.locator(".call > summary").all():
        summary.click()
    page.locator("#post-search").get_by_text("Try it").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
