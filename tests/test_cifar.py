"""The image experiment on a CIFAR-10 of random pixels, written in the layout of the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ecosystem import HoldThenDecay, Luce, Record
from scenarios import cifar
from scenarios.tinted_digits import SETTINGS

SMALL = {
    "rounds": 2,
    "samples": 12,
    "steps": 2,
    "hold": 1,
    "pretraining": 2,
    "candidates": 2,
    "images": 30,
    "batch_size": 4,
    "channels": (4, 8),
    "layers_per_block": 1,
    "timesteps": 10,
    "sampling_steps": 2,
    "device": "cpu",
}


def written(folder: Path, images: int = 20, files: int = 2) -> str:
    """A folder with the binary version of a small CIFAR-10; its pixels and labels are random."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(1, files + 1):
        rows = rng.integers(0, 256, (images, cifar.ROW), dtype=np.uint8)
        rows[:, 0] = rng.integers(0, 10, images)
        rows.tofile(folder / f"data_batch_{number}.bin")
    return str(folder)


# -- the data ----------------------------------------------------------------------------------------------------------


def test_images_are_read_as_they_lie(tmp_path: Path) -> None:
    """A row is a label, then 1,024 red, 1,024 green and 1,024 blue bytes, each row by row."""
    row = np.zeros(cifar.ROW, np.uint8)
    row[0], row[1 + 5], row[1 + 1024 + 32], row[1 + 2048 + 1023] = 7, 255, 51, 102
    (tmp_path / "data_batch_1.bin").write_bytes(row.tobytes())
    data = cifar.real_images(str(tmp_path), 5)
    assert data.inputs.tolist() == [7] and data.shape == (1, 3, 32, 32) and data.dtype == torch.float32
    assert data.outputs[0, 0, 0, 5] == 1.0 and data.outputs.count_nonzero() == 3
    assert data.outputs[0, 1, 1, 0].item() == pytest.approx(0.2)
    assert data.outputs[0, 2, 31, 31].item() == pytest.approx(0.4)


def test_the_first_images_of_the_files_in_order(tmp_path: Path) -> None:
    folder = written(tmp_path)
    data = cifar.real_images(folder, 25)
    raw = b"".join((tmp_path / f"data_batch_{i}.bin").read_bytes() for i in (1, 2))
    rows = np.frombuffer(raw, np.uint8).reshape(-1, cifar.ROW)
    assert len(data) == 25 and data.inputs.tolist() == rows[:25, 0].tolist()
    assert torch.equal((data.outputs * 255).round().byte().flatten(1), torch.tensor(rows[:25, 1:]))


def test_a_folder_without_the_binary_version_is_refused(tmp_path: Path) -> None:
    download = r"download the binary version, cifar-10-binary.tar.gz, from .* unpack it, so that .*/data_batch_1.bin"
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path}/none' has no CIFAR-10; {download}"):
        cifar.scenario(folder=f"{tmp_path}/none")
    (tmp_path / "data_batch_1").write_bytes(b"a pickle")
    with pytest.raises(FileNotFoundError, match=f"holds the Python version .* not read; {download}"):
        cifar.scenario(folder=str(tmp_path))


def test_files_of_another_layout_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "data_batch_1.bin"
    file.write_bytes(bytes(3074))  # CIFAR-100 has two labels
    with pytest.raises(ValueError, match=r"has 3,074 bytes, no whole number of images of 3,073 bytes; download"):
        cifar.real_images(str(tmp_path), 10)
    file.write_bytes(bytes([200]) * 3073)
    with pytest.raises(ValueError, match="has labels up to 200; CIFAR-10 has 0 to 9"):
        cifar.real_images(str(tmp_path), 11)


# -- the scenario ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_diets_are_those_of_the_table(setting: str, tmp_path: Path) -> None:
    """Half real, half curated; ``curation`` is ``theta``'s alone, and nothing else changes with it."""
    folder, (c_theta, c_phi) = written(tmp_path), SETTINGS[setting]
    for level in (0.5, 0.6):
        s = cifar.scenario(setting, level, folder, **SMALL)
        assert s.curation("theta") == pytest.approx(level) and s.curation("phi") == pytest.approx(0.5)
        shares = {(u, v): f.curated for v in ("theta", "phi") for u, f in s.incoming(v).items()}
        expected = {
            ("phi", "theta"): level * c_theta,
            ("theta", "theta"): level * (1 - c_theta),
            ("theta", "phi"): 0.5 * c_phi,
            ("phi", "phi"): 0.5 * (1 - c_phi),
        }
        assert shares == pytest.approx({flow: share for flow, share in expected.items() if share})
        flows = [f for v in ("theta", "phi") for f in s.incoming(v).values()]
        assert all(f.raw == 0 and f.chosen_by == "producer" for f in flows)


def test_both_start_from_one_model_trained_on_real_images(tmp_path: Path) -> None:
    folder = written(tmp_path)
    s = cifar.scenario(folder=folder, **SMALL)
    theta, phi = (s.member(name).generator.state_dict() for name in ("theta", "phi"))
    fresh = cifar.scenario(folder=folder, **{**SMALL, "pretraining": 0}).member("phi").generator.state_dict()
    assert all(torch.equal(theta[name], phi[name]) for name in theta)
    assert any(not torch.equal(theta[name], fresh[name]) for name in theta)
    assert s.member("theta").generator.retrainings == 0  # rates are held from the first round of the ecosystem
    cifar.scenario(folder=folder, **SMALL)
    assert cifar.pretrained.cache_info().hits >= 1
    assert repr(s.member("theta").curator) == repr(s.member("phi").curator) == repr(Luce(2))


def test_images_and_tastes_go_through_the_rounds(tmp_path: Path) -> None:
    s = cifar.scenario("A2", folder=written(tmp_path), **SMALL)
    plan = s.member("theta").generator.training_plan
    assert plan.decay == HoldThenDecay(1) and plan.precision == torch.float32
    run, again = (s.run(seed=0, record=Record(judged=8)) for _ in range(2))
    assert run.failures.empty and run.rounds["round"].max() == 2 and run.rounds.equals(again.rounds)
    after = run.rounds[run.rounds["round"] > 0].set_index(["member", "round"])
    assert after["alignment"].notna().all() and after["alignment"].nunique() == 4
    assert len(run.flows) and set(run.flows["target"]) == {"theta", "phi"}


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scenario\(setting\) is one of A1, .*, B3, got 'C1'"):
        cifar.scenario("C1")
    with pytest.raises(ValueError, match=r"scenario\(precision\) is 'float32' or 'bfloat16', got 'half'"):
        cifar.scenario(folder=written(tmp_path), precision="half")


def test_the_learning_rate_can_stay(tmp_path: Path) -> None:
    s = cifar.scenario(folder=written(tmp_path), **{**SMALL, "hold": None})
    assert s.member("phi").generator.training_plan.decay is None
