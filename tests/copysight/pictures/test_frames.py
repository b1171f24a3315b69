"""Frames of animations: the first that shows something, within limits of frames and pixels."""

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from copysight.pictures import frames
from copysight.pictures.decode import Limits, decode


def film(pictures, kind="GIF", **options):
    out = BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=50, **options)
    return out.getvalue()


def blanks(count, size=(96, 80)):
    """Frames of one grey each, all different, so that none is dropped."""
    return [Image.new("RGB", size, (number % 25,) * 3) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 40, frames.MAX_FRAMES - 1])
def test_blank_frames_are_passed_over(count, drawn):
    shown = decode(film([*blanks(count), drawn(1, (96, 80))])).pixels
    assert np.abs(np.asarray(shown, int) - np.asarray(drawn(1, (96, 80)), int)).mean() < 8


def test_the_search_ends_after_a_number_of_frames_and_pixels(drawn):
    long = film([*blanks(frames.MAX_FRAMES), drawn(1, (96, 80))])
    assert frames.shows_nothing(decode(long).pixels)
    short = film([*blanks(3), drawn(1, (96, 80))])
    assert not frames.shows_nothing(decode(short, Limits(max_pixels=4 * 96 * 80)).pixels)
    assert frames.shows_nothing(decode(short, Limits(max_pixels=4 * 96 * 80 - 1)).pixels)


def test_a_long_blank_animation_costs_little():
    data = film(blanks(2_000, (200, 200)))
    began = time.process_time()
    assert frames.shows_nothing(decode(data).pixels)
    assert time.process_time() - began < 1.0


def test_a_frame_with_little_on_it_shows_something():
    little = Image.new("RGB", (400, 300))
    little.paste("white", (200, 150, 210, 160))
    assert not frames.shows_nothing(little)
    noise = np.random.default_rng(0).integers(0, 24, (300, 400, 3)).astype(np.uint8)
    assert frames.shows_nothing(Image.fromarray(noise))


def test_the_first_frame_is_taken_where_it_shows_something(drawn):
    shown = decode(film([drawn(1, (96, 80)), drawn(2, (96, 80))], "WEBP", lossless=True)).pixels
    assert np.array_equal(np.asarray(shown), np.asarray(drawn(1, (96, 80))))


def test_the_first_page_of_a_tiff_is_taken_even_if_it_is_blank(drawn):
    shown = decode(film([Image.new("RGB", (96, 80), "white"), drawn(2, (96, 80))], "TIFF")).pixels
    assert (np.asarray(shown) == 255).all()


def test_damage_after_a_blank_frame_ends_the_search(drawn):
    data = film([*blanks(2), drawn(1, (96, 80))])
    assert decode(data[: len(data) - 300]).pixels.size == (96, 80)
