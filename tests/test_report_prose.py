"""What a scenario says of itself, on its page: its docstring's paragraphs, lists, code and stress, nothing else."""

from __future__ import annotations

from ecosystem import Location, Member, Scenario
from ecosystem.report import render

SAID = """Who likes ``bold`` strokes, 3 < 4?

    What comes out: six flips take it from 1.34 to
    1.13; by ``gap`` they take it to
    1.20, and its users are *happier*; a_b and c_d, 2 * 3 * 4.

        ecosystem run scenarios/pair.py --set x=1
        ecosystem influence scenarios/pair.py

    - one thing
    - another

    # No heading, <script>alert(1)</script>, [no link](javascript:alert(1)), ![no image](http://x.y/z.png),
    <https://x.y>, &lt; as it is written, \\* too.
    """


def page(words: str) -> str:
    s = Scenario("said", rounds=1, samples=2)
    s.add("a", Member(Location([0.0]), real=Location([0.0])))
    run = s.run()
    run.settings["description"] = words  # of a scenario file it is the docstring
    html = render(run)
    return html[html.index("<main") : html.index("</main>")]


def test_a_docstring_is_read_as_one() -> None:
    html = page(SAID)
    lead, about = html.split('id="about"')
    assert "<p>Who likes <code>bold</code> strokes, 3 &lt; 4?</p>" in lead
    for words in (
        "from 1.34 to\n1.13; by <code>gap</code> they",
        "<em>happier</em>; a_b and c_d, 2 * 3 * 4.",
        "<pre><code>ecosystem run scenarios/pair.py --set x=1\necosystem influence scenarios/pair.py\n</code></pre>",
        "<li>one thing</li>\n<li>another</li>",
        "# No heading, &lt;script&gt;alert(1)&lt;/script&gt;, [no link](javascript:alert(1)), ![no image]",
        "&lt;https://x.y&gt;, &amp;lt; as it is written, \\* too.",
    ):
        assert words in about, words


def test_two_colons_before_code_are_one() -> None:
    html = page("Made by::\n\n    one::two\n\nAgain so::\n\n        ::\n\nAnd std::\n\nnot indented; a::b.")
    for words in ("Made by:</p>", "<code>one::two\n", "Again so:</p>", "And std::</p>", "a::b."):
        assert words in html, words


def test_one_paragraph_or_none_has_no_section() -> None:
    for words in ("", "One line.", "One\nparagraph."):
        assert "More about this scenario" not in page(words)
