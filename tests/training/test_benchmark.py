"""The benchmark of training can fail: by scores and by CPU time."""

from benchmarks import training


def row(mean, cpu):
    return {"mean": mean, "worst": mean - 10.0, "cpu": cpu, "spikes_a_step": 20.0}


def test_a_task_fails_by_too_few_good_seeds_or_too_much_time(capsys):
    assert training.show("lander", [row(230.0, 100.0)] * 4 + [row(100.0, 100.0)])
    said = capsys.readouterr().out
    assert "4 of 5 reach 220 (bar: 4); CPU 100 to 100 s (bar: 150); " in said
    assert "; spikes 20 20 20 20 20; worst episode 90; PASS" in said
    assert not training.show("lander", [row(230.0, 100.0)] * 3 + [row(100.0, 100.0)] * 2)
    assert not training.show("lander", [row(230.0, 200.0)] * 5)
    assert capsys.readouterr().out.count("FAIL") == 2
    assert training.show("lander", [row(230.0, 100.0)])  # fewer seeds than the bar counts
