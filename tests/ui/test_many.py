"""Large lists (ten thousand members, five hundred matches): few elements exist, also after much scrolling.

How smooth that is, ``benchmarks.page_smoothness`` measures: a frame takes as long as a busy machine lets it.
"""

from playwright.sync_api import expect

from tests.ui.conftest import MANY

MOST_ELEMENTS = 2_000
SCROLL = """() => new Promise((resolve) => {
    let frames = 0, most = 0;
    const frame = () => {
        most = Math.max(most, document.querySelectorAll("*").length);
        scrollBy(0, frames % 40 < 20 ? 400 : -400);
        ++frames < 120 ? requestAnimationFrame(frame) : resolve(most);
    };
    requestAnimationFrame(frame);
})"""

WATCH = """() => {
    window.moves = [];
    const look = () => {
        const bar = document.querySelector("progress[aria-label='progress of the rebuild']");
        if (bar) window.moves.push([bar.parentElement.querySelector("[role=status]").textContent, bar.position]);
    };
    const all = {subtree: true, childList: true, characterData: true, attributes: true};
    new MutationObserver(look).observe(document.body, all);
}"""


def elements(page):
    return page.evaluate("document.querySelectorAll('*').length")


def test_ten_thousand_members(large, open_page):
    [cluster] = large.http.get("/clusters").json()["clusters"]
    page = open_page(large, f"clusters?id={cluster['id']}")
    expect(page.locator("h1 ~ .bar.between")).to_contain_text("10,000 pictures")
    expect(page.locator(".card .name").first).to_be_visible()
    assert elements(page) < MOST_ELEMENTS
    asked = []
    page.on("request", lambda one: asked.append(one.url) if "thumbnail" in one.url else None)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = large.http.get(f"/clusters/{cluster['id']}", params={"offset": MANY - 1}).json()["members"][0]["key"]
    expect(page.locator(".card .name", has_text=last)).to_be_visible()
    assert elements(page) < MOST_ELEMENTS
    assert len(asked) < 200  # not the thumbnails of the thousands of pictures in between
    page.evaluate("scrollTo(0, 100000)")
    assert page.evaluate(SCROLL) < MOST_ELEMENTS


def test_five_hundred_matches(large, open_page, folder):
    page = open_page(large, "search?k=500")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    expect(page.locator(".answer p.hint").first).to_contain_text("copies")
    page.locator(".answer .neighbours summary").click()
    shown = page.locator(".answer .cell").count()
    assert 5 < shown < 100
    assert elements(page) < MOST_ELEMENTS
    assert page.evaluate(SCROLL) < MOST_ELEMENTS
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".answer .card").last.click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("Match 500 of 500")


def test_the_progress_bar_of_a_rebuild_only_grows(several, open_page):
    page = open_page(several, "admin")
    panel = page.get_by_label("Index", exact=True)
    before = len(several.http.get("/index").json()["generations"])
    expect(panel.locator("tbody tr")).to_have_count(before)
    page.evaluate(WATCH)
    panel.get_by_role("button", name="Rebuild").click()
    expect(panel.locator("tbody tr")).to_have_count(before + 1, timeout=600_000)
    moves = page.evaluate("window.moves")
    shares = [share for _, share in moves if share >= 0]  # -1 until the first stage is known
    assert shares == sorted(shares), moves
    assert any(0 < share < 1 for share in shares), moves
    assert shares[-1] == 1, moves
