"""The search on analytic scores: what it suggests, what it stores, and what several processes see of each other."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sparring.commands.tuning.search import Search, TrialResult, space_of, startup_trials
from sparring.engine.errors import UsageError
from sparring.recipes import RECIPES, recipe_class
from sparring.recipes.recipe import Range, tunable_fields

pytest.importorskip("optuna")
SPACE = {"a": Range(0.0, 1.0), "b": Range(1e-4, 1.0, log=True)}


def search(storage: Path | str, space: dict[str, Range] = SPACE, sampler: str = "random", seed: int = 0) -> Search:
    defaults = {name: of.high for name, of in space.items()}
    return Search("test", space, str(storage), sampler=sampler, seed=seed, defaults=defaults)


def played(one: Search, count: int) -> list[TrialResult]:
    """Run trials until there are `count`; the score is a + b."""
    while len(one.results()) < count and (trial := one.suggest()) is not None:
        one.claim(trial, "me")
        score = sum(one.params(trial).values())
        one.report(trial, 1, 100, score)
        one.finish(trial, score, "complete")
    return one.results()


def test_the_first_trial_has_the_defaults_and_all_lie_in_their_ranges(tmp_path: Path) -> None:
    results = played(search(tmp_path / "journal"), 12)
    assert results[0].params == {"a": 1.0, "b": 1.0}
    assert len({tuple(t.params.values()) for t in results}) == 12
    for trial in results:
        assert all(SPACE[name].low <= value <= SPACE[name].high for name, value in trial.params.items())
        assert all(float(f"{value:.4g}") == value for value in trial.params.values())
        assert trial.score == sum(trial.params.values()) and trial.state == "complete" and trial.examples == 100
    assert sum(trial.params["b"] < 0.01 for trial in results) >= 3  # on its logarithmic scale: half of the range


def test_a_reopened_storage_continues_as_if_it_had_not_been_closed(tmp_path: Path) -> None:
    whole = played(search(tmp_path / "whole", sampler="gp"), 9)
    played(search(tmp_path / "parts", sampler="gp"), 4)
    parts = played(search(tmp_path / "parts", sampler="gp"), 9)
    assert [t.params for t in parts] == [t.params for t in whole]


def test_another_seed_suggests_other_settings(tmp_path: Path) -> None:
    one, two = (played(search(tmp_path / str(seed), seed=seed), 3) for seed in (0, 1))
    assert one[0].params == two[0].params and one[1].params != two[1].params


def test_the_model_finds_the_lowest_score_sooner_than_chance(tmp_path: Path) -> None:
    def lowest(sampler: str) -> float:
        return min(t.score for t in played(search(tmp_path / sampler, sampler=sampler), 14) if t.score is not None)

    assert lowest("gp") < 0.01 < lowest("random")


def test_a_space_of_few_values_is_exhausted_without_a_repetition(tmp_path: Path) -> None:
    results = played(search(tmp_path / "journal", {"units": Range(1, 3)}), 10)
    assert sorted(t.params["units"] for t in results) == [1, 2, 3]


def test_two_suggestions_of_the_same_settings_withdraw(tmp_path: Path) -> None:
    """As they would be by two machines at once, whose samplers have the same seed."""
    one, two = search(tmp_path / "journal"), search(tmp_path / "journal")
    first = one.suggest()
    one.claim(first, "one")
    two._sampler = one._sampler  # type: ignore[method-assign]
    second = two.suggest()
    two.claim(second, "two")
    assert one.params(first) != two.params(second)


def test_orphans_are_the_running_trials_of_an_owner(tmp_path: Path) -> None:
    one = search(tmp_path / "journal")
    trial, other = one.suggest(), one.suggest()
    one.claim(trial, "here")
    one.claim(other, "there")
    again = search(tmp_path / "journal")
    assert list(again.orphans("here")) == [trial.number]
    resumed = again.resumed(trial.number)
    assert again.params(resumed) == one.params(trial)
    again.report(resumed, 1, 10, 0.5)
    again.report(resumed, 1, 10, 0.5)  # a resumed run comes by the same checkpoint
    again.finish(resumed, 0.5, "complete")
    assert one.resumed(trial.number) is None and not list(one.orphans("here"))


def test_halving_stops_the_worse_half_at_a_checkpoint_and_never_the_defaults(tmp_path: Path) -> None:
    one = search(tmp_path / "journal")
    stopped = []
    for score in (9.0, 1.0, 2.0, 0.5):
        trial = one.suggest()
        one.claim(trial, "me")
        for checkpoint in (1, 2):
            one.report(trial, checkpoint, checkpoint, score)
        stopped.append(one.is_behind(trial))
        one.finish(trial, score, "stopped" if stopped[-1] else "complete")
    assert stopped == [False, False, True, False]
    assert [t.state for t in one.results()] == ["complete", "complete", "stopped", "complete"]


def test_the_field_that_matters_has_the_importance(tmp_path: Path) -> None:
    space = {"a": Range(0.0, 1.0), "b": Range(0.0, 1e-3)}
    one = search(tmp_path / "journal", space)
    assert one.importance() == {}
    played(one, 20)
    assert one.importance()["a"] > 0.8


WORKER = """
import sys, time
from sparring.commands.tuning.search import Search
from sparring.recipes.recipe import Range
space = {"units": Range(1, 8)}
print("ready", flush=True)
sys.stdin.readline()
one = Search("test", space, sys.argv[1], sampler="random", seed=0, defaults={"units": 8})
while (trial := one.suggest()) is not None:
    one.claim(trial, sys.argv[2])
    print(one.params(trial)["units"], flush=True)
    time.sleep(0.05)
    one.finish(trial, one.params(trial)["units"], "complete")
"""


def storage_of(url: str, folder: Path) -> str:
    """Return a storage in a folder; for `postgresql` a new schema of the server that SPARRING_POSTGRESQL names."""
    if url != "postgresql":
        return url.format(folder)
    server = os.environ.get("SPARRING_POSTGRESQL")
    if not server:
        pytest.skip("no PostgreSQL server: set SPARRING_POSTGRESQL to its URL, postgresql://user@localhost/name")
    import sqlalchemy

    schema = f"test_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(server, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
    return f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"


@pytest.mark.parametrize(
    "url", ["{}/journal", *(pytest.param(u, marks=pytest.mark.slow) for u in ("sqlite:///{}/tuning.db", "postgresql"))]
)
def test_two_processes_on_one_storage_never_run_the_same_trial(tmp_path: Path, url: str) -> None:
    """Both draw by the same seed from 8 values, so that they meet often."""
    command, pipe = [sys.executable, "-W", "ignore", "-c", WORKER, storage_of(url, tmp_path)], subprocess.PIPE
    processes = [subprocess.Popen([*command, str(k)], stdin=pipe, stdout=pipe, text=True) for k in range(2)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0].split() for process in processes]
    values = [int(word) for words in outputs for word in words]
    assert all(process.returncode == 0 for process in processes)
    assert len(values) == len(set(values)) and len(values) >= 7, outputs
    assert all(len(words) > 0 for words in outputs), "one process did all the work"


def test_a_database_server_continues_a_search(tmp_path: Path) -> None:
    storage = storage_of("postgresql", tmp_path)
    assert len(played(search(storage), 3)) == 3
    assert len(played(search(storage), 5)) == 5


# what is refused


def test_fields_that_cannot_be_tuned_are_named() -> None:
    recipe = recipe_class("dcgan")()
    assert list(space_of(recipe, ())) == ["ema_half_life", "lr", "beta1"]
    assert list(space_of(recipe, ("beta1",))) == ["beta1"]
    assert list(space_of(recipe, ("ema-half-life",))) == ["ema_half_life"]
    with pytest.raises(UsageError, match=r"dcgan cannot tune 'lrr': did you mean 'lr'\?"):
        space_of(recipe, ("lrr",))
    with pytest.raises(UsageError, match="dcgan cannot tune 'mirror': known: beta1, ema_half_life, lr"):
        space_of(recipe, ("mirror",))
    with pytest.raises(UsageError, match=r"--lr 0\.5 is outside of the range in which it is tuned, 1e-05 to 0\.01"):
        space_of(recipe_class("dcgan")(lr=0.5), ("lr",))
    with pytest.raises(UsageError, match=r"improved states no range of any field: tune one of .*dcgan.*tabular_mlp"):
        space_of(recipe_class("improved")(), ())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://host/name", "--storage nosuch://host/name cannot be opened"),
        ("postgresql://nobody@127.0.0.1:1/none", "needs a module that is not installed|cannot be opened"),
        ("sqlite:////nosuch/folder/x.db", "cannot be opened.*unable to open database file.*give a file, or a URL"),
        ("/proc/nosuch/journal", "--storage /proc/nosuch/journal cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search(url)


def test_without_optuna_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"needs the library optuna: pip install 'sparring\[tune\]'"):
        search(tmp_path / "journal")


# the ranges of recipes


@pytest.mark.parametrize("name", [name for name in RECIPES if tunable_fields(recipe_class(name))])
def test_ranges_hold_the_defaults_and_only_values_that_the_recipe_accepts(name: str) -> None:
    kind = recipe_class(name)
    default = kind()
    for field, of in tunable_fields(kind).items():
        assert of.low < of.high and of.low <= getattr(default, field) <= of.high, field
        assert not of.log or of.low > 0
        assert of.is_whole == isinstance(getattr(default, field), int), field
        for value in (of.low, of.high):
            assert getattr(kind(**{field: value}), field) == value


def test_the_default_recipes_of_commands_that_are_tuned_have_ranges() -> None:
    for name in ("r3", "dcgan", "gan2014", "tabular_mlp", "series_cnn", "speech_cnn", "consistent", "flow", "strokes"):
        assert "lr" in tunable_fields(recipe_class(name)), name


def test_startup_trials() -> None:
    assert [startup_trials(fields) for fields in (1, 2, 4)] == [2, 3, 5]
