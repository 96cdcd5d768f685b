import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emo8.cli import main
from emo8.duplicates import compare
from emo8.engine.ray import RayEngine
from emo8.pipeline.run import build
from tests.emo8.engine.test_local import Job
from tests.emo8.pipeline.test_run import tree_hash

TWO_NODES = """
import sys
from ray.cluster_utils import Cluster
from emo8.cli import main

if __name__ == "__main__":
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    command = ["build", sys.argv[1], "-o", sys.argv[2], "--engine", "ray"]
    code = main([*command, "--address", cluster.address])
    cluster.shutdown()
    sys.exit(code)
"""


def test_ray__same_bytes_as_local_and_a_dying_task_costs_itself_alone(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(compare, "ROWS_HERE", 0)  # so that few pictures are searched in tasks
    with RayEngine(workers=2) as engine:
        behaviours = ["works", "dies", "works", "dies once", "raises", "works"]
        jobs = [Job(part, behaviour, tmp_path) for part, behaviour in enumerate(behaviours)]
        errors = {outcome.task.part: outcome.error for outcome in engine.run(jobs)}
        assert {part for part, error in errors.items() if error} == {1, 4}
        assert "died" in str(errors[1])
        assert errors[4] == "RuntimeError: no luck"
        result = build(small / "recipe.toml", tmp_path / "BUILD", engine="ray")
    assert result.failed_parts == 0
    assert tree_hash(tmp_path / "BUILD" / "dataset") == tree_hash(small / "BUILD" / "dataset")


def test_build__engine_options_that_make_no_sense_are_named(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["build", str(small / "recipe.toml"), "-o", str(tmp_path / "BUILD")]
    assert main([*command, "--engine", "spark"]) == 2
    assert "'spark'" in capsys.readouterr().err
    assert main([*command, "--address", "10.0.0.1:6379"]) == 2
    assert "ray" in capsys.readouterr().err
    assert main(["build", str(small / "recipe.toml"), "-o", "s3://bucket/BUILD"]) == 2
    assert "s3:/bucket/BUILD" in capsys.readouterr().err


@pytest.mark.slow
def test_ray__two_nodes_share_the_work_and_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    if not shutil.which("unshare") or os.geteuid() != 0:
        pytest.skip("needs unshare and root for a network of its own")
    script = tmp_path / "two_nodes.py"
    script.write_text(TWO_NODES)
    inside = f"ip link set lo up && exec {sys.executable} {script} {small}/recipe.toml {tmp_path}/B"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", inside], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shares = re.findall(r"\(2 nodes: \S+: (\d+), \S+: (\d+)\)", done.stderr)
    assert shares, done.stderr
    assert tree_hash(tmp_path / "B" / "dataset") == tree_hash(small / "BUILD" / "dataset")
