"""What every test runs under: one torch thread (bits are promised for one thread count, and tests run side by side)."""

import signal

import pytest
import torch

from ecosystem.influence import continuum, linear_round, resolvent, spectra

torch.set_num_threads(1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell: nobody hears Ctrl-C,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # and what tests start would inherit that


@pytest.fixture(params=["dense", "sparse", "products"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The three forms in which ``B`` may be had; small networks made to take those of large ones."""
    if request.param != "dense":
        for module in (resolvent, spectra, linear_round, continuum):
            monkeypatch.setattr(module, "DENSE", 0)
    if request.param == "products":
        monkeypatch.setattr(resolvent, "_SPARSE", -1)
    return request.param
