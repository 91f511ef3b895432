"""The live page of a world, in a browser: what it shows is the run, and what is done there is done to the run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from snn_control import Controller
from snn_control.cli import main
from snn_control.controller_file import parse_spec
from snn_control.watch import Client
from snn_control.watch.server import Server
from tests.watch import runs
from tests.watch.browser import band, opened, press, shown, status, until

pytest.importorskip("websockets")

RASTER, MEMBRANES = '[data-panel="raster"] canvas', '[data-panel="look"] > canvas'


@pytest.fixture(scope="module")
def served():
    run = runs.world()
    server = Server(run, control=True)
    yield server, run
    server.close()
    run.close()


@pytest.fixture
def page(served, browser):
    with opened(browser, served[0].url) as one:
        until(one, "s.frames > 0")
        yield one


@pytest.fixture
def client(served):
    with Client(served[0].url) as one:
        yield one


def begin(client, page, steps, seed=1):
    """A new episode that waits after some steps, which are run fast."""
    client.act("speed", speed=100)
    client.act("pause")
    client.act("reset", seed=seed)
    client.act("step", steps=steps)
    until(page, f"s.tick === {steps}")


def alone(steps, tuned_after=None, seed=1):
    """The commands of the same controller without a page."""
    controller, env, commands = Controller.from_spec(parse_spec(runs.FILE)), runs.make(), []
    observation, _ = env.reset(seed=seed)
    for k in range(steps):
        if k == tuned_after:
            controller.tune({runs.BIAS: 0.5})
        observation, *_ = env.step(controller.act(observation, env.action_space))
        commands.append(controller.bound.array("command").copy())
    return np.array(commands)


def test_the_spikes_of_the_page_are_those_of_the_run(served, client, page):
    _, run = served
    for steps in (3, 40):  # the second episode is longer than the first before the page hears of it
        begin(client, page, steps)
        assert status(page)["spikes"] == sum(run.controller.counters()["spikes"].values()) > 20
    assert status(page)["dropped"] == 0


def test_a_slider_changes_the_command_and_the_saved_record_replays(client, page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    begin(client, page, 20)
    page.locator(f'[data-tunable="{runs.BIAS}"]').fill("0.5")
    until(page, f"$('[aria-label=\"{runs.BIAS}, number\"]').value === '0.5'")
    client.act("step", steps=20)
    until(page, "s.tick === 40")
    press(page, "snapshot")
    until(page, "$('#message').textContent === 'written: runs/watch.npz'")
    with np.load("runs/watch.npz") as record:
        assert np.array_equal(record["command"], alone(40, tuned_after=20))
        assert not np.array_equal(record["command"][20:], alone(40)[20:])
        spikes = len(record["spike_step"])
    assert main(["replay", "runs/watch.npz", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["identical"], found["ticks"], found["spikes"]) == (True, 40, spikes)
    client.act("tune", path=runs.BIAS, value=0.0)


def test_a_stop_lasts_until_the_release(served, client, page):
    _, run = served
    client.act("speed", speed=1)
    client.act("play")
    press(page, "stop")
    until(page, "!$('#safe').hidden && $('#safe').textContent.includes('operator')")
    assert (run.controller.bound.array("command") == 0).all()
    press(page, "release")
    until(page, "$('#safe').hidden")


def test_keys(client, page):
    begin(client, page, 5)
    client.act("speed", speed=1)
    page.keyboard.press("ArrowRight")
    until(page, "s.tick === 6")
    page.keyboard.press(" ")
    until(page, "s.tick > 10 && $('[data-control=\"pause\"]').textContent === 'Pause'")
    page.keyboard.press(" ")
    until(page, "$('[data-control=\"pause\"]').textContent === 'Go on'")
    page.keyboard.press("+")
    until(page, "location.hash.includes('window=2.00')")
    page.keyboard.press("-")
    until(page, "location.hash.includes('window=3.00')")
    begin(client, page, 200)
    now = shown(page, RASTER)
    page.keyboard.press("ArrowLeft")
    assert shown(page, RASTER) != now
    page.keyboard.press("End")
    assert shown(page, RASTER) == now
    page.keyboard.press("?")
    until(page, "!$('#help').hidden")
    page.keyboard.press("Escape")
    until(page, "$('#help').hidden")


def test_a_page_that_only_looks_freezes_its_view_and_changes_nothing(served, client, browser):
    server, run = served
    client.act("speed", speed=1)
    client.act("play")
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        until(page, "s.frames > 0 && $('[data-control=\"stop\"]').disabled")
        page.keyboard.press(" ")
        until(page, "$('[data-control=\"pause\"]').textContent === 'Go on'")
        tick, picture = status(page)["tick"], shown(page, RASTER)
        until(page, f"s.tick > {tick} + 5")
        assert shown(page, RASTER) == picture
        page.keyboard.press("End")
        until(page, "$('[data-control=\"pause\"]').textContent === 'Freeze the view'")
        assert not run.frames()[0][0]["paused"]


def test_what_others_do_is_seen(client, page):
    client.act("learning", on=False)
    until(page, "!$('[data-control=\"learning\"]').checked")
    client.act("learning", on=True)
    until(page, "$('[data-control=\"learning\"]').checked")
    client.act("tune", path=runs.BIAS, value=-0.25)
    until(page, f"$('[data-tunable=\"{runs.BIAS}\"]').value === '-0.25'")
    client.act("speed", speed=10)
    until(page, "$('[data-control=\"speed\"]').value === '1'")
    client.act("speed", speed=1)


def test_a_population_is_looked_at_and_folded_and_the_link_keeps_the_view(client, page, browser):
    begin(client, page, 30)
    name, y = band(page, "hidden")
    raster = page.locator(RASTER)
    raster.click(position={"x": name, "y": y})
    until(page, "$('[data-panel=\"look\"] h2').textContent === 'Membranes of hidden'")
    until(page, "document.querySelectorAll('.weights canvas.matrix').length === 2")
    before = shown(page, MEMBRANES)
    client.act("step", steps=1)
    until(page, "s.tick === 31")
    assert shown(page, MEMBRANES) != before
    page.locator(".weights canvas.matrix").first.hover()
    until(page, "$('.weights small').textContent.startsWith('source ')")
    raster.click(position={"x": 8, "y": y})
    until(page, "location.hash.includes('closed=hidden')")
    client.act("step", steps=1)
    folded = raster.bounding_box()["height"]
    with opened(browser, page.url) as again:
        until(again, "s.frames > 0 && !$('[data-panel=\"look\"]').hidden")
        assert again.locator(RASTER).bounding_box()["height"] == folded
    raster.click(position={"x": 8, "y": y})
    until(page, f"$({RASTER!r}).clientHeight > {folded} && !location.hash.includes('closed')")
    raster.click(position={"x": name, "y": y})
    until(page, "$('[data-panel=\"look\"]').hidden && !location.hash.includes('look')")


def test_the_page_goes_on_after_its_server_was_started_again(browser):
    run = runs.world()
    first = Server(run)
    try:
        with opened(browser, first.url, lost=True) as page:
            until(page, "s.frames > 0")
            first.close()
            until(page, "!s.connected && $('#state').className === 'wrong'")
            frames = status(page)["frames"]
            second = Server(run, port=first.port)
            until(page, f"s.connected && s.frames > {frames} && $('#state').textContent === 'connected'")
            second.close()
    finally:
        run.close()
