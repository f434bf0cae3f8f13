"""The command line: what a user types, what comes back, and every way it can go wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ecosystem import Run
from ecosystem.cli import SHOWN, app, main
from ecosystem.cli.loading import ScenarioFileError, load_scenario, one_line, parse_settings
from tests.studies import PATIENCE

PAIR = '''"""Two members that read each other.

The rest of the story.
"""
import os
import signal
from pathlib import Path

import torch

from ecosystem import Flow, Member, Scenario
from ecosystem.curation import Tilt
from ecosystem.generators import Location
from ecosystem.rewards import Linear

HERE = Path(__file__).parent


def scenario(coupling: float = 0.5, curation: float = 0.4, rounds: int = 5, name: str = "pair") -> Scenario:
    (HERE / "built").touch()
    s = Scenario(name, rounds=rounds, samples=16)
    home = Location(torch.zeros(2), scale=0.2)
    s.add("theta", Member(home, reward=Linear(torch.ones(2)), curator=Tilt(), real=home))
    s.add("phi", Member(home, real=home))
    s.connect("phi", "theta", Flow(raw=0.9 - curation, curated=curation, chosen_by="consumer"))
    s.connect("theta", "phi", Flow(raw=coupling))
    return s
'''

# The same with a taste of its own, asked in every round: the place to press Ctrl-C from.
ASKING = PAIR.replace("Linear(torch.ones(2))", "taste").replace("Tilt()", "Luce(4)").replace("Tilt", "Luce")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line on stderr of a command that was refused with exit code 2."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return one_error(result.stderr)


def one_error(stderr: str) -> str:
    line, end, more = stderr.partition("\n")
    assert line.startswith("error: ")
    assert (end, more) == ("\n", "")
    return line


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    file = tmp_path / "pair.py"
    file.write_text(PAIR)
    return file


def write(folder: Path, text: str) -> Path:
    file = folder / "broken.py"
    file.write_text(text)
    return file


def asking(folder: Path, *deed: str) -> Path:
    """A scenario file whose taste does a deed when it is asked for the 40th time: in the midst of rounds."""
    lines = [
        "calls = 0",
        "",
        "",
        "def taste(x):",
        "    global calls",
        "    calls += 1",
        "    if calls == 40:",
    ]
    lines += [f"        {line}" for line in deed] + ["    return x.sum(-1)", "", "", ""]
    return write(folder, ASKING.replace("def scenario(", "\n".join(lines) + "def scenario("))


# The program


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert not stopped.value.code
        printed = capsys.readouterr().out
        assert all(command in printed for command in ("run", "describe", "report", "--version"))


def test_version() -> None:
    assert invoke("--version").stdout == "mesacosm 0.1.0\n"


def test_the_face_imports_nothing_heavy() -> None:
    code = "import sys, ecosystem.cli; print({'torch', 'mesa', 'pandas', 'matplotlib'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize("name", ["ecosystem", "ecosystem.cli"])
def test_the_package_is_the_command(name: str) -> None:
    asked = [sys.executable, "-X", "importtime", "-m", name, "--version"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert told.stdout == "mesacosm 0.1.0\n"
    assert not re.search(r"\| +(torch|mesa|pandas)$", told.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rum"], "'rum'"),
        (["run"], "FILE"),
        (["run", "x.py", "--colour", "red"], "--colour"),
        (["run", "x.py", "--rounds", "many"], "--rounds"),
        (["run", "x.py", "--rounds", "0"], "--rounds"),
        (["run", "x.py", "--samples", "-1"], "--samples"),
        (["run", "x.py", "--replicates", "0"], "--replicates"),
        (["run", "x.py", "--every", "0"], "--every"),
    ],
)
def test_usage_errors_are_one_line(arguments: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    line = one_error(capsys.readouterr().err)
    assert words in line
    assert "--help" in line


# Settings


def test_settings_are_python_literals_or_strings() -> None:
    texts = ["a=0.5", "b=ring", "c=[1, 2]", "d=True", "e='3'", "f=", "g= -1 ", "h=x=y", "i=None", "j=1e-3"]
    assert parse_settings(texts) == {
        "a": 0.5,
        "b": "ring",
        "c": [1, 2],
        "d": True,
        "e": "3",
        "f": "",
        "g": -1,
        "h": "x=y",
        "i": None,
        "j": 0.001,
    }


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text()))
def test_what_python_writes_is_read_back(value: object) -> None:
    assert parse_settings([f"name={value!r}"]) == {"name": value}


@pytest.mark.parametrize("text", ["coupling", "=0.5", "", "2x=3", "a b=1"])
def test_a_setting_without_name_or_value_is_refused(text: str, pair: Path) -> None:
    line = refused(invoke("run", pair, "--set", text))
    assert repr(text) in line
    assert "--set name=value" in line


def test_a_setting_given_twice_is_refused(pair: Path) -> None:
    line = refused(invoke("describe", pair, "--set", "coupling=1", "--set", "coupling=0.2"))
    assert "'coupling=0.2'" in line
    assert "set it once" in line


def test_an_unknown_setting_is_refused_with_the_known_ones(pair: Path) -> None:
    line = refused(invoke("run", pair, "--set", "couplin=1"))
    assert "no parameter 'couplin'" in line
    assert "coupling, curation, rounds, name" in line
    assert str(pair) in line


def test_a_scenario_may_take_any_name(tmp_path: Path) -> None:
    text = PAIR.replace("def scenario(", "def pair(") + "\n\ndef scenario(**others):\n    return pair(**others)\n"
    scenario, _ = load_scenario(write(tmp_path, text), {"name": "other"})
    assert scenario.name == "other"


# Scenario files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = 1 / 0\n", ["line 2", "ZeroDivisionError: division by zero"]),
        ("import no_such_module\n", ["line 1", "no_such_module"]),
        ("def scenario(:\n    pass\n", ["line 1", "SyntaxError"]),
        ("raise SystemExit(0)\n", ["line 1", "SystemExit"]),
        ("def scenario():\n    raise KeyError('no\\nsuch member')\n", ["line 2", "KeyError: no such member"]),
        ("def scenario():\n    int('x')\n    return 0\n", ["line 2", "ValueError"]),
        ("x = 1\n", ["no function scenario()", "define"]),
        ("scenario = 3\n", ["no function scenario()"]),
        ("def scenario():\n    return 3\n", ["returned int", "must return"]),
        ("def scenario(size):\n    pass\n", ["needs a value for 'size'", "--set size="]),
    ],
)
def test_a_broken_scenario_file_is_named_with_its_line(text: str, words: list[str], tmp_path: Path) -> None:
    file = write(tmp_path, text)
    for command in ("run", "describe"):
        line = refused(invoke(command, file))
        assert all(word in line for word in [str(file), *words]), line


def test_a_refused_scenario_is_named_with_its_line(pair: Path) -> None:
    line = refused(invoke("run", pair, "--set", "coupling=1.5"))
    number = next(n for n, text in enumerate(PAIR.splitlines(), 1) if "raw=coupling" in text)
    assert f"{pair}, line {number}" in line
    assert "1.5" in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    line = refused(invoke("run", tmp_path / "nowhere.py"))
    assert f"{tmp_path}/nowhere.py (No such file or directory)" in line
    assert "is a folder" in refused(invoke("describe", tmp_path))


def test_a_file_may_import_its_neighbour_and_leaves_no_byte_code(pair: Path) -> None:
    (pair.parent / "tastes_of_pair.py").write_text("NAME = 'from beside'\n")
    text = PAIR.replace("import torch\n", "import torch\nfrom tastes_of_pair import NAME\n", 1)
    pair.write_text(text.replace('"pair")', "NAME)"))
    scenario, description = load_scenario(pair)
    assert scenario.name == "from beside"
    assert description.startswith("Two members that read each other.")
    assert not list(pair.parent.glob("__pycache__/pair*"))


def test_a_traceback_comes_only_with_debug(tmp_path: Path) -> None:
    file = write(tmp_path, "def scenario():\n    return 1 / 0\n")
    result = invoke("run", file, "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "return 1 / 0" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


def test_one_line_of_anything() -> None:
    assert one_line(KeyError("a b")) == "a b"
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(RuntimeError()) == "RuntimeError"
    assert one_line(FileNotFoundError(2, "No such file", "x.py")) == "x.py: No such file"
    assert issubclass(ScenarioFileError, ValueError)


# Running


def test_run_shows_every_member(pair: Path) -> None:
    result = invoke("run", pair, "--replicates", 3)
    assert result.exit_code == 0, result.stderr
    assert all(word in result.stdout for word in ("theta", "phi", "0.4", "±", "pair: 5 of 5 rounds"))


def test_run_saves_what_was_asked_for(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "first"
    options = ("--rounds", 6, "--samples", 9, "--replicates", 2, "--seed", 7, "--every", 3)
    result = invoke("run", pair, "--set", "coupling=0.25", *options, "--out", out, "--no-report")
    assert result.exit_code == 0, result.stderr
    assert f"saved in {out}" in result.stdout
    assert not (out / "report.html").exists()
    run = Run.load(out)
    settings = run.settings
    assert (settings["rounds"], settings["samples"], settings["completed"]) == (6, 9, 6)
    assert settings["finished"]
    assert [list(seed) for seed in settings["seeds"]] == [[7, 0], [7, 1]]
    assert settings["parameters"] == {"coupling": 0.25}
    assert settings["file"] == str(pair)
    assert settings["description"].startswith("Two members")
    assert settings["seconds"] > 0
    assert sorted(set(run.rounds["round"])) == [0, 3, 6]
    assert float(run.flows.set_index("source").loc["theta", "raw"]) == 0.25


def test_zero_samples_are_the_population(pair: Path, tmp_path: Path) -> None:
    result = invoke("run", pair, "--samples", 0, "--out", tmp_path / "run", "--no-report")
    assert result.exit_code == 0, result.stderr
    assert Run.load(tmp_path / "run").settings["samples"] is None


@pytest.mark.filterwarnings("default")
def test_the_population_has_one_replicate_and_says_so(pair: Path) -> None:
    result = invoke("run", pair, "--samples", 0, "--replicates", 3)
    assert result.exit_code == 0, result.stderr
    assert "warning: scenario 'pair' runs on the population" in result.stderr
    assert ".py:" not in result.stderr


def test_run_writes_a_report_and_report_writes_it_again(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = invoke("run", pair, "--rounds", 2, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "theta" in (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert invoke("report", out).stdout == f"report in {out}/report.html\n"
    assert (out / "report.html").exists()
    assert invoke("report", out, "--out", tmp_path / "other.html").exit_code == 0
    assert (tmp_path / "other.html").exists()


def test_an_existing_folder_is_refused_before_anything_runs(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    line = refused(invoke("run", pair, "--out", out))
    assert str(out) in line
    assert "overwrite it" in line
    assert not (pair.parent / "built").exists()


def test_overwrite_replaces_a_run(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for rounds in (1, 2):
        result = invoke("run", pair, "--rounds", rounds, "--out", out, "--no-report", "--overwrite")
        assert result.exit_code == 0, result.stderr
        assert Run.load(out).settings["rounds"] == rounds


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(pair: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refused(invoke("run", pair, "--out", tmp_path / "file" / "run"))
    assert "cannot be written" in line
    assert str(tmp_path / "file") in line
    assert not (pair.parent / "built").exists()


def test_a_replicate_that_diverges_is_told(pair: Path) -> None:
    text = PAIR.replace("Flow(raw=coupling)", "Flow(raw=coupling, transform=lambda x: x * float('nan'))")
    pair.write_text(text)
    result = invoke("run", pair)
    assert result.exit_code == 0, result.stderr
    assert "diverged: phi (seed 0, replicate 0, round 1)" in result.stdout


def test_a_file_that_raises_in_the_midst_of_rounds_is_named_with_its_line(tmp_path: Path) -> None:
    file = asking(tmp_path, "raise RuntimeError('no taste today')")
    result = invoke("run", file, "--rounds", 1000)
    number = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "no taste today" in text)
    told = "the reward taste fails: RuntimeError: no taste today"
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"error: {file}, line {number}: ValueError: {told}"


def test_report_of_no_run_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refused(invoke("report", tmp_path / "nowhere"))
    assert str(tmp_path) in refused(invoke("report", tmp_path))


# Describing


def test_describe_shows_members_flows_and_graph(pair: Path) -> None:
    result = invoke("describe", pair, "--set", "curation=0.3")
    assert result.exit_code == 0, result.stderr
    shown = (
        "Two members that read each other.",
        "theta",
        "Location",
        "0.3",
        "consumer",
        "five rounds",
        "16 samples",
    )
    assert all(word in result.stdout for word in shown)
    assert "two members, two flows" in result.stdout
    assert "one strongly connected component, the largest of size 2" in result.stdout
    assert "with cycles (no self-loops)" in result.stdout
    assert "The rest of the story" not in result.stdout


def test_describe_shortens_a_long_table(tmp_path: Path) -> None:
    text = """
import torch
from ecosystem import Member, Scenario
from ecosystem.generators import Location

def scenario():
    s = Scenario("many", rounds=1)
    for i in range(60):
        s.add(f"member {i}", Member(Location(torch.zeros(1), scale=1.0), real=Location(torch.zeros(1), scale=1.0)))
    return s
"""
    result = invoke("describe", write(tmp_path, text))
    assert result.exit_code == 0, result.stderr
    assert f"{SHOWN} of 60 rows" in result.stdout
    assert "member 59" in result.stdout
    assert "member 30" not in result.stdout
    assert "no cycles" in result.stdout


# Ctrl-C


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_keeps_what_was_recorded(presses: int, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "run"
    file = asking(tmp_path, *["signal.raise_signal(signal.SIGINT)"] * presses)
    result = invoke("run", file, "--rounds", 1000, "--out", out)
    assert result.exit_code == 130, result.output
    run = Run.load(out)
    completed = run.settings["completed"]
    assert 0 < completed < 1000
    assert not run.settings["finished"]
    assert run.rounds["round"].max() <= completed
    assert f"interrupted after {completed} of 1000 rounds" in result.stderr
    assert f"saved in {out}" in result.stdout
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_the_first_round(tmp_path: Path) -> None:
    file = write(tmp_path, "def scenario():\n    raise KeyboardInterrupt\n")
    result = invoke("run", file, "--out", tmp_path / "run")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT between processes")
def test_ctrl_c_from_another_process(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    file = asking(tmp_path, "(HERE / 'running').touch()")
    command = [
        sys.executable,
        "-m",
        "ecosystem.cli",
        "run",
        str(file),
        "--rounds",
        "1000000",
        "--out",
        str(out),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "running").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stderr
    settings = Run.load(out).settings
    assert settings["command"] == f"ecosystem run {file} --rounds 1000000 --out {out}"
    assert f"interrupted after {settings['completed']} of 1000000 rounds" in stderr
    assert "Traceback" not in stderr
