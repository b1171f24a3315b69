"""Pages of forms and templates, drawn by program: pages of one template share their print and differ in what fills it.

``page(template, number)`` is always the same page. Only Pillow's own font is used.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image

from evaluation.regions.sheet import GREY, PALE, WHITE, Sheet, amount, date, name, word, words

Picture = Image.Image


def page(template: str, number: int, photographs: Sequence[Picture] = ()) -> Picture:
    """Page ``number`` of a template in ``TEMPLATES``: RGB, 450 to 720 px wide.

    A template with a place for a photograph takes one of ``photographs`` there, or a drawn blot if there are none.
    """
    rng = np.random.default_rng([list(TEMPLATES).index(template), number])
    return TEMPLATES[template](rng, photographs).picture


def invoice(rng: Generator, _: Sequence[Picture]) -> Sheet:
    """An invoice: letterhead, address, table of items, total, bank details."""
    sheet = Sheet(600, 848)
    sheet.disc(40, 36, 44, (20, 90, 160))
    sheet.text(96, 40, "NORDHAVN SUPPLIES LTD", 20, (20, 90, 160))
    sheet.text(96, 64, "14 Harbour Road, 2100 Port Ellis - VAT 77 120 441", 11, GREY)
    sheet.text(440, 110, "INVOICE", 26)
    for place, label in enumerate(("Invoice no.", "Date", "Customer no.", "Due")):
        sheet.text(380, 152 + 18 * place, label, 12, GREY)
        value = date(rng) if place % 2 else str(rng.integers(10_000, 999_999))
        sheet.text(480, 152 + 18 * place, value)
    for place, line in enumerate((name(rng), f"{words(rng, 1, 2)} {rng.integers(1, 200)}", words(rng, 1, 2))):
        sheet.text(40, 150 + 18 * place, line, 13)
    sheet.box(40, 250, 520, 24, PALE, None)
    for x, label in ((46, "Item"), (90, "Description"), (330, "Quantity"), (410, "Unit price"), (500, "Amount")):
        sheet.text(x, 255, label)
    for row in range(int(rng.integers(3, 14))):
        y = 284 + 26 * row
        for x, value in (
            (46, str(row + 1)), (90, words(rng, 2, 5)), (346, str(rng.integers(1, 90))), (412, amount(rng, 300)),
            (500, amount(rng)),
        ):  # fmt: skip
            sheet.text(x, y, value[:36])
        sheet.line(40, y + 20, 520, PALE)
    for place, label in enumerate(("Subtotal", "VAT 25 %", "TOTAL")):
        sheet.text(400, 672 + 22 * place, label, 14)
        sheet.text(560, 672 + 22 * place, amount(rng), 14, anchor="ra")
    sheet.line(40, 770, 520)
    sheet.text(40, 780, "Payment within 14 days. Bank: First Harbour, IBAN XX12 0000 4411 2200 71", 11, GREY)
    sheet.text(40, 798, "Questions: accounts@nordhavn.example - telephone 555 0134", 11, GREY)
    return sheet


def letter(rng: Generator, _: Sequence[Picture]) -> Sheet:
    """A letter: letterhead, address, paragraphs, signature, footer."""
    sheet = Sheet(600, 848)
    sheet.box(0, 0, 600, 14, (150, 30, 40), None)
    sheet.text(40, 40, "City Council of Marlow", 24, (150, 30, 40))
    sheet.text(40, 70, "Department of Public Works - Town Hall, 1 Market Square", 12, GREY)
    for place, line in enumerate((name(rng), f"{words(rng, 1, 2)} {rng.integers(1, 99)}", words(rng, 1, 1))):
        sheet.text(40, 130 + 18 * place, line, 13)
    sheet.text(460, 200, date(rng), 13)
    sheet.text(40, 236, f"Subject: {words(rng, 3, 6)}", 15)
    sheet.text(40, 272, "Dear Sir or Madam,", 13)
    y = 300
    while y < 640:
        for _line in range(int(rng.integers(2, 6))):
            sheet.text(40, y, words(rng, 8, 10)[:74], 13)
            y += 19
        y += 12
    sheet.text(40, y + 8, "Yours faithfully,", 13)
    sheet.text(40, y + 52, name(rng), 16, (30, 40, 120))
    sheet.line(40, 800, 520)
    sheet.text(40, 808, "Open Monday to Friday 9-16 - www.marlow.example - please quote our reference", 11, GREY)
    return sheet


def table(rng: Generator, _: Sequence[Picture]) -> Sheet:
    """A spreadsheet: toolbar, letters of columns, numbers of rows, some cells filled."""
    sheet = Sheet(720, 520)
    sheet.box(0, 0, 720, 30, (32, 114, 69), None)
    for place, label in enumerate(("File", "Home", "Insert", "Page layout", "Formulas", "Data", "Review", "View")):
        sheet.text(10 + 84 * place, 8, label, 13, WHITE)
    sheet.box(0, 30, 720, 54, PALE, None)
    for place in range(14):
        sheet.box(12 + 50 * place, 40, 26, 26, WHITE if place % 3 else (200, 214, 230))
    for column in range(9):
        sheet.box(40 + 76 * column, 84, 76, 20, PALE)
        sheet.text(72 + 76 * column, 88, "ABCDEFGHI"[column])
    kinds = rng.integers(0, 3, 9)
    rows = int(rng.integers(8, 20))
    for row in range(20):
        sheet.box(0, 104 + 20 * row, 40, 20, PALE)
        sheet.text(14, 108 + 20 * row, str(row + 1))
        for column in range(9):
            sheet.box(40 + 76 * column, 104 + 20 * row, 76, 20, None, PALE)
            if row < rows and rng.random() < 0.85:
                value = (words(rng, 1, 1), amount(rng), str(rng.integers(0, 999)))[kinds[column]]
                sheet.text(44 + 76 * column, 108 + 20 * row, value[:11])
    return sheet


def slide(rng: Generator, photographs: Sequence[Picture]) -> Sheet:
    """A slide of one deck: title, bullets, a photograph, footer with logo."""
    sheet = Sheet(720, 405, (248, 249, 252))
    sheet.box(0, 0, 720, 64, (38, 50, 90), None)
    sheet.box(0, 64, 720, 5, (240, 160, 40), None)
    sheet.text(28, 16, words(rng, 2, 5)[:40], 28, WHITE)
    bullets = int(rng.integers(2, 7))
    for place in range(bullets):
        sheet.disc(34, 104 + 40 * place, 9, (240, 160, 40))
        sheet.text(54, 98 + 40 * place, words(rng, 2, 5)[:34], 17)
    if rng.random() < 0.6:
        sheet.photograph(rng, photographs, 450, 100, 230, 200)
    sheet.line(28, 368, 664)
    sheet.disc(28, 376, 20, (38, 50, 90))
    sheet.text(56, 379, "ACME RESEARCH - Quarterly review - confidential", 12, GREY)
    sheet.text(690, 379, str(rng.integers(1, 60)), 12, GREY, "ra")
    return sheet


def chat(rng: Generator, photographs: Sequence[Picture]) -> Sheet:
    """A conversation on a telephone: status bar, name, messages left and right, field to write in."""
    sheet = Sheet(450, 800, (236, 229, 221))
    sheet.box(0, 0, 450, 26, (6, 84, 76), None)
    sheet.text(12, 6, f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}", 13, WHITE)
    sheet.text(352, 6, "5G  82 %", 13, WHITE)
    sheet.box(0, 26, 450, 56, (7, 94, 84), None)
    sheet.photograph(rng, photographs, 46, 34, 40, 40)
    sheet.text(98, 36, name(rng), 18, WHITE)
    sheet.text(98, 58, "online", 12, (200, 230, 220))
    y = 96
    while y < 690:
        mine, lines = rng.random() < 0.5, int(rng.integers(1, 4))
        if rng.random() < 0.1 and y < 520:
            sheet.photograph(rng, photographs, 150 if mine else 14, y, 250, 170)
            y += 182
            continue
        sheet.box(130 if mine else 14, y, 300, 14 + 20 * lines, (220, 248, 198) if mine else WHITE, None)
        for line in range(lines):
            sheet.text(140 if mine else 24, y + 8 + 20 * line, words(rng, 3, 5)[:34], 15)
        y += 26 + 20 * lines
    sheet.box(0, 746, 450, 54, (240, 240, 240), None)
    sheet.box(14, 754, 360, 38, WHITE)
    sheet.text(30, 764, "Message", 15, GREY)
    sheet.disc(388, 752, 42, (7, 94, 84))
    return sheet


def login(rng: Generator, _: Sequence[Picture]) -> Sheet:
    """A login screen: little differs from page to page, the user, an error, the date."""
    sheet = Sheet(640, 420, (226, 233, 242))
    sheet.box(0, 0, 640, 40, (24, 52, 92), None)
    sheet.text(18, 11, "Customer portal", 17, WHITE)
    sheet.text(470, 13, "Help   Contact   English", 13, WHITE)
    sheet.box(180, 84, 280, 270, WHITE)
    sheet.text(320, 104, "Sign in", 24, anchor="ma")
    sheet.text(204, 146, "User name", 12, GREY)
    sheet.box(204, 162, 232, 30)
    sheet.text(212, 169, f"{word(rng)}.{word(rng)}{rng.integers(1, 999)}", 14)
    sheet.text(204, 204, "Password", 12, GREY)
    sheet.box(204, 220, 232, 30)
    sheet.text(212, 227, "*" * int(rng.integers(4, 18)), 14)
    sheet.box(204, 268, 232, 34, (24, 92, 180), None)
    sheet.text(320, 277, "Continue", 15, WHITE, "ma")
    sheet.text(204, 316, "Forgot your password?", 12, (24, 92, 180))
    if rng.random() < 0.5:
        sheet.text(320, 366, f"{words(rng, 3, 6)} ({rng.integers(100, 600)})", 13, (180, 30, 30), "ma")
    sheet.text(18, 396, f"Last login {date(rng)} from {'.'.join(map(str, rng.integers(1, 255, 4)))}", 12, GREY)
    return sheet


def identity(rng: Generator, photographs: Sequence[Picture]) -> Sheet:
    """An identity card: guilloche, photograph, labelled fields, number."""
    sheet = Sheet(560, 353, (222, 232, 226))
    for place in range(60):
        sheet.line(0, 6 * place, 560, (206, 220, 214) if place % 2 else (214, 222, 236))
    sheet.box(0, 0, 560, 46, (28, 78, 60), None)
    sheet.text(20, 12, "REPUBLIC OF ARDENNIA - IDENTITY CARD", 20, WHITE)
    sheet.photograph(rng, photographs, 24, 70, 150, 190)
    fields = (
        ("Surname", word(rng).title()), ("Given names", name(rng)), ("Nationality", "ARDENNIAN"),
        ("Date of birth", date(rng)), ("Place of birth", words(rng, 1, 1)), ("Expires", date(rng)),
    )  # fmt: skip
    for place, (label, value) in enumerate(fields):
        sheet.text(200, 62 + 34 * place, label, 11, GREY)
        sheet.text(200, 74 + 34 * place, value, 16)
    sheet.text(380, 74, str(rng.integers(10**8, 10**9)), 20, (150, 30, 40))
    sheet.disc(440, 180, 74, (190, 170, 90))
    for place in range(2):
        code = "".join("ABCDEFGHKLMNPRSTUVXYZ0123456789<<<<"[int(n)] for n in rng.integers(0, 35, 32))
        sheet.text(24, 286 + 26 * place, f"ID{code}", 20)
    return sheet


def questionnaire(rng: Generator, _: Sequence[Picture]) -> Sheet:
    """A questionnaire: printed questions, ticked boxes, a few written words."""
    sheet = Sheet(600, 848)
    sheet.text(300, 30, "PATIENT SATISFACTION SURVEY", 22, anchor="ma")
    sheet.text(300, 60, "Please tick one box in each row. Your answers are confidential.", 12, GREY, "ma")
    sheet.text(40, 92, "Name", 13)
    sheet.text(96, 90, name(rng), 16, (30, 40, 120))
    sheet.text(360, 92, "Date", 13)
    sheet.text(410, 90, date(rng), 16, (30, 40, 120))
    questions = (
        "I was seen at the agreed time", "The reception was friendly", "The doctor listened to me",
        "My treatment was explained to me", "I could ask my questions", "The rooms were clean", "I felt safe",
        "My privacy was respected", "I know whom to call", "The food was good", "Visiting hours suited me",
        "I would come again",
    )  # fmt: skip
    for place, label in enumerate(("never", "rarely", "often", "always")):
        sheet.text(352 + 62 * place, 132, label, 12, GREY, "ma")
    for row, question in enumerate(questions):
        y = 158 + 40 * row
        sheet.text(40, y, f"{row + 1}. {question}", 13)
        sheet.line(40, y + 26, 520, PALE)
        answer = int(rng.integers(0, 4))
        for place in range(4):
            sheet.box(344 + 62 * place, y, 16, 16)
            if place == answer:
                sheet.text(352 + 62 * place, y - 3, "X", 19, (30, 40, 120), "ma")
    sheet.text(40, 654, "What could we do better?", 13)
    sheet.box(40, 676, 520, 110)
    for line in range(int(rng.integers(0, 5))):
        sheet.text(52, 686 + 24 * line, words(rng, 4, 8)[:52], 16, (30, 40, 120))
    sheet.text(40, 812, "Form QS-12 / revision 4 - Saint Anselm Hospital", 11, GREY)
    return sheet


TEMPLATES: Mapping[str, Callable[[Generator, Sequence[Picture]], Sheet]] = {
    draw.__name__: draw for draw in (invoice, letter, table, slide, chat, login, identity, questionnaire)
}
"""Name -> what draws a page of it."""
