"""What programs take from NLTK, where it is not installed: words of a text, common words, and their stems.

A network is trained on numbers of words; which words they are makes no difference to what it computes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_COMMON = (
    "i me my we our you your he him his she her it its they them what which who this that these those am "
    "is are was were be been have has had do does did a an the and but if or because as of at by for with "
    "to from in out on off then here there all any no nor not so"
)
_ENDINGS = ("ing", "edly", "ed", "es", "ly", "s")
_LEAST = 3
"""letters of a stem"""


def word_tokenize(text: str, *_: Any, **__: Any) -> list[str]:
    """Words and marks."""
    return _WORD.findall(text)


def sent_tokenize(text: str, *_: Any, **__: Any) -> list[str]:
    """Sentences."""
    return [part for part in _SENTENCE.split(text.strip()) if part]


class RegexpTokenizer:
    """The parts of a text that fit a pattern, or that lie between such."""

    def __init__(self, pattern: str = r"\w+", gaps: bool = False, **_: Any) -> None:
        self._pattern = re.compile(pattern)
        self._gaps = gaps

    def tokenize(self, text: str) -> list[str]:
        """The parts."""
        return [part for part in self._pattern.split(text) if part] if self._gaps else self._pattern.findall(text)


class Tokenizer:
    """Any other tokenizer."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def tokenize(self, text: str) -> list[str]:
        """Words and marks."""
        return word_tokenize(text)


class Stemmer:
    """Takes common endings off."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def stem(self, word: str, *_: Any) -> str:
        """The word without its ending."""
        word = word.lower()
        return next(
            (word[: -len(end)] for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _LEAST), word
        )

    def lemmatize(self, word: str, *_: Any, **__: Any) -> str:
        """The word itself, as it is for most."""
        return word


class Stopwords:
    """``nltk.corpus.stopwords``."""

    def words(self, *_: Any) -> list[str]:
        """The commonest words of English, whatever the language."""
        return _COMMON.split()


_TOKENIZE = {
    "word_tokenize": word_tokenize,
    "wordpunct_tokenize": word_tokenize,
    "sent_tokenize": sent_tokenize,
    "RegexpTokenizer": RegexpTokenizer,
    **dict.fromkeys(
        ("TweetTokenizer", "TreebankWordTokenizer", "WhitespaceTokenizer", "WordPunctTokenizer"), Tokenizer
    ),
}
_STEM = dict.fromkeys(("PorterStemmer", "SnowballStemmer", "LancasterStemmer", "WordNetLemmatizer"), Stemmer)
NAMES: dict[str, dict[str, Any]] = {
    "nltk": {**_TOKENIZE, **_STEM, "FreqDist": Counter, "download": lambda *_, **__: True},
    "nltk.tokenize": _TOKENIZE,
    "nltk.stem": _STEM,
    **{f"nltk.stem.{module}": _STEM for module in ("porter", "snowball", "wordnet", "lancaster")},
    "nltk.corpus": {"stopwords": Stopwords()},
    "nltk.probability": {"FreqDist": Counter},
}
