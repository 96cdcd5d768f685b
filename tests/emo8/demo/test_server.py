"""The demo's third source: its recipe, and its server."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from emo8 import sources
from emo8.core.networks import parse_networks
from emo8.core.read_recipe import load_recipe
from emo8.demo import sample, server
from emo8.web.agent import Agent, FetchPolicy


def test_write_inputs__a_recipe_of_three_sources(tmp_path: Path) -> None:
    recipe_path = server.write_inputs(tmp_path, "http://127.0.0.1:9")
    recipe = load_recipe(recipe_path)
    assert [source.kind for source in recipe.source] == ["folder", "table", "urls"]
    assert recipe.source[2].allow_networks == (server.NETWORK,)
    inputs = sum(chunk.num_inputs for chunk in sources.plan(recipe, tmp_path))
    served = len(list((sample.root() / "web").glob("*/*")))
    folder = load_recipe(sample.root() / "recipe.toml")
    before = sum(chunk.num_inputs for chunk in sources.plan(folder, sample.root()))
    assert inputs == before + served + len(server.BAD)


def test_serve__pictures_and_what_must_not_arrive(tmp_path: Path) -> None:
    manners = FetchPolicy(user_agent="emo8/1", x_robots_directives=("noai",), host_delay_s=0)
    agent = Agent(manners, tmp_path, allowed=parse_networks([server.NETWORK], "test"))
    with server.serve() as base:
        picture = next((sample.root() / "web").glob("cartoon/*"))
        assert agent.fetch(f"{base}/cartoon/{picture.name}").data == picture.read_bytes()
        for link, reason in server.BAD.items():
            assert agent.fetch(link.format(base=base)).reason == reason
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{base}/../recipe.toml")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(base)
