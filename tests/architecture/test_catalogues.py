"""Text for people: both languages say the same things, and every refusal has words.

Must not judge a translation.
"""

from __future__ import annotations

import ast
import string
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import CONSOLE, ROOT, SERVICES, NothingToCheckError, dotted, parsed, write_tree

LANGUAGES = ("zh-CN", "en")
#: shared/errors.py: the kinds of refusal, and the parts an Invalid is made of.
REFUSALS = (
    "Refusal", "Invalid", "NotFound", "Conflict", "Forbidden", "Unauthenticated", "TooMany", "Unavailable", "Fault",
)  # fmt: skip


def catalogue(root: Path, folder: str, language: str) -> dict[str, str]:
    """The texts of one folder in one language; nested tables become dotted keys."""

    def flat(table: dict[str, object], prefix: str = "") -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in table.items():
            if isinstance(value, dict):
                found |= flat(value, f"{prefix}{key}.")
            else:
                found[f"{prefix}{key}"] = str(value)
        return found

    texts: dict[str, str] = {}
    for path in sorted((root / folder / "texts").rglob(f"{language}.toml")):
        found = flat(tomllib.loads(path.read_text("utf-8")))
        twice = sorted(texts.keys() & found.keys())
        assert not twice, f"{path}: said elsewhere already: {twice}"
        texts |= found
    if not texts:
        raise NothingToCheckError(f"{folder}/texts holds no text in {language}")
    return texts


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def faults_of_catalogues(root: Path, folder: str) -> list[str]:
    """What one language has and the other lacks: keys, placeholders, words at all."""
    chinese, english = (catalogue(root, folder, language) for language in LANGUAGES)
    faults = [f"{folder}: {key} is in one language only" for key in sorted(set(chinese) ^ set(english))]
    for key in sorted(set(chinese) & set(english)):
        if placeholders(chinese[key]) != placeholders(english[key]):
            faults.append(f"{folder}: {key}: the placeholders differ")
        if not (chinese[key].strip() and english[key].strip()):
            faults.append(f"{folder}: {key}: empty")
    return faults


def refusals(root: Path, folder: str) -> list[tuple[str, str]]:
    """Where a refusal is made with a literal code, and the code."""
    found = []
    for name, module in parsed(root, folder):
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or dotted(node.func).rpartition(".")[2] not in REFUSALS:
                continue
            given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "code")]
            found += [
                (f"{name}:{node.lineno}", each.value)
                for each in given
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
    return found


def faults_of_refusals(root: Path, folder: str, texts: set[str]) -> list[str]:
    """Refusals that have no words in the catalogues."""
    made = refusals(root, folder)
    if not made:
        raise NothingToCheckError(f"{folder} refuses nothing")
    return [f"{where}: no text for '{code}'" for where, code in made if code not in texts]


FOLDERS = ("shared", *(f"services/{service}" for service in SERVICES))


@pytest.mark.parametrize("folder", [*FOLDERS, f"services/{CONSOLE}"])
def test_both_languages_say_the_same(folder: str) -> None:
    assert faults_of_catalogues(ROOT, folder) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_refusal_has_words(folder: str) -> None:
    texts = set(catalogue(ROOT, "shared", "en")) | set(catalogue(ROOT, folder, "en"))

    assert faults_of_refusals(ROOT, folder, texts) == []


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ('"a.b" = "甲"\n"a.c" = "乙"\n', '"a.b" = "A"\n'),
        ('"a.b" = "甲 {number}"\n', '"a.b" = "A {count}"\n'),
        ('"a.b" = " "\n', '"a.b" = "A"\n'),
    ],
)
def test_a_difference_between_the_languages_is_found(tmp_path: Path, chinese: str, english: str) -> None:
    write_tree(tmp_path, {"x/texts/zh-CN.toml": chinese, "x/texts/en.toml": english})

    assert len(faults_of_catalogues(tmp_path, "x")) == 1


def test_a_refusal_without_words_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path, {"x/commands.py": "raise errors.Conflict('vote.already_cast', field='choice')\n"})

    assert faults_of_refusals(tmp_path, "x", {"vote.not_on_roll"}) == [
        "x/commands.py:1: no text for 'vote.already_cast'"
    ]
    assert faults_of_refusals(tmp_path, "x", {"vote.already_cast"}) == []


def test_an_empty_catalogue_or_a_folder_without_refusals_fails(tmp_path: Path) -> None:
    write_tree(tmp_path, {"x/texts/zh-CN.toml": "", "x/commands.py": "x = 1\n"})

    with pytest.raises(NothingToCheckError):
        faults_of_catalogues(tmp_path, "x")
    with pytest.raises(NothingToCheckError):
        faults_of_refusals(tmp_path, "x", set())
