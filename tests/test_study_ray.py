"""Studies on Ray: one that is started for them, and a cluster of nodes on this machine whose workers and nodes die."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ecosystem import Flow, Linear, Location, Luce, Member, Scenario
from ecosystem.running.run import Run
from ecosystem.running.variants import versions
from ecosystem.study import Local, Progress, Ray, Results, Study
from ecosystem.study.engines.places import Places
from tests.studies import comes, runs

pytestmark = pytest.mark.xdist_group("ray")  # with --dist loadgroup there is one cluster, not one for each test worker

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}


def pair(share: float) -> Scenario:
    s = Scenario("pair", rounds=3, samples=4)
    taste = Linear([1.0, 0.5])
    s.add("writer", Member(Location([0.0, 0.0]), reward=taste, curator=Luce(3), real=Location([0.0, 0.0])))
    s.add("reader", Member(Location([0.0, 0.0]), reward=taste, real=Location([0.0, 0.0])))
    s.connect("writer", "writer", Flow(curated=share))
    s.connect("writer", "reader", Flow(raw=share))
    return s


def study(points: int, *measures: Any) -> Study:
    """Blocks of one point each, with the shares 1 %, 2 %, ..."""
    shares = [n / 100 for n in range(1, points + 1)]
    return Study("pair", pair, grid={"share": shares}, seeds=2, measure=["rounds", "members", *measures], block=1)


def percent(run: Run) -> int:
    """Which point it is, counted from 1."""
    return round(100 * run.settings["parameters"]["share"])


def where(run: Run) -> pd.DataFrame:
    """By whom a block is computed, and when."""
    import ray

    context, begin = ray.get_runtime_context(), time.time()
    time.sleep(0.3)
    row = {
        "node": context.get_node_id(),
        "gpus": str(ray.get_gpu_ids()),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        "process": os.getpid(),
        "parent": os.getppid(),
        "threads": f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {os.environ['MKL_NUM_THREADS']}",
        "begin": begin,
        "end": time.time(),
    }
    return pd.DataFrame([row])


def marked(folder: Path, then: Callable[[int], object]) -> Callable[[Run], pd.DataFrame]:
    """A measure that leaves a file ``point-node-process-how often`` when it begins, and then does something."""

    def begun(run: Run) -> pd.DataFrame:
        import ray

        point = percent(run)
        times = len(list(folder.glob(f"{point}-*")))
        (folder / f"{point}-{ray.get_runtime_context().get_node_id()}-{os.getpid()}-{times}").touch()
        then(point)
        return pd.DataFrame([{"begun": True}])

    return begun


def meeting(folder: Path) -> Callable[[int], object]:
    """What makes the first block wait for another one beside it."""
    return lambda _: comes(lambda: len(list(folder.iterdir())) > 1)


def marks(folder: Path) -> pd.DataFrame:
    """The files that :func:`marked` has left."""
    names = [path.name.split("-") for path in folder.iterdir()]
    return pd.DataFrame(names, columns=["point", "node", "process", "times"]).astype({"point": int, "process": int})


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def alone(points: int, folder: Path) -> Results:
    """The same study in this process."""
    return study(points).run(folder, engine=Local(workers=0))


def assert_same(found: Results, other: Results) -> None:
    """Equal tables, equal to the byte on disk."""
    pd.testing.assert_frame_equal(found.points, other.points, check_exact=True)
    for table in ("rounds", "members", "failures"):
        pd.testing.assert_frame_equal(found[table], other[table], check_exact=True)
        assert files(found, table) == files(other, table)


def files(results: Results, table: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (results.folder / "tables" / table).iterdir()}


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """Where blocks leave their marks."""
    (tmp_path / "begun").mkdir()
    return tmp_path / "begun"


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray, with a folder of its own for its files; shut down at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a short path: there are sockets in it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("OMP_NUM_THREADS", "2")  # what nodes may have, and workers must not
        try:
            yield ray
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(ray: Any) -> Iterator[Any]:
    """Two nodes with a core each, and what passes for a GPU on the second."""
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    try:
        nodes.add_node(**NODE, _system_config=HEALTH)
        nodes.add_node(**NODE, num_gpus=1)
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


@pytest.fixture(scope="module")
def connected(ray: Any, cluster: Any) -> Iterator[Any]:
    """Ray, initialised by the user."""
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


# -- without a cluster -----------------------------------------------------------------------------------------------


def listening() -> set[str]:
    """The addresses, in the system's hexadecimal, that processes of Ray below this one listen on."""
    owners, above = {}, {}
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            name, _, rest = (path.parents[1] / "stat").read_text().rpartition(")")
            above[path.parts[2]] = rest.split()[1]
            owners[os.readlink(path)] = path.parts[2], name
        except OSError:  # it has just ended
            continue

    def ours(process: str) -> bool:
        return process == str(os.getpid()) or (process in above and ours(above[process]))

    owners = {socket: name for socket, (process, name) in owners.items() if ours(process)}
    found = set()
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            address, state, inode = (line.split()[i] for i in (1, 3, 9))
            owner = owners.get(f"socket:[{inode}]", "")
            if state == "0A" and ("ray" in owner or "gcs_server" in owner):
                found.add(address.split(":")[0])
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not show who listens")
def test_a_ray_that_is_started_here_listens_here_alone(tmp_path: Path) -> None:
    """It listened on all interfaces: whoever reached the machine could have run code on it. (Before other clusters.)"""
    before, seen = listening(), []
    study(2).run(tmp_path, engine=Ray(workers=1), progress=lambda _: seen.append(listening()))
    new = set.union(*seen) - before
    assert new and all(address.endswith("0100007F") or address == "1".rjust(32, "0") for address in new), new


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": 6379}, "address"),
        ({"address": ""}, "address"),
        ({"num_cpus": -1}, "num_cpus"),
        ({"num_cpus": "two"}, "num_cpus"),
        ({"num_gpus": float("nan")}, "num_gpus"),
        ({"num_gpus": 1.5}, "shares one GPU"),
        ({"workers": 0}, "workers"),
        ({"workers": 2.0}, "workers"),
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"node": 2}, "node"),
    ],
)
def test_bad_arguments(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^Ray\(.*{said}"):
        Ray(**given)


def test_ray_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'mesacosm\[ray\]'"):
        study(1).run(tmp_path, engine="ray")


def test_nobody_at_the_address(ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    asked, init = [], ray.init

    def seen(address: str, **settings: Any) -> Any:
        asked.append(address)
        return init(address=address, **settings)

    monkeypatch.setattr(ray, "init", seen)
    for address in (closed, "nonsense"):
        with pytest.raises(ConnectionError, match=rf"'{address}'.*no cluster.*ray start --head"):
            study(1).run(tmp_path, engine=Ray(address))
    monkeypatch.setenv("RAY_ADDRESS", closed)
    with pytest.raises(ConnectionError, match=closed):
        study(1).run(tmp_path, engine="ray")
    assert closed not in asked  # Ray itself would ask for minutes
    assert not ray.is_initialized()


def test_by_name_it_starts_a_ray_and_leaves_none(
    ray: Any, tmp_path: Path, begun: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of its workers dies over a block, and the block is tried again."""
    handler = signal.getsignal(signal.SIGTERM)

    def once(point: int) -> None:
        if point == 2 and len(list(begun.glob("2-*"))) == 1:
            die()

    found = study(6, where, marked(begun, once)).run(tmp_path / "ray", engine="ray", workers=2)
    out, err = capfd.readouterr()
    assert out == "" and "raylet" not in err
    assert_same(found, alone(6, tmp_path / "alone"))
    assert marks(begun).query("point == 2")["process"].nunique() == 2
    assert found.where["parent"].nunique() == 1
    assert set(found.where["threads"]) == {"1 1 1"}
    assert not ray.is_initialized()
    processes = {*found.where["process"], *found.where["parent"]}
    assert comes(lambda: not any(map(runs, processes)))
    assert signal.getsignal(signal.SIGTERM) is handler


# -- on a cluster ----------------------------------------------------------------------------------------------------


def test_a_cluster_by_its_address(ray: Any, cluster: Any, tmp_path: Path, begun: Path) -> None:
    found = study(6, marked(begun, meeting(begun)), where).run(tmp_path / "ray", engine=Ray(cluster.address))
    assert_same(found, alone(6, tmp_path / "alone"))
    assert set(found.where["node"]) == {node.node_id for node in cluster.list_all_nodes()}
    assert set(found.where["threads"]) == {"1 1 1"}  # not what the nodes have
    assert not ray.is_initialized()
    assert len(cluster.global_state._live_node_ids()) == 2


def test_a_ray_that_is_there_is_used_and_stays(connected: Any, cluster: Any, tmp_path: Path) -> None:
    for engine, said in ((Ray("elsewhere:6379"), "initialised Ray already, at"), (Ray(runtime_env={"pip": []}), "")):
        with pytest.raises(ValueError, match=f"this process has {said}"):
            study(1).run(tmp_path, engine=engine)
    study(1).run(tmp_path, engine=Ray(cluster.address))
    assert connected.is_initialized()


def test_stopped_it_leaves_the_rest_to_another_engine(connected: Any, tmp_path: Path) -> None:
    asked, ahead = [], []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 5

    def progress(now: Progress) -> None:
        ahead.append(len(asked) - now.finished)

    found = study(10).run(tmp_path / "ray", engine=Ray(workers=2), stop=stop, progress=progress)
    assert found.progress().done == 5
    assert max(ahead) == 1  # the other block that is under way: none is asked for before a worker is free
    found = study(10).run(tmp_path / "ray", engine=Local(workers=0))
    assert_same(found, alone(10, tmp_path / "alone"))


def test_blocks_share_a_gpu(connected: Any, tmp_path: Path, begun: Path) -> None:
    engine = Ray(num_cpus=0.5, num_gpus=0.5)
    found = study(8, marked(begun, meeting(begun)), where).run(tmp_path / "ray", engine=engine).where
    assert set(found["gpus"]) in ({"[0]"}, {"['0']"})
    assert found["node"].nunique() == 1
    together = [((found["begin"] <= t) & (found["end"] > t)).sum() for t in found["begin"]]
    assert max(together) == 2
    assert found["process"].nunique() <= 4  # they are not started again for each block


@pytest.fixture
def large(connected: Any, cluster: Any) -> Iterator[str]:
    """A third node for a while, with four cores and what passes for two GPUs; its name."""
    node = cluster.add_node(**{**NODE, "num_cpus": 4}, num_gpus=2)
    cluster.wait_for_nodes()
    yield node.node_id
    cluster.remove_node(node)


def most_together(found: pd.DataFrame, column: str) -> int:
    """The most blocks that were computed at once with the same value in a column."""
    groups = [group for _, group in found.groupby(column)]
    return max(int(((g["begin"] <= t) & (g["end"] > t)).sum()) for g in groups for t in g["begin"])


def test_fractions_are_kept_on_nodes_with_several_gpus(large: str, tmp_path: Path, begun: Path) -> None:
    """Two share each GPU of three, never three; each sees one GPU, by the variable that CUDA reads."""
    engine = Ray(num_cpus=0.1, num_gpus=0.5)
    found = study(8, marked(begun, meeting(begun)), where).run(tmp_path / "ray", engine=engine).where
    assert set(found["visible"]) <= {"0", "1"}
    assert all(gpu in ids for gpu, ids in zip(found["visible"], found["gpus"], strict=True))
    found["gpu"] = found["node"] + found["visible"]
    assert 1 <= most_together(found, "gpu") <= 2


def test_a_block_has_a_node_for_itself(large: str, connected: Any, tmp_path: Path, begun: Path) -> None:
    """With all its GPUs; what others ask of the node waits, and other blocks go to other nodes meanwhile."""

    @connected.remote(num_cpus=0.1, num_gpus=0.1)
    def guest() -> tuple[str, float, float]:
        import ray

        begin = time.time()
        time.sleep(0.05)
        return ray.get_runtime_context().get_node_id(), begin, time.time()

    guests: list[Any] = []

    def progress(_: Progress) -> None:
        guests.append(guest.remote())

    watched = study(5, marked(begun, meeting(begun)), where)
    found = watched.run(tmp_path / "ray", engine=Ray(node=True), progress=progress)
    assert_same(found, alone(5, tmp_path / "alone"))
    table = found.where
    assert table["node"].nunique() >= 2 and most_together(table, "node") == 1
    seen = dict(zip(table["node"], table["visible"], strict=True))
    assert large not in seen or seen[large] in ("0,1", "1,0")
    assert {*seen.values()} <= {"", "0", "0,1", "1,0"}
    for node, begin, end in connected.get(guests):
        mine = table[table["node"] == node]
        assert not ((mine["begin"] < end) & (mine["end"] > begin)).any()


def test_whole_nodes_with_what_they_must_have(large: str, tmp_path: Path) -> None:
    found = study(3, where).run(tmp_path / "ray", engine=Ray(node=True, num_cpus=3, num_gpus=2)).where
    assert set(found["node"]) == {large} and most_together(found, "node") == 1


def test_points_that_need_different_things_share_a_folder(large: str, tmp_path: Path) -> None:
    """Small points first, then those that need a node: the folder holds them all, as if one engine had made them."""
    study(2, where).run(tmp_path / "ray", engine=Ray(num_cpus=0.5))
    found = study(4, where).run(tmp_path / "ray", engine=Ray(node=True, num_gpus=1))
    assert_same(found, alone(4, tmp_path / "alone"))
    assert all(found.where.query("point > 1")["visible"] != "")


def test_whole_nodes_wait_for_one(connected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no node fits yet, blocks are not given up, nor is the study taken for ended."""
    count, looks = Places.count, []

    def late(places: Places) -> int:
        looks.append(count(places))
        return looks[-1] if len(looks) > 2 else 0

    monkeypatch.setattr(Places, "count", late)
    with pytest.warns(RuntimeWarning, match=r"no node .* \(num_cpus=1, num_gpus=0, node=True\)"):
        found = study(2).run(tmp_path / "ray", engine=Ray(node=True))
    assert found.finished and not found.failed and looks[0] == 2


def test_nothing_fits(connected: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeWarning, match=r"no node .* \(num_cpus=64, num_gpus=0\)"):  # else it would wait for one
        study(1).run(tmp_path, engine=Ray(num_cpus=64))


def test_nodes_have_the_same_versions(connected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**versions(), "torch": "0.1"}
    monkeypatch.setattr("ecosystem.study.engines.cluster.made_with", lambda: other)
    with pytest.raises(RuntimeError, match=r"torch \S+ instead of 0\.1.*install the same versions"):
        study(1).run(tmp_path, engine="ray")


# -- deaths ----------------------------------------------------------------------------------------------------------


def test_a_block_kills_every_worker(connected: Any, tmp_path: Path, begun: Path) -> None:
    deadly = study(4, marked(begun, lambda point: die() if point == 2 else None))
    with pytest.warns(RuntimeWarning, match="1 of 4 points failed"):
        found = deadly.run(tmp_path / "ray", engine=Ray(retries=1))
    assert found.finished
    assert found.failures[["point", "kind"]].values.tolist() == [[1, "lost"]]
    assert found.failures["error"][0].startswith("tried 2 times, at last WorkerCrashedError: The worker died")
    assert len(marks(begun).query("point == 2")) == 2
    pd.testing.assert_frame_equal(
        found.rounds, alone(4, tmp_path / "alone").rounds.query("point != 1").reset_index(drop=True), check_exact=True
    )


def test_a_node_goes(connected: Any, cluster: Any, tmp_path: Path, begun: Path) -> None:
    """It is removed while it computes a block, which is computed again elsewhere."""
    guest = cluster.add_node(**NODE)
    name = guest.node_id

    def came() -> bool:
        return any(begun.glob(f"*-{name}-*"))

    def linger(point: int) -> None:
        """On the node that goes until it has gone; on the others until it has begun."""
        import ray

        if ray.get_runtime_context().get_node_id() == name:
            time.sleep(300)
        comes(came)

    def progress(now: Progress) -> None:
        if now.finished == 1:
            assert came()
            cluster.remove_node(guest, allow_graceful=False)

    found = study(8, marked(begun, linger)).run(tmp_path / "ray", engine="ray", progress=progress)
    assert_same(found, alone(8, tmp_path / "alone"))
    seen = marks(begun)
    (again,) = seen[seen["node"] == name]["point"]
    assert seen[seen["point"] == again]["node"].nunique() == 2


def test_interrupted_it_leaves_nothing_running(connected: Any, tmp_path: Path, begun: Path) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        if comes(lambda: len(list(begun.iterdir())) == 2):
            signal.pthread_kill(main, signal.SIGINT)  # while it waits for a block

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hand = threading.Thread(target=interrupt)
    hand.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            study(4, marked(begun, lambda _: time.sleep(300))).run(tmp_path / "ray", engine="ray")
    finally:
        hand.join()
        signal.signal(signal.SIGINT, before)
    processes = set(marks(begun)["process"])
    assert len(processes) == 2
    assert comes(lambda: not any(map(runs, processes)))
    assert connected.is_initialized()
    time.sleep(1)
    assert len(list(begun.iterdir())) == 2  # nor did another block begin
