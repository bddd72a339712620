"""The model card of a shared model: README.md with the front matter that the Hugging Face hub reads.

Every figure is one that a command left in the run folder, with its interval. What was not measured is named so. Paths
of the machine are left out.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sparring.commands.private.options import LEDGER, ledger_of
from sparring.commands.reporting.run_scores import Score, scores_of
from sparring.data.files.download import is_url
from sparring.data.registry import licence_of
from sparring.engine.data_spec import KINDS
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import Run
from sparring.engine.version import __version__
from sparring.models.hub import PLAYERS
from sparring.recipes import RECIPES
from sparring.report.format import number, percent, printable, proportion_text
from sparring.stats.proportion import Proportion

PIPELINES = {
    ("generator", "image"): "unconditional-image-generation",
    ("classifier", "image"): "image-classification",
    ("classifier", "audio"): "audio-classification",
    ("classifier", "table"): "tabular-classification",
    ("regressor", "table"): "tabular-regression",
}
"""(player, kind of data) -> task of the hub; others have none."""
USES = {
    "generator": "rows = next(model.samples(16, seed=0))  # stored examples, such as uint8 images [N, H, W, C]",
    "classifier": "answers = model.predict(rows)  # stored examples; answers.labels, answers.probabilities",
    "regressor": "value, low, high = model.predict_interval(rows)",
    "obfuscator": "replaced = model.obfuscate(rows)",
}
"""Player -> line of Python that uses it."""
LIMITS = {
    "generator": "Samples are not real data. They can miss rare kinds of examples and repeat faults of the training "
    "data. Mark them as generated where you show them.",
    "classifier": "The figures hold for data like the test data. On other data, or where somebody changes examples on "
    "purpose, the answers can be wrong with a high probability.",
    "regressor": "The intervals hold on average over data like the test data, not for each group of them.",
    "obfuscator": "An adversary with more data or another model may still recognise the group that is hidden.",
}
"""Player -> what it cannot do."""
NOT_MEASURED = "Not measured"
MAX_NAMES = 20
"""Most classes that are named."""


@dataclass(frozen=True)
class CardRequest:
    """What a card says beyond what is in the run folder."""

    name: str
    """Heading."""
    address: str
    """Address or folder in the example of use."""
    players: tuple[str, ...]
    """Saved models that are shared, the main one first."""
    metadata: Mapping[str, Any]
    """Content of `<player>.json` of the main one."""
    licence: str | None
    """Licence of the weights, by its identifier on the hub."""
    digests: Mapping[str, str]
    """File of weights -> its SHA-256."""
    has_demo: bool
    """Whether index.html is in the folder."""
    has_picture: bool
    """Whether samples.png is in the folder."""


def model_card(run: Run, request: CardRequest) -> str:
    """Return the text of README.md for the saved models of a run; raise SparringError on damaged results."""
    try:
        return _model_card(run, request)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SparringError(
            f"a result in {run.path} is damaged or of another version of Sparring ({error!r}): "
            "remove it, or repeat the command that wrote it"
        ) from error


def _model_card(run: Run, request: CardRequest) -> str:
    settings = run.settings if run.exists else {}
    scores = scores_of(run)
    data = public_name(settings["data"]["source"]) if settings else ""
    sections = {
        "": _about(request, data),
        "Use": _use(request),
        "Scores": _scores(run, scores),
        "Memorisation": _memorisation(run, request.players),
        "Attacks": _attacks(run, request.players[0]),
        "Certificates": _certificates(run),
        "Privacy": _privacy(run),
        "Data": _data(request, settings, data),
        "Limits": _limits(request),
        "Training": _training(request, settings),
    }
    parts = [_front_matter(request, scores, data), f"# {plain(request.name)}"]
    for title, lines in sections.items():
        if text := "\n".join(lines):
            parts += [f"## {title}"] * bool(title) + [text]
    return "\n\n".join(parts) + "\n"


def plain(text: object) -> str:
    """Return text of a user as one line of Markdown that formats nothing."""
    one_line = " ".join(str(printable(text)).split())
    return re.sub(r"([\\`*_{}\[\]<>|#~!&])", r"\\\1", one_line)


def public_name(source: str) -> str:
    """Return how a source is called in public: a URL without account and query, else the last part of its path."""
    if is_url(source):
        parts = urllib.parse.urlsplit(source)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    return PurePath(source.replace("\\", "/")).name or source


def _front_matter(request: CardRequest, scores: Sequence[Score], data: str) -> str:
    """Return the metadata that the hub reads. Each value is JSON, which is YAML as well."""
    kind = str(request.metadata["spec"]["kind"])
    pipeline = PIPELINES.get((request.players[0], kind))
    fields: dict[str, Any] = {"library_name": "sparring"}
    fields |= {"license": request.licence} if request.licence else {}
    fields |= {"pipeline_tag": pipeline} if pipeline else {}
    fields["tags"] = ["sparring", "adversarial-learning", str(request.metadata["recipe"]), kind]
    if scores:
        dataset = {"name": data or "unknown", "type": data or "unknown"}
        metrics = [
            {"type": score.name.partition("[")[0], "name": _described(score), "value": score.value} for score in scores
        ]
        result = {"task": {"type": pipeline or "other"}, "dataset": dataset, "metrics": metrics}
        fields["model-index"] = [{"name": request.name, "results": [result]}]
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _yaml(value: object) -> str:
    return str(printable(json.dumps(value, ensure_ascii=False)))


def _described(score: Score) -> str:
    """Return the name of a score with its interval and baseline."""
    known = [] if score.low is None else [f"95 % interval {_ends(score)}"]
    known += [] if score.real is None else [f"real data {_value(score, score.real)}"]
    return f"{score.name} ({', '.join(known)})" if known else score.name


def _value(score: Score, value: float | None) -> str:
    return "unknown" if value is None else percent(value) if score.percent else number(value)


def _ends(score: Score) -> str:
    return f"{_value(score, score.low)} to {_value(score, score.high)}" if score.low is not None else "unknown"


def _about(request: CardRequest, data: str) -> Iterator[str]:
    spec, player = request.metadata["spec"], request.players[0]
    recipe = str(request.metadata["recipe"])
    summary = RECIPES[recipe].summary if recipe in RECIPES else "a custom recipe"
    trained = f", trained on {plain(data)}" if data else ""
    yield f"A {player} of {KINDS[spec['kind']].plural}{trained} with [Sparring](https://pypi.org/project/sparring/),"
    yield f"recipe `{recipe}`: {plain(summary)}."
    if request.has_picture:
        yield "\n![samples, generated](samples.png)"
    if request.has_demo:
        yield "\n`index.html` runs the network in a browser, without a server: open the file."


def _use(request: CardRequest) -> Iterator[str]:
    load = f'sparring.load("{request.address}")'
    yield f"```python\nimport sparring\n\nmodel = {load}"
    yield f"{USES[request.players[0]]}\n```"
    others = ", ".join(request.players[1:])
    if others:
        second = f'`sparring.load("{request.address}", "{request.players[1]}")'
        yield f"\nThe folder also holds: {others}. {second}` loads it."
    if request.metadata.get("custom_nets"):
        yield "\nThe network is a custom one: `load(..., net=...)` needs its code, which is not in this folder."
    for file, digest in request.digests.items():
        yield f"\nSHA-256 of `{file}`: `{digest}`"


def _scores(run: Run, scores: Sequence[Score]) -> Iterator[str]:
    if not scores:
        yield f"{NOT_MEASURED}. `sparring evaluate RUN` scores samples, `sparring classify` tests a classifier."
        return
    yield "| score | value | 95 % interval | real data against real data |"
    yield "|---|---|---|---|"
    for score in scores:
        real = "-" if score.real is None else _value(score, score.real)
        yield f"| {plain(score.name)} | {_value(score, score.value)} | {_ends(score)} | {real} |"
    if evaluation := run.read_json("evaluation"):
        yield f"\n{_protocol(evaluation['protocol'])}"
        if test := evaluation.get("two_sample"):
            yield f"\n{plain(test['message'])}"
    for name in ("classification", "regression"):
        if tested := (run.read_json(name) or {}).get("tested_on"):
            yield f"\nTested on {plain(tested)}."


def _protocol(protocol: Mapping[str, Any]) -> str:
    samples, data, net = (protocol[name] for name in ("samples", "reference", "features"))
    return (
        f"Protocol: {samples['n']:,} samples, seed {samples['seed']}, against {data['n']:,} examples of the "
        f"{plain(data['split'])} split; features {plain(net['name'])} ({plain(net['kind'])}); "
        f"Sparring {plain(protocol['versions']['sparring'])}. Scores of another protocol are not comparable."
    )


def _memorisation(run: Run, players: Sequence[str]) -> Iterator[str]:
    if "generator" not in players:
        return
    result = (run.read_json("evaluation") or {}).get("memorisation")
    if result is None:
        yield f"{NOT_MEASURED}. The generator may repeat training examples; `sparring evaluate RUN` looks for copies."
        return
    yield plain(result["message"])
    yield f"\nCopied fraction {percent(result['copied_fraction'])}; equal to a training example: {result['equal']:,}."


def _attacks(run: Run, player: str) -> Iterator[str]:
    if player != "classifier":
        return
    path = run.path / "attack" / "report.json"
    if not path.exists():
        yield f"{NOT_MEASURED} by `sparring attack RUN SOURCE`: assume that small changes of the input fool it."
        return
    report = json.loads(path.read_text(encoding="utf-8"))
    clean, robust = (Proportion.from_json(report[name]) for name in ("clean", "robust"))
    strength = [f"{name} {report['settings'][name]}" for name in ("norm", "eps", "db") if name in report["settings"]]
    yield f"- without an attack: {proportion_text(clean)} of {plain(report['selection'])}"
    yield f"- robust: {proportion_text(robust)} under {plain(report['attack'])} ({plain(', '.join(strength))})"
    yield "\nThe robust proportion is an upper bound: another attack may break more."


def _certificates(run: Run) -> Iterator[str]:
    path = run.path / "certify" / "report.json"
    if not path.exists():
        return
    report = json.loads(path.read_text(encoding="utf-8"))
    yield f"Randomised smoothing, noise {report['sigma']:g}, {report['draws']:,} draws, {plain(report['selection'])}:\n"
    for level in report["certified"]:
        yield f"- radius {level['eps']:.3g}: {proportion_text(Proportion.from_json(level['accuracy']))}"


def _privacy(run: Run) -> Iterator[str]:
    if not (run.path / f"{LEDGER}.json").exists():
        return
    ledger = ledger_of(run)
    yield (
        f"The weights are differentially private: epsilon {ledger.epsilon():.4g}, delta {ledger.budget.delta:g}, "
        f"{plain(ledger.adjacency)}."
    )
    for assumption in ledger.public:
        yield f"\nTreated as public: {plain(assumption)}"


def _data(request: CardRequest, settings: Mapping[str, Any], data: str) -> Iterator[str]:
    spec = request.metadata["spec"]
    kind = KINDS[spec["kind"]]
    source = str(settings["data"]["source"]) if settings else ""
    yield f"- source: {plain(data) if data else 'not known'}"
    yield f"- training examples: {int(spec['count']):,} {kind.plural}" if "count" in spec else f"- kind: {kind.plural}"
    classes = [plain(name) for name in spec.get("classes", ())]
    if classes:
        more = f" and {len(classes) - MAX_NAMES:,} more" if len(classes) > MAX_NAMES else ""
        yield f"- classes: {', '.join(classes[:MAX_NAMES])}{more}"
    yield f"- licence of the data: {licence_of(source) or 'not known to Sparring, check before you share'}"
    yield f"- fingerprint of the data as they were read: `{plain(request.metadata.get('data', 'not known'))}`"


def _limits(request: CardRequest) -> Iterator[str]:
    yield from (f"- {LIMITS[player]}" for player in PLAYERS if player in request.players)
    yield "- The model reflects its training data, with their gaps and biases. No figure compares groups of people."
    licence = f"`{request.licence}`" if request.licence else "not stated"
    yield f"- Licence of the weights: {licence}. That of the data may restrict it further."


def _training(request: CardRequest, settings: Mapping[str, Any]) -> Iterator[str]:
    yield f"Sparring {plain(request.metadata.get('sparring', __version__))}, recipe `{request.metadata['recipe']}`:"
    given = request.metadata["settings"]
    yield "\n" + ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in given.items() if value != "")
    if not settings:
        yield "\nThe run folder had no run.json: duration and hardware are not known."
        return
    plan, versions = settings["plan"], settings["versions"]
    yield f"\n{plan['images']:,} examples, seed {settings['request']['seed']}, {plain(settings['hardware'])};"
    yield f"PyTorch {plain(versions['torch'])}, Python {plain(versions['python'])}."
