"""What every test runs under: one torch thread (bits are promised for one thread count, and tests run side by side)."""

import os
import signal

import hypothesis
import pytest
import torch

from ecosystem.influence import continuum, linear_round, resolvent, spectra

torch.set_num_threads(1)

# The suite asks the same questions each time, so that a failure is of what was changed; `make fuzz` asks new ones.
hypothesis.settings.register_profile("same", derandomize=True, print_blob=True)
hypothesis.settings.register_profile("search", print_blob=True)
hypothesis.settings.load_profile("same")

os.fsync = os.fstat  # nobody pulls the plug of a test: to wait for the disk 10 ms a file proves nothing

collect_ignore = ["far.py"]  # it makes a device, which a process can do but once: by the name tests.far

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell: nobody hears Ctrl-C,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and what tests start would inherit that


# Modules that run in one worker, by what they share and would else make once in each: studies, runs and pages computed
# for a whole module, or libraries that take ten seconds to import. Groups go first: none is left at the end.
TOGETHER = {
    "language": ("codecs", "language", "language_bases", "preferences", "scenarios_language", "weights_back"),
    "images": ("cifar", "diffusion", "gallery_images", "image_flow", "rewards_images"),
    **{
        name: (name,)
        for name in (
            *("cli_compare", "influence_of", "plots_influence", "plots_study", "report", "report_generators"),
            *("report_influence", "report_page", "report_study", "study_damage", "study_failures", "study_store"),
        )
    },
}
GROUPS = {f"test_{module}": group for group, modules in TOGETHER.items() for module in modules}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if group := GROUPS.get(item.path.stem):
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(params=["dense", "sparse", "products"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The three forms in which ``B`` may be had; small networks made to take those of large ones."""
    if request.param != "dense":
        for module in (resolvent, spectra, linear_round, continuum):
            monkeypatch.setattr(module, "DENSE", 0)
    if request.param == "products":
        monkeypatch.setattr(resolvent, "_SPARSE", -1)
    return request.param
