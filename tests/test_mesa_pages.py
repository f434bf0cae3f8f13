"""Mesa's pages (Solara) show an ecosystem: rendered without a browser, with the numbers of its tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mesa
import pytest

from ecosystem import Ecosystem, Flow, Leave, Member, Scenario
from ecosystem.curation import Tilt
from ecosystem.generators import Location
from ecosystem.rewards import Quadratic

solara = pytest.importorskip("solara", reason="the extra ui")
pytestmark = [  # of the libraries behind the page
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*use_state.*:UserWarning"),
]


def pair(curation: float = 0.4) -> Scenario:
    s = Scenario("pair", rounds=3, samples=8)
    taste: dict[str, Any] = {"reward": Quadratic([1.0], 0.1), "curator": Tilt()}
    for name, mean in (("a", 1.0), ("b", -1.0), ("c", 0.0)):
        s.add(name, Member(Location([mean]), real=Location([0.0]), **taste))
    s.connect("b", "a", Flow(raw=0.5 - curation / 2, curated=curation))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("a", "a", Flow(raw=0.1))
    s.at(3, Leave("c"))
    return s


class Shown(Ecosystem):
    """As Mesa's models are: it collects at the start and after every step."""

    def __init__(self, curation: float = 0.4) -> None:
        super().__init__(pair(curation))
        reporters = {name: lambda m, name=name: float(m[name].alignment) for name in "ab"}
        self.datacollector = mesa.DataCollector(reporters)
        self.datacollector.collect(self)

    def step(self) -> None:
        super().step()
        self.datacollector.collect(self)


def rendered(page: Callable[[], Any]) -> Any:
    """A page of Mesa's, without a browser; its controls stand in the frame of an app."""

    @solara.component
    def Page() -> None:
        with solara.AppLayout():
            page()

    return solara.render(Page(), handle_error=False)[1]


def buttons(found: Any) -> dict[str, Any]:
    import ipyvuetify as v

    return {str(button.children[0]): button for button in found.find(v.Btn).widgets if button.children}


def test_a_page_plays_rounds_and_shows_the_numbers_of_the_tables() -> None:
    from mesa.visualization import Slider, SolaraViz, make_plot_component, make_space_component
    from mesa.visualization.components import AgentPortrayalStyle

    plots: list[Any] = []
    spaces: list[Any] = []
    drawn: list[list[str]] = []

    def portrayed(agent: Any) -> AgentPortrayalStyle:
        drawn[-1].append(agent.name) if drawn else drawn.append([agent.name])
        return AgentPortrayalStyle(color="red", size=50 + 10 * float(agent.curation))

    eco = Shown()
    components = [
        make_space_component(portrayed, post_process=spaces.append),
        make_plot_component(["a", "b"], post_process=plots.append),
    ]
    slider = Slider("curation", 0.4, 0.0, 0.8, 0.1)
    found = rendered(lambda: SolaraViz(eco, components=components, model_params={"curation": slider}))
    step = buttons(found)["Step"]
    assert len(spaces[-1].collections[0].get_offsets()) == 3
    for rounds in range(1, 4):
        drawn.append([])
        step.click()
        assert eco.completed == rounds == eco.steps
        table = eco.result().rounds.pivot(index="round", columns="member", values="alignment")
        for line in plots[-1].lines:
            assert list(line.get_ydata()) == table[line.get_label()].tolist()
    assert drawn[-1][-2:] == ["a", "b"] and len(spaces[-1].collections[0].get_offsets()) == 2
    assert buttons(found)["Step"].disabled  # there are no rounds left
    buttons(found)["Reset"].click()
    assert not buttons(found)["Step"].disabled and len(plots[-1].lines[0].get_ydata()) == 1
    found.close()


def test_a_scenario_can_be_shown_without_a_class_of_ones_own() -> None:
    from mesa.visualization import SolaraViz, SpaceRenderer, make_space_component
    from mesa.visualization.components import AgentPortrayalStyle

    eco = Ecosystem(pair())
    renderer = SpaceRenderer(eco, backend="matplotlib")  # Mesa 3.3's other one cannot read the texts of pandas 3
    renderer.draw_agents(lambda agent: AgentPortrayalStyle(color="blue", size=30))
    renderer.draw_structure()
    components = [make_space_component(lambda agent: AgentPortrayalStyle())]
    given = {"scenarios": pair(), "seeds": (3,)}
    found = rendered(lambda: SolaraViz(eco, renderer, components, model_params=given))
    buttons(found)["Step"].click()
    assert eco.completed == 1
    buttons(found)["Reset"].click()
    buttons(found)["Step"].click()
    assert eco.completed == 1 and not buttons(found)["Step"].disabled  # another one plays now
    found.close()
