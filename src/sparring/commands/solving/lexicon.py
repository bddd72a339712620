"""Words and phrases by which a text names a task: data, which `reading.py` reads.

A phrase is a regular expression over the words of a text in lower case. In these, `<n>` stands for the n-th file or
name of the text, and NUMBER for a number.
"""

from __future__ import annotations

import re
from typing import NamedTuple

KINDS: dict[str, str] = {
    "generate": "new examples like those in the data",
    "classify": "the class of each example",
    "few labels": "the class of each example, learnt from few labels",
    "regress": "a number for each example",
    "density": "how likely each example is",
    "outliers": "the examples that are unlike the others",
    "restore": "a damaged, noisy or small picture repaired",
    "harden": "a classifier that withstands small changes",
    "attack": "small changes that fool a classifier",
    "certify": "radii within which no change fools a classifier",
    "evaluate": "scores of samples against real data, or of a classifier's answers",
}
"""Kind of task -> what it gives, in the words of messages."""
PREDICT = "predict"
"""Classes or numbers: the data choose."""
OTHER = "other"
"""What Sparring does not do."""


class Cue(NamedTuple):
    """A phrase that names a kind of task."""

    kind: str
    phrase: re.Pattern[str]
    is_verb: bool
    """True for what is to be done; a noun may be its object, as in "attack the classifier"."""


def _cues(kind: str, *phrases: str, is_verb: bool = True) -> list[Cue]:
    return [Cue(kind, re.compile(rf"\b(?:{phrase})\b"), is_verb) for phrase in phrases]


def words_of(text: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(text.split())


THINGS = (
    "samples|images|pictures|photos|faces|digits|rows|flowers|characters|letters|words|sounds|series|examples|copies|"
    "ones|icons|patterns|paths|clips|[a-z]+s"
)
"""What is counted and made: plural nouns."""
_SOME = r"(?:[\w'-]+ ){0,3}"
"""Up to three words between two parts of a phrase."""
_NOT_MADE = "report|summary|plot|chart|graph|code|program|story|essay|password|text|music|song|video|list|poem|website"
_LOOKS = r"(?:looks?|seems?|smells?) "
_WRONG = r"(?:wrong|off|odd|strange|weird|suspicious|suspect|fishy|out of place|unusual|abnormal)"
_A_RUN = r"(?: the| my| our| your)?(?: classifier| model| run| regressor)?(?= <)"  # a name follows
_FOOL = r"(?:fool|attack|trick|deceive|break)"
_SMALL = r"(?:small|tiny|little|slight|minor|imperceptible|invisible) "

CUES: list[Cue] = [
    *_cues(
        "generate",
        r"generat(?:e|es|ing)", r"synthesi[sz](?:e|es|ing)", r"draw (?:me )?" + _SOME + "(?:new|more|further)",
        r"sample (?:some |NUMBER )?new", r"synthetic", r"in the (?:style|manner) of", r"made-up", r"augment the data",
        r"(?:make|give|create|produce|invent|need) (?:me )?(?:some |any |NUMBER )?(?:new|more|further|fresh)",
        r"(?:some )?more " + _SOME + r"(?:like|of the same)",
    ),
    *_cues("generate", r"gans?", r"generators?", r"generative", is_verb=False),
    *_cues("generate", rf"(?:new|fresh|further) (?:[\w-]+ )?(?:{THINGS})", is_verb=False),
    *_cues(
        "classify",
        r"classify(?:ing)?", r"classifies", r"classification", r"recogni[sz](?:e|es|ing)", r"recognition",
        r"tells? (?:[\w'<>/-]+ ){0,8}apart", r"tells? apart", r"tells? [\w'-]+ from", r"distinguish", r"identify",
        r"(?:know|name|find|say|tells?|telling)(?: us| me)? (?:the|which|what) (?:species|class|kind|category|type)",
        r"which of (?:my|the|these|our)", r"who (?:is|are|earns?|will|has|have|buys?|leaves?)", r"(?:to )?read them",
        r"sort (?:[\w'<>/-]+ ){1,8}in ?to", r"categori[sz]e",
    ),
    *_cues("classify", r"classifiers?", is_verb=False),
    *_cues(
        "few labels",
        r"few labels", r"NUMBER labels?", r"only NUMBER of", r"semi-?supervised", r"labels? .{0,20}few only",
        r"NUMBER (?:of (?:them|the) )?" + _SOME + r"(?:are )?labell?ed", r"label(?:led|ed)? (?:only )?(?:a few|NUMBER)",
        r"(?:a )?few (?:of (?:them|the) )?" + _SOME + r"(?:are )?labell?ed", r"hardly any labels",
    ),
    *_cues(
        "regress",
        r"regression", r"regress", r"what will the [\w-]+ be", r"predict (?:the|a) number",
        r"how (?:much|many) [\w<> ]+ (?:will|would|costs?|weighs?)", r"says how much",
    ),
    *_cues(
        "density",
        r"density", r"log-?likelihoods?", r"likelihoods?", r"how (?:likely|probable|typical)", r"bits per dimension",
    ),
    *_cues(
        "outliers",
        r"outliers?", r"anomal(?:y|ies|ous)", r"something is (?:off|wrong|odd|strange)", r"novelt(?:y|ies)", r"weird",
        r"odd", r"strange", r"unusual", r"abnormal", r"suspicious", r"fraudulent", r"fishy", _LOOKS + _WRONG,
        r"which of (?:[\w'<>/-]+ ){1,6}" + _LOOKS + _WRONG,
        r"(?:not like|unlike) the (?:rest|other)s?",
    ),
    *_cues(
        "restore",
        r"inpaint(?:ing)?", r"denois(?:e|es|ing)",
        r"(?:remove|reduce|clean up) (?:the )?(?:[\w-]+ )?(?:noise|grain|artefacts|artifacts|scratch(?:es)?|stains?)",
        r"(?:make|need|want) (?:it|them|<\d+>) (?:[\w-]+ ){0,2}(?:larger|bigger)",
        r"fill (?:it|them|the hole|the holes|the gap)(?: in)?", r"fill in", r"enlarge", r"upscale", r"grainy", r"noisy",
        r"super-?resol(?:ution|ve)", r"restor(?:e|ing)", r"repair", r"retouch",
    ),
    *_cues("restore", r"scratch(?:es)?", r"noise", is_verb=False),
    *_cues("restore", r"(?:(?:big|large|small|dark|coffee|ink|water|oil) ){0,3}(?:stain|crease)s?", is_verb=False),
    *_cues(
        "harden",
        r"harden(?:ing)?", r"(?:harden|robust|safe|protect\w*) (?:[\w'<>-]+ ){0,5}against (?:[\w-]+ ){0,2}attacks?",
        r"robust " + _SOME + "(?:classifier|model|network)", r"adversarial(?:ly)? train(?:ing|ed)",
        r"(?:holds?|stands?) up (?:against|to)", r"withstands?", r"resists?", r"(?:safe|protected?) against",
        r"shrugs? off", _SMALL + r"(?:changes?|tampering|perturbations?|modifications?)", r"tampering",
        r"perturbations?",
        r"(?:must|should|can) ?(?:not|never) be (?:fooled|attacked|tricked|deceived)",
        r"no(?:body| ?-?one|thing) (?:must|should|can|could|may) (?:be able to )?" + _FOOL,
    ),
    *_cues("harden", r"robust(?:ness)?", is_verb=False),
    *_cues(
        "attack",
        r"attack(?:s|ing)?", r"fool(?:s|ed|ing)?", r"adversarial examples?", r"how robust", r"break (?:my|the) model",
        r"pgd", r"fgsm", r"autoattack", r"deceiv(?:e|es|ing)", r"trick(?:s|ed|ing)?", r"adversarial attacks?",
    ),
    *_cues("certify", r"certif(?:y|ies|ied|ication|icates?)", r"provabl[ey]", r"guarantees?"),
    *_cues("certify", r"prov(?:e|es|ing) that no", r"randomi[sz]ed smoothing"),
    *_cues(
        "evaluate",
        r"evaluate", r"how good are", r"fid", r"fr[eé]chet", r"scores? (?:of )?(?:the )?samples",
        r"compare[sd]? (?:the )?samples", r"(?:any )?worse than the real", r"looks? anything like",
        r"measure (?:the )?(?:(?:quality|scores?) of (?:the )?)?samples",
        r"(?:measure|check|compute|report) (?:the )?accuracy of" + _A_RUN, r"how accurate is" + _A_RUN,
    ),
    *_cues(
        PREDICT,
        r"predict(?:s|ing|ion|ions)?", r"forecast(?:s|ing)?",
        r"estimate (?:the )?(?:price|cost|amount|value|age|weight|height|size|salary|sales|demand|rent|temperature)s?",
    ),
    *_cues(PREDICT, r"column", is_verb=False),
    *_cues(
        OTHER,
        r"(?:generate|make|write|draw|create) (?:a |an |the |some |me )*(?:" + _NOT_MADE + ")s?",
        r"(?:generate|make|classify|attack|train|restore|evaluate) nothing", r"translat(?:e|es|ing|ion)",
        r"segment(?:s|ing|ation)?", r"summari[sz]e", r"caption", r"colou?ri[sz]e", r"transcribe", r"delete", r"upload",
        r"erase (?:all|every|my|the) (?:files?|data)", r"rm -\w+",
        r"measure (?:the )?(?:accuracy|errors?) of (?:the |my |our )?(?:classifier|model)",
        r"e?-?mail me", r"restore (?:my|the) (?:backup|database|files?|system)",
    ),
]  # fmt: skip
"""All phrases; of two that overlap the longer one counts."""

MAKERS = re.compile(r"\b(?:train|make|build|want|need|only|just|plain|create|learn|like|plus|and|also)\b")
"""Words before a noun that ask for the thing itself."""
MAKER_WORDS = 3
"""Largest number of words between a maker and its noun."""
NOUN_USE = re.compile(r"\b(?:the|an?|new|this|that|our|my|your|last) (?:attacks?|tricks?|fools?)$")
"""A verb that is a noun: "the new attack on prices"."""
BESIDE_NOUN = re.compile(r"(?:^|[,;:.]|\b(?:an?|on|for|of|the|me|us|some|as)|>|NUMBER|^\S+)\s*$")
"""What stands before a noun that names a task without a verb: "a GAN for mnist"; not "our diesel generator"."""
JOINED = re.compile(r"\b(?:plus|also|then|after that|afterwards)\b")
"""Words between two tasks: every noun counts then."""
AFTER_COLUMN = re.compile(r"\b(?:column|target)(?: is| called| named| to predict is)* ['\"]?$")
"""What stands before the name of a column, which names no task."""
MERGED: dict[frozenset[str], str] = {
    frozenset({"few labels", "classify"}): "few labels",
    frozenset({"harden", "classify"}): "harden",
    frozenset({"density", "outliers"}): "outliers",
    frozenset({"harden", "attack"}): "attack",
    frozenset({"harden", "certify"}): "certify",
    frozenset({"regress", PREDICT}): "regress",
    frozenset({"classify", PREDICT}): "classify",
    frozenset({"few labels", PREDICT}): "few labels",
    frozenset({"few labels", "classify", PREDICT}): "few labels",
    frozenset({"harden", "classify", PREDICT}): "harden",
}
"""Kinds of task that together are one."""

NEGATIONS = re.compile(
    r"\b(?:no need (?:for|of|to)|never mind|do not|don't|dont|doesn't|isn't|aren't|not(?! like| more than)|"
    r"no(?! more than| less than| later than|[ -]?one (?:must|should|can|could|may)\b)|never|neither|nor|forget|"
    r"without|instead of|rather than|except|nothing(?! (?:must|should|can|could|may)\b))\b"
)
SHORT_NEGATIONS = ("without", "instead of", "rather than", "except", "isn't", "nor")
"""Negations of the next SHORT_WORDS words alone."""
SHORT_WORDS = 3
CLAUSE_ENDS = re.compile(r"[,;:!?]|\.(?=\s|$)|(?<!n't )(?<!not )\b(?:but|only|just|make|train|build|i want)\b")
"""Where a negation ends."""

BARE_BEFORE, BARE_AFTER = re.compile(r"\b(?:an?|the|any|no|not|don't) $"), re.compile(r"\s*(?:$|[.,;!?])")
"""What surrounds excluded words of a task that nothing qualifies: "don't train a classifier."."""

NOT_TYPOS = words_of(
    "garden gardens attach attached simple ample venerate tool pool fooled likely lively restore restored store "
    "stored scratchy attic stack repaint regret robots robot harder hardens reports report identity genera poise "
    "posies pictured columns trains"
)
"""Words near a cue that are words themselves."""
MIN_TYPO_LETTERS = 5
"""Letters of the shortest word that is taken for a misspelt cue."""
VOCABULARY = words_of(
    "generate generator classify classifier recognize recognise labels labelled outliers outlier attack certify "
    "evaluate denoise inpaint enlarge restore harden robust density regression synthetic synthesise anomaly "
    "anomalies likelihood minutes seconds samples distinguish categorise adversarial remove noise column predict "
    "suspicious unusual species"
)
"""Words that a misspelt one may stand for."""

MINUTES_OF = {"second": 1 / 60, "sec": 1 / 60, "s": 1 / 60, "minute": 1, "min": 1, "hour": 60, "h": 60, "hr": 60}
"""Unit of time -> minutes."""

TARGETS = (
    re.compile(r"\bcolumn (?:to predict )?(?:is |named |called )*['\"]?([\w.-]+)"),
    re.compile(r"\b([\w.-]+) column\b"),
    re.compile(r"\b(?:target|label|outcome)(?: is| =|:)? ['\"]?([\w.-]+)"),
    re.compile(r"\bpredict the (?:numbers?|values?) (?:in|of) (?:the )?['\"]?([\w.-]+)"),
    re.compile(r"\b(?:predict|forecast|estimate|regress) (?:the )?['\"]?([\w.-]+)['\"]?"),
    re.compile(r"\bwhat will the ([\w-]+) be"),
)
"""Phrases that name the column to predict, the clearest first."""
NO_TARGETS = words_of(
    "is test rest new it them the a part data set which what for of in to with on isn't other last first probability "
    "column columns from"
)
NO_TARGETS_ALONE = words_of("label labels class classes number numbers")
"""Words that are columns after the word `column` alone."""
COLUMN_PHRASE = re.compile(r"\bcolumns?\b|\btarget\b")
STOP_WORDS = words_of(
    "a an the of on in for my our with and to from data dataset set sets please some this that these those it is are "
    "i want you can could do something model use using by at within seconds minutes minute min mins hours hour images "
    "pictures photos rows samples help me train learn network neural all them labels labelled"
)
"""Words that leave a text without a task as bare as a name alone."""
