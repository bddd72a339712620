"""Read a task from a text without a language model: phrases of a lexicon, negations, numbers with units, names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparring.commands.solving.lexicon import (
    AFTER_COLUMN,
    BARE_AFTER,
    BARE_BEFORE,
    BESIDE_NOUN,
    CLAUSE_ENDS,
    COLUMN_PHRASE,
    CUES,
    JOINED,
    MAKER_WORDS,
    MAKERS,
    MERGED,
    MIN_TYPO_LETTERS,
    NEGATIONS,
    NO_TARGETS,
    NO_TARGETS_ALONE,
    NOT_TYPOS,
    NOUN_USE,
    PREDICT,
    SHORT_NEGATIONS,
    SHORT_WORDS,
    STOP_WORDS,
    TARGETS,
    VOCABULARY,
    Cue,
)
from sparring.commands.solving.mentions import Mention, find_mentions, with_roles
from sparring.commands.solving.number_words import with_digits
from sparring.commands.solving.quantities import ANY_NUMBER, Quantity, find_quantities
from sparring.data.known_names import one_edit

MAX_LETTERS = 4000
"""Letters of a text that are read; a task is a sentence or two."""
Span = tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """What a text says, before any data are opened."""

    text: str
    """The text in lower case, with `<n>` in place of its n-th source."""
    kinds: Mapping[str, str]
    """Kind of task -> the words that name it. One: understood; none: not said; several: ambiguous."""
    mentions: tuple[Mention, ...]
    """Sources with their roles."""
    quantities: Mapping[str, Quantity]
    """minutes, labels, eps, private, count."""
    unread_numbers: tuple[str, ...]
    """Numbers without a meaning."""
    target: str | None
    """Column to predict, in lower case."""
    is_bare: bool
    """True where the text holds nothing but sources and words without content: the data choose the task."""
    typos: Mapping[str, str]
    """Misspelt word -> the word it was read as."""
    contradicted: str | None
    """Words of a task that the text both wants and excludes, of the same source."""

    def mentioned(self, role: str) -> list[str]:
        """Return the sources of this role."""
        return [mention.text for mention in self.mentions if mention.role == role]


@dataclass(frozen=True)
class _Match:
    kind: str
    words: str
    start: int
    end: int
    is_strong: bool
    is_negated: bool


def read_text(text: str) -> Reading:
    """Return what a text says; nothing in it is ever executed."""
    marked, mentions = find_mentions(text[:MAX_LETTERS])
    corrected, typos = _without_typos(with_digits(marked))
    spans = _negated(corrected)
    numbered = ANY_NUMBER.sub("NUMBER", corrected)
    matches = _matches(numbered)
    kinds = _kinds(matches, joined=JOINED.search(corrected) is not None)
    quantities, unread = find_quantities(corrected)
    negated = {name: one for name, one in quantities.items() if _is_within(one.span[0], spans)}
    unread += [one.words for one in negated.values()]
    wanted = [
        mention
        for k, mention in enumerate(with_roles(mentions, corrected))
        if not _is_within(corrected.find(f"<{k}>"), spans) or len(mentions) == 1
    ]
    return Reading(
        text=corrected,
        kinds={kind: _with_names(words, mentions) for kind, words in kinds.items()},
        mentions=tuple(wanted),
        quantities={name: one for name, one in quantities.items() if name not in negated},
        unread_numbers=tuple(unread),
        target=_target(corrected, spans),
        is_bare=not kinds and _is_bare(corrected, mentions),
        typos=typos,
        contradicted=_contradicted(matches, numbered) if len(mentions) < 2 else None,
    )


def _without_typos(text: str) -> tuple[str, dict[str, str]]:
    """Return the text with misspelt words of the vocabulary corrected, and what was corrected."""
    typos = dict[str, str]()
    for word in set(re.findall(rf"(?<![<\w])[a-z-]{{{MIN_TYPO_LETTERS},}}", text)):
        if word in VOCABULARY or word in NOT_TYPOS or f"{word}s" in VOCABULARY:
            continue
        near = sorted(known for known in VOCABULARY if one_edit(word, known))
        if near and not any(cue.phrase.fullmatch(word) for cue in CUES):
            typos[word] = near[0]
    for wrong, right in typos.items():
        text = re.sub(rf"\b{re.escape(wrong)}\b", right, text)
    return re.sub(r"\bcolum\b", "column", text), typos


def _negated(text: str) -> list[Span]:
    """Return the spans that a negation covers: to the end of its clause, or a few words."""
    spans = []
    for match in NEGATIONS.finditer(text):
        end = CLAUSE_ENDS.search(text, match.end())
        stop = end.start() if end else len(text)
        if match[0] in SHORT_NEGATIONS:
            few = re.compile(rf"(?: \S+){{0,{SHORT_WORDS}}}").match(text, match.end())
            stop = min(stop, few.end() if few else stop)
        spans.append((match.start(), stop))
    return spans


def _is_within(place: int, spans: Sequence[Span]) -> bool:
    return any(start <= place < end for start, end in spans)


def _kinds(matches: Sequence[_Match], *, joined: bool) -> dict[str, str]:
    """Return the kinds of task that are wanted, with their words; weak nouns give way to what is to be done.

    `joined`: the text joins several tasks, so that every noun counts.
    """
    wanted = [match for match in matches if not match.is_negated]
    strong = [match for match in wanted if match.is_strong and not joined]
    kinds = dict[str, str]()
    for match in strong or wanted:
        kinds.setdefault(match.kind, match.words)
    merged = MERGED.get(frozenset(kinds))
    return {merged: kinds.get(merged, next(iter(kinds.values())))} if merged else kinds


def _contradicted(matches: Sequence[_Match], text: str) -> str | None:
    """Return the words of a task that are wanted, and excluded without anything that qualifies them."""
    excluded = {
        match.words for match in matches
        if match.is_negated and BARE_BEFORE.search(text[: match.start]) and BARE_AFTER.match(text[match.end :])
    }  # fmt: skip
    wanted = (match.words for match in matches if not match.is_negated and match.kind != PREDICT)
    return next((words for words in wanted if words in excluded and re.fullmatch(r"[a-z '-]+", words)), None)


def _matches(text: str) -> list[_Match]:
    """Return the phrases of the text in their order; of those that overlap the longest."""
    spans = _negated(text)
    every = [
        _Match(
            cue.kind, match[0], match.start(), match.end(),
            _is_strong(text, match, cue.is_verb), _is_within(match.start(), spans),
        )
        for cue in CUES
        for match in cue.phrase.finditer(text)
        if _counts(text, match.start(), cue)
    ]  # fmt: skip
    every.sort(key=lambda match: match.start - match.end)
    kept = list[_Match]()
    for match in every:
        if not any(match.start < other.end and other.start < match.end for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def _counts(text: str, start: int, cue: Cue) -> bool:
    """Return False for the name of a column, and for a noun that stands where it names no task."""
    before = text[:start]
    is_named = cue.is_verb or cue.kind == PREDICT or _is_made(text, start) or bool(BESIDE_NOUN.search(before))
    return is_named and not AFTER_COLUMN.search(before)


def _is_strong(text: str, match: re.Match[str], is_verb: bool) -> bool:
    """Return True for a verb that is no noun, and for a noun that the text wants."""
    return not NOUN_USE.search(text[: match.end()]) if is_verb else _is_made(text, match.start())


def _is_made(text: str, start: int) -> bool:
    """Return True where the words before a noun ask for the thing itself: "train a classifier"."""
    before = re.split(r"[,;:]", text[:start])[-1].split()[-MAKER_WORDS:]
    return MAKERS.search(" ".join(before)) is not None


def _target(text: str, spans: Sequence[Span]) -> str | None:
    """Return the column that the text names."""
    for pattern in TARGETS:
        for match in pattern.finditer(text):
            name = match[1].rstrip(".")
            is_alone = name in NO_TARGETS_ALONE and not match[0].startswith("column")
            if name not in NO_TARGETS and not is_alone and not _is_within(match.start(1), spans):
                return name
    corrected = re.search(r"(?:it is|it's|but) ['\"]?([\w-]+)['\"]?[.!]?$", text)
    return corrected[1] if corrected and COLUMN_PHRASE.search(text) else None


def _with_names(words: str, mentions: Sequence[Mention]) -> str:
    """Return words of the text with its sources in place of `<n>`."""
    return re.sub(r"<(\d+)>", lambda match: mentions[int(match[1])].words, words)


def _is_bare(text: str, mentions: Sequence[Mention]) -> bool:
    names = {word for mention in mentions for word in mention.words.lower().split()}
    words = re.findall(r"[a-z][a-z'-]+", re.sub(r"<\d+>", "", text))
    return all(word in STOP_WORDS or word in names for word in words)
