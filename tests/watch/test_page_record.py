"""The page of a record and of a training, in a browser; and that no page is wider than its window."""

import pytest

from snn_control.controller_file import parse_spec
from snn_control.record.recorded_run import read_run_record
from snn_control.watch.record_run import RecordRun
from snn_control.watch.server import Server
from snn_control.watch.training import WatchedTraining
from tests.watch import runs
from tests.watch.browser import band, opened, press, shown, status, until

pytest.importorskip("websockets")

#: top and bottom of the header and of the player, at one moment: the texts of the header change while a run goes on
SIDES = """() => ["header", "#player"].map((one) => {
    const box = document.querySelector(one).getBoundingClientRect();
    return [box.top, box.bottom];
})"""
#: pairs of panels of which one covers a part of the other, and whether something is wider than the window
LAYOUT = """() => {
  const seen = [...document.querySelectorAll("header, #player, main > section")].filter((one) => !one.hidden);
  const boxes = seen.map((one) => [one.dataset.panel ?? one.id ?? one.tagName, one.getBoundingClientRect()]);
  const over = boxes.flatMap(([name, a], k) => boxes.slice(k + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5)
    .map(([other]) => `${name} covers ${other}`));
  if (document.documentElement.scrollWidth > innerWidth) over.push(`${document.documentElement.scrollWidth} wide`);
  return over;
}"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    file = tmp_path_factory.mktemp("record") / "run.npz"
    runs.record(file)
    run = RecordRun(read_run_record(file), "runs/of_a_robot_with_a_long_name.npz")
    server = Server(run)
    yield server, run
    server.close()


@pytest.fixture
def training(tmp_path):
    spec = parse_spec(runs.FILE)
    spec.save(tmp_path / "newest.yaml", "newest")
    rows = [f"{1000 * k},{-900 + 50 * k},{-1200 + 30 * k},{9.5 - 0.2 * k}" for k in range(1, 13)]
    (tmp_path / "progress.csv").write_text("\n".join(["steps,score,worst,spikes_a_step", *rows]) + "\n")
    run = WatchedTraining(tmp_path, runs.make, "training in Pendulum-v1")
    server = Server(run)
    yield server
    server.close()
    run.close()


def time_is(page):
    return float(page.locator("#player output").inner_text().split()[0])


def test_a_record_is_played_stepped_and_set(recorded, browser):
    server, run = recorded
    with opened(browser, server.url) as page:
        until(page, f"s.frames > 0 && s.spikes === {run.spikes}")
        assert page.locator('[data-panel="controls"]').is_hidden()
        page.locator('[data-control="time"]').fill("1.2")
        until(page, "s.tick === 60 && $('#player button').textContent === 'Play'")
        until(page, "!$('#safe').hidden")  # stopped from tick 50 to 70
        page.keyboard.press("ArrowRight")
        until(page, "s.tick === 61")
        assert time_is(page) == 1.22
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        until(page, "s.tick === 59")
        page.keyboard.press("Home")
        until(page, "s.tick === 1")
        page.locator('[data-control="speed"]').select_option("10")
        page.locator('[data-control="time"]').focus()
        page.keyboard.press(" ")
        until(page, "s.tick === 150 && $('#player button').textContent === 'Play'")
        assert time_is(page) == 3.0
        assert status(page)["spikes"] == run.spikes
        assert page.locator("#safe").is_hidden()
        end = shown(page, '[data-panel="raster"] canvas')
        press(page, "pause")  # from the beginning
        until(page, "s.tick < 150")
        page.keyboard.press("End")
        until(page, "s.tick === 150")
        assert shown(page, '[data-panel="raster"] canvas') == end


def test_membranes_and_weights_of_a_record_follow_the_time_bar(recorded, browser):
    server, _ = recorded
    with opened(browser, server.url + "#look=hidden") as page:
        until(page, "document.querySelectorAll('.weights canvas.matrix').length === 2")
        pictures = []
        for t in ("0.52", "2.52"):
            page.locator('[data-control="time"]').fill(t)
            until(page, f"s.tick === {float(t) / 0.02:.0f}")
            found = [shown(page, f".weights figure:nth-child({k}) canvas.matrix") for k in (1, 2)]
            pictures.append([shown(page, '[data-panel="look"] > canvas'), *found])
        assert [one != other for one, other in zip(*pictures, strict=True)] == [True, False, True]


def test_a_record_is_there_again_after_its_server_was_started_again(recorded, browser):
    _, run = recorded
    first = Server(run)
    with opened(browser, first.url, lost=True) as page:
        until(page, "s.frames > 0")
        page.locator('[data-control="time"]').fill("2")
        before = shown(page, '[data-panel="raster"] canvas')
        first.close()
        until(page, "!s.connected")
        second = Server(run, port=first.port)
        until(page, "s.connected")
        page.keyboard.press("ArrowRight")
        until(page, "s.tick === 101")
        page.keyboard.press("ArrowLeft")
        until(page, "s.tick === 100")
        assert shown(page, '[data-panel="raster"] canvas') == before
        second.close()


def test_a_training_shows_its_curve(training, browser):
    with opened(browser, training.url) as page:
        until(page, "!$('[data-panel=\"training\"]').hidden && s.frames > 0")
        until(page, "$('[data-panel=\"training\"] canvas').width !== 300")  # the page has its context
        until(page, "new Set($('[data-panel=\"training\"] canvas').getContext('2d').getImageData(0, 0, 400, 200).data)"
                    ".size > 8")  # fmt: skip


@pytest.mark.parametrize("kind", ["world", "record"])
def test_nothing_is_wider_than_the_window_or_covers_another(kind, recorded, browser):
    run = recorded[1] if kind == "record" else runs.world()
    server = Server(run, control=True)
    with opened(browser, server.url) as page:
        until(page, "s.frames > 0")
        x, y = band(page, "hidden")
        page.locator('[data-panel="raster"] canvas').click(position={"x": x, "y": y})
        until(page, "document.querySelectorAll('.weights canvas.matrix').length === 2")
        grounds = set()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (390, 820, 1280, 1920):
                page.set_viewport_size({"width": width, "height": 900})
                shown(page, '[data-panel="raster"] canvas')
                raster = page.locator('[data-panel="raster"] canvas')
                raster.hover(position={"x": raster.bounding_box()["width"] - 40, "y": y})  # its tip must have room
                assert page.evaluate(LAYOUT) == [], (scheme, width)
                page.evaluate("scrollTo(0, 300)")
                (_, end), (top, bottom) = page.evaluate(SIDES)
                assert top == bottom or end <= top + 0.5  # there is no player, or it is below the header
                page.evaluate("scrollTo(0, 0)")
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
    server.close()
    if kind == "world":
        run.close()


def test_on_a_narrow_screen_the_texts_of_a_population_stand_above_its_spikes(recorded, browser):
    with opened(browser, recorded[0].url, width=390) as page:
        until(page, "s.frames > 0")
        canvas, tip = page.locator('[data-panel="raster"] canvas'), page.locator("#tip")
        x, y = band(page, "hidden")
        assert tip.inner_text() == "hidden: click for membranes and weights"
        canvas.hover(position={"x": x, "y": y + 20})
        assert tip.inner_text().startswith("hidden: neuron ")


def test_what_frames_show_is_drawn_in_place(browser):
    run = runs.world()
    server = Server(run)
    with opened(browser, server.url) as page:
        until(page, "s.frames > 5 && $('[data-panel=\"timing\"] td')")
        page.evaluate("window.kept = [document.querySelector('[data-panel=timing] td'), window.snn_control.frames]")
        before = page.evaluate("window.kept[0].textContent")
        until(page, "s.frames > window.kept[1] + 10")
        now = page.evaluate("[window.kept[0].isConnected, window.kept[0].textContent]")
        assert now[0]
        assert now[1] != before
    server.close()
    run.close()
