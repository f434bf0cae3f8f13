"""The report of real generators: colour images by label, rewards before and after choice, training data, texts."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_generators as made
import synthetic_runs as plain
import torch
from hypothesis import given
from hypothesis import strategies as st
from pages import Page, rows
from PIL import Image

from ecosystem.plots.opinions import boxes
from ecosystem.plots.quality import judged
from ecosystem.report import captions, render
from ecosystem.report.images import arranged, brightness
from ecosystem.report.samples import labels, sections
from ecosystem.report.texts import ANSWER, PROMPTS, picked, section, short
from ecosystem.running.run import Run

SECTIONS = {
    "painters": ["coupling", "diets", "alignment", "welfare", "choices", "sources", "change", "images"],
    "writers": ["coupling", "diets", "alignment", "welfare", "change", "texts"],
}


@cache
def rendered(name: str) -> str:
    """The report of a made-up run, made once."""
    return render(getattr(made, name)())


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_appear_where_a_run_has_something_for_them(name: str) -> None:
    page = Page(rendered(name))
    assert page.ids("section") == ["verdict", *SECTIONS[name], "about", "again", "words"]
    page.loads_nothing()
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("name", SECTIONS)
def test_a_saved_run_gives_the_report_of_the_living_one(name: str, tmp_path: Path) -> None:
    assert render(Run.load(getattr(made, name)().save(tmp_path / name))) == rendered(name)


def test_a_run_saved_before_there_were_such_tables_still_has_a_report(tmp_path: Path) -> None:
    folder = made.painters().save(tmp_path / "old")
    for file in ("sources.parquet", "choices.parquet", "texts.parquet", "inputs.safetensors"):
        (folder / file).unlink()
    page = Page(render(Run.load(folder, check=False)))
    assert page.ids("section")[1:7] == ["coupling", "diets", "alignment", "welfare", "change", "images"]
    assert "sorted by label" not in page.text


# -- images ------------------------------------------------------------------------------------------------------------


def painted(run: Run) -> list[np.ndarray]:
    """The mosaics of a run's images as a page has them, ``[h, w(, 3)]`` in 0..255, slide by slide."""
    page = Page(render(run))
    return [opened(str(a["src"])) for tag, a in page.tags if tag == "img"]


def opened(address: str) -> np.ndarray:
    """A picture from its address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))), dtype=float)


def told(run: Run) -> str:
    """What the page says of a run's images."""
    return Page(render(run)).text


def one(name: str, event: str, samples: torch.Tensor, inputs: torch.Tensor | None = None) -> Run:
    """A member with one round of samples."""
    asked = {} if inputs is None else {"inputs": {name: {0: inputs}}}
    return plain.make(
        plain.settings("one", 1, 1),
        plain.members([name], event),
        plain.flows([(name, name, 0.5, 0.0)]),
        plain.rounds({name: 0.0}, 1, 1),
        samples={name: {0: samples}},
        **asked,
    )


def test_colours_are_those_of_the_samples_and_what_no_screen_can_show_is_clipped() -> None:
    colours = torch.tensor([[1.0, 0.0, 0.5], [1.2, -0.1, 0.25], [0.0, 0.75, 0.0], [float("nan"), 1.0, 1.0]])
    run = one("a", "3x4x4", colours.reshape(4, 3, 1, 1).expand(4, 3, 4, 4))
    (sheet,) = painted(run)
    assert sheet.shape == (11, 11, 3) and (sheet[0] == 255).all()  # two rows of two, white paper around them
    seen = [sheet[y, x] for y, x in ((1, 1), (1, 6), (6, 1), (6, 6))]
    np.testing.assert_array_equal(seen, [[255, 0, 128], [255, 0, 64], [0, 191, 0], [0, 255, 255]])
    words = told(run)
    assert "in their own colours" in words and "grey scale" not in words and "17 % of them lie beyond" in words


def test_images_of_one_channel_are_grey_whether_or_not_the_channel_is_there() -> None:
    ink = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    (with_channel,), (without,) = painted(one("a", "1x4x4", ink.unsqueeze(1))), painted(one("a", "4x4", ink))
    assert with_channel.ndim == 2
    np.testing.assert_array_equal(with_channel, without)
    assert "one grey scale" in told(one("a", "4x4", ink))


def test_large_images_lose_pixels_and_not_their_colours() -> None:
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    image = torch.cat([red.reshape(3, 1, 1).expand(3, 200, 100), blue.reshape(3, 1, 1).expand(3, 200, 100)], -1)
    (sheet,) = painted(one("a", "3x200x200", image.unsqueeze(0)))
    assert max(sheet.shape) < 70
    np.testing.assert_allclose(sheet[10, 10], 255 * red)
    np.testing.assert_allclose(sheet[10, -10], 255 * blue)


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RANDOM.random((9, 3, 4, 4)), (0, 1)),
        (1.2 * RANDOM.random((9, 3, 4, 4)) - 0.1, (0, 1)),
        (2 * RANDOM.random((9, 3, 4, 4)) - 1, (-1, 1)),
        (RANDOM.integers(0, 256, (9, 4, 4), dtype=np.uint8), (0, 255)),
        (RANDOM.integers(0, 2, (9, 4, 4), dtype=np.uint8), (0, 1)),
        (np.full((9, 4, 4), np.nan), (0, 1)),
    ],
)
def test_the_scale_is_the_range_that_images_usually_have(values: np.ndarray, expected: tuple[float, float]) -> None:
    assert brightness({"a": {0: values}}) == expected


def test_other_scales_hold_most_pixels_and_a_start_from_noise_changes_no_scale() -> None:
    noise, drawn = 3 * RANDOM.normal(size=(20, 3, 8, 8)), RANDOM.random((20, 3, 8, 8))
    low, high = brightness({"a": {0: noise}})
    assert np.mean((noise >= low) & (noise <= high)) == pytest.approx(0.96, abs=0.01)
    assert brightness({"a": {0: noise, 5: drawn}}) == (0, 1)


def test_images_are_sorted_by_label_so_that_rounds_show_the_same_in_the_same_places() -> None:
    run = made.painters()
    sheets = painted(run)
    assert len(sheets) == 2 * 4  # the start, and three rounds
    for line in (sheets[2::2], sheets[3::2]):
        hues = [(sheet[1 + 9 * (i // 4), 8 + 9 * (i % 4)] > 230) for sheet in line for i in range(16)]
        found = [int(np.flatnonzero((made.HUES.bool().numpy() == hue).all(1))[0]) for hue in hues]
        for at in (0, 16, 32):
            shown = found[at : at + 16]
            assert shown == sorted(shown) and min(np.bincount(shown)) >= 2 and max(np.bincount(shown)) == 3
    assert "sorted by label" in told(run)


def test_large_pictures_of_many_members_have_fewer_rounds_and_no_page_grows_without_end() -> None:
    noise = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    run = plain.ring(12, replicates=1)
    run.samples = {name: dict.fromkeys(range(0, 30, 3), noise) for name in run.members["member"]}
    (images,) = sections(run)
    assert len(images.blocks[-1].slides) == 3
    assert len(render(run)) < 2_900_000


def test_of_each_label_the_first_images_are_taken_in_their_order() -> None:
    classes = np.array([3, 1, 1, 3, 1, 2, 1])
    np.testing.assert_array_equal(arranged(np.arange(7), classes, 5), [1, 2, 5, 0, 3])
    np.testing.assert_array_equal(arranged(np.arange(7), classes, 9), [1, 2, 4, 6, 5, 0, 3])
    np.testing.assert_array_equal(arranged(np.arange(7), None, 3), [0, 1, 2])


def test_inputs_that_are_no_labels_leave_images_as_they_came() -> None:
    samples = torch.rand(4, 3, 4, 4)
    for inputs in (torch.rand(4), torch.zeros(4, 2, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)):
        assert labels(one("a", "3x4x4", samples, inputs), "a", 0) is None
    run = one("a", "3x4x4", samples, torch.tensor([2, 0, 1, 0]))
    np.testing.assert_array_equal(labels(run, "a", 0), [2, 0, 1, 0])


# -- choices -----------------------------------------------------------------------------------------------------------


def middles(run: Run) -> pd.DataFrame:
    """Medians of what users were shown and kept, by flow and round."""
    table = boxes(run.choices, run.flows, run.failures).assign(flow=lambda t: t["source"] + " → " + t["target"])
    return table.pivot(index=["flow", "round"], columns="side", values="middle")


def test_boxes_are_means_over_replicates_at_the_first_the_middle_and_the_last_round() -> None:
    found = middles(made.painters(replicates=3)).loc["cool → warm"]
    assert list(found.index) == [1, 11, 20]
    np.testing.assert_allclose(found["before"], 0.6)  # 0, 0.1 and 0.2 more in the replicates
    np.testing.assert_allclose(found["after"] - found["before"], [0.3, 0.3 - 0.2 * 10 / 19, 0.1])


def test_replicates_that_diverged_do_not_count() -> None:
    run = made.painters(replicates=2)
    error = pd.DataFrame([(0, 1, 9, "warm", "FloatingPointError: nan")], columns=plain.EMPTY["failures"])
    plain.put(run, failures=error)
    np.testing.assert_allclose(middles(run)["before"], 0.5)
    assert judged(run.sources, run.members, run.failures)["reward"].notna().all()


def test_rewards_that_are_not_finite_are_left_out() -> None:
    run = made.painters()
    run.choices.loc[run.choices["replicate"] == 1, "after"] = np.nan
    np.testing.assert_allclose(middles(run)["before"], 0.5)
    run.choices["after"] = np.nan
    assert middles(run).empty and "choices" not in Page(render(run)).ids("section")


def test_a_box_has_the_colour_of_the_member_whose_users_choose() -> None:
    run = made.painters()
    found = {row["flow"]: row["chooser"] for row in rows(Page(rendered("painters")).charts["choices-chart"])}
    assert found == {"cool → warm": "cool", "warm → warm": "warm", "warm → cool": "cool"}  # the last by its consumer
    run.flows["chosen_by"] = "own"
    assert {row["chooser"] for row in rows(Page(render(run)).charts["choices-chart"])} == {""}


def test_the_chart_writes_how_far_choice_lifts_the_median() -> None:
    spec = Page(rendered("painters")).charts["choices-chart"]
    lifts = {(row["flow"], row["round"]): row["lift"] for row in rows(spec) if row["side"] == "after"}
    assert lifts["cool → warm", 1] == pytest.approx(0.3) and lifts["cool → warm", 20] == pytest.approx(0.1)
    assert lifts["warm → cool", 1] == pytest.approx(-0.1)
    assert "Means over two replicates" in captions.choices(made.painters())


def test_of_many_flows_the_most_curated_are_shown() -> None:
    run = plain.ring(12, replicates=1)
    curated = run.flows[run.flows["curated"] > 0]
    run.flows.loc[curated.index, "curated"] = np.linspace(0.01, 0.24, len(curated))
    flows = {(row.source, row.target): (0.1, 0.1) for row in curated.itertuples()}
    plain.put(run, choices=made.choices(flows, [1, 5], 1))
    most = run.flows.nlargest(8, "curated")
    found = boxes(run.choices, run.flows, run.failures)
    assert set(zip(found["source"], found["target"], strict=True)) == set(
        zip(most["source"], most["target"], strict=True)
    )
    assert "the eight of 24 curated flows with the largest shares" in captions.choices(run)


# -- what they trained on ----------------------------------------------------------------------------------------------


def test_rewards_of_a_part_are_weighted_by_its_samples() -> None:
    run = made.painters()
    table = run.sources
    twice = table[(table["member"] == "cool") & (table["source"] == "real")].assign(born=0, count=60, reward=1.0)
    plain.put(run, sources=pd.concat([table, twice]))
    found = judged(run.sources, run.members).set_index(["member", "kind", "source", "round"])["reward"]
    assert found["cool", "real", "real", 1] == pytest.approx((20 * 0.31 + 60 * 1.0) / 80)
    assert found["cool", "curated", "warm", 1] == pytest.approx(0.11)
    assert found["warm", "raw", "cool", 20] == pytest.approx(0.3)


def test_members_without_taste_or_with_one_part_only_have_no_panel() -> None:
    run = made.painters()
    run.sources.loc[run.sources["member"] == "warm", "reward"] = np.nan
    assert set(judged(run.sources, run.members)["member"]) == {"cool"}
    plain.put(run, sources=run.sources[run.sources["source"] != "real"])
    assert judged(run.sources, run.members).empty
    assert "sources" not in Page(render(run)).ids("section")


def test_of_many_sources_the_largest_parts_are_drawn_and_the_caption_says_so() -> None:
    run = plain.ring(12, replicates=1)
    names = list(run.members["member"])
    parts = {(names[0], source, True): 0.1 for source in names[1:]} | {(names[0], "real", False): 0.2}
    table = made.sources(parts, [1, 2], 1)
    plain.put(run, sources=table.assign(count=[1 if s == "real" else 50 + names.index(s) for s in table["source"]]))
    assert set(judged(run.sources, run.members)["source"]) == {"real", *names[-4:]}
    assert "the four largest parts" in captions.sources(run)
    assert "largest parts" not in captions.sources(made.painters())


# -- texts -------------------------------------------------------------------------------------------------------------


def spoken(run: Run) -> dict[str, dict[str, list[list[str]]]]:
    """What the page shows of texts: by slide and table, a row a prompt."""
    (made_of,) = section(run)
    slides = dict(made_of.blocks[-1].slides)
    tables = {at: [block for block in blocks if hasattr(block, "columns")] for at, blocks in slides.items()}
    words = {at: {t.caption: [list(t.columns)] + [[c.text or c.small for c in r.cells] for r in t.rows] for t in found}
             for at, found in tables.items()}  # fmt: skip
    return words


def test_rows_are_prompts_and_what_was_said_at_first_stands_beside_a_round() -> None:
    shown = spoken(made.writers())
    assert list(shown) == ["start", "round 3", "round 6", "round 9", "round 12", "round 13"]
    summary, paraphrase = shown["round 12"], shown["round 12"]
    caption = "summary, whose prompts all begin with “Summarise the article in one sentence:”"
    assert caption not in summary and caption in shown["round 13"] and caption in shown["start"]
    columns, *found = shown["round 13"][caption]
    assert columns == ["Prompt", "start", "round 13"] and shown["start"][caption][0] == ["Prompt", "start"]
    assert len(found) == PROMPTS and found[0][1:] == ["It rained.", "Rain, rain, rain."]
    assert found[3] == ["… Bread is dearer than last year.", "Bread costs more.", "Bread."]
    assert shown["round 6"][caption][4][2] == "nothing"
    assert paraphrase["paraphrase"][0] == ["Prompt", "start", "round 12"]
    page = Page(rendered("writers"))
    assert "of another replicate" not in page.text and "asked only at the end" not in page.text
    assert "Not every prompt was asked at every round" in page.text and "not asked" in page.text


def test_texts_are_escaped_and_long_ones_fold_without_losing_anything() -> None:
    source, page = rendered("writers"), Page(rendered("writers"))
    assert "<script>alert" not in source and "<b>again" not in source and "<i>A" not in source
    assert "<script>alert('mayor')</script>" in page.text and "mayor <b>again</b> & the opposition" in page.text
    assert page.text.count("A letter was found. " * 30) == 3  # beside every round of the two that asked it
    folded = [tag for tag, a in page.tags if tag == "details" and a.get("class") == "folded"]
    assert len(folded) == 6  # the long article, the long answer, in each slide
    assert " ".join((made.PROMPT + made.ARTICLES[1]).split()) in " ".join(page.text.split())


def test_names_of_members_are_escaped_in_captions_figures_and_tables() -> None:
    run = plain.odd()
    hostile = str(run.members["member"][0])
    curated = run.flows[(run.flows["curated"] > 0) & (run.flows["source"] == hostile)]
    flows = {(str(row.source), str(row.target)): (0.1, 0.2) for row in curated.itertuples()}
    parts = {(hostile, hostile, True): 0.1, (hostile, "real", False): 0.2}
    said = pd.DataFrame([(0, 0, 0, hostile, "<p>ask</p>", "$\\frac{a$")], columns=made.writers().texts.columns)
    plain.put(run, choices=made.choices(flows, [1, 9]), sources=made.sources(parts, [1, 9]), texts=said)
    source = render(run)
    page = Page(source)
    assert {"choices", "sources", "texts"} <= set(page.ids("section"))
    assert "<script>alert" not in source and "<p>ask" not in source and "$\\frac{a$" in page.text


def test_texts_without_prompts_are_numbered() -> None:
    rows = [(0, 0, at, "a", "", f"text {i} of round {at}") for at in (0, 4) for i in range(6)]
    run = one("a", "8", torch.zeros(1, 8))
    plain.put(run, texts=pd.DataFrame(rows, columns=made.writers().texts.columns))
    shown = spoken(run)
    assert "prompt" not in Page(render(run)).text.partition("What they write")[2].partition("Run it again")[0]
    columns, *found = shown["round 4"]["a"]
    assert columns == ["Sample", "start", "round 4"]
    assert found[1] == ["number 2", "text 1 of round 0", "text 1 of round 4"]


def test_prompts_that_were_asked_most_often_come_first() -> None:
    rounds = [{"a": "", "b": ""}, {"c": "", "b": ""}, {"d": "", "e": ""}, {"b": "", "e": ""}]
    assert picked(rounds)[:2] == ["b", "e"]
    apart = [{f"{at} {i}": "" for i in range(9)} for at in range(3)]  # never the same: every round has its turn
    assert picked(apart) == ["0 0", "1 0", "2 0", "0 1"]


@given(st.text(max_size=400), st.integers(0, 30))
def test_a_shortened_text_is_short_and_nothing_of_it_is_lost(text: str, skipped: int) -> None:
    found = short(text, ANSWER, skipped)
    assert len(found.text) <= ANSWER + 3
    if not found.whole:
        assert found.text.removeprefix("… ").split() == text[skipped:].split()
    else:
        assert found.whole == text and found.text.endswith("…")
