"""API documentation page: every call of the OpenAPI document, with parameters, bodies and examples."""

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
    call.locator("summary").click()
    expect(call).to_contain_text("Near-duplicates")
    row = call.get_by_role("row").filter(has=page.get_by_text("k", exact=True)).first
    expect(row).to_contain_text("integer ≥ 1 (default 10)")
    expect(call).to_contain_text("multipart/form-data")
    expect(call).to_contain_text("application/problem+json")
    expect(call.locator("pre")).to_contain_text('"verdict": "copy"')


def test_it_is_accessible_and_fits_a_phone(shared, open_page):
    page = opened(shared, open_page, bypass_csp=True, **PHONE)
    for summary in page.locator(".call > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
