"""The pages: every link leads somewhere, every term has one meaning, and the words we do not use are not used."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
TERMS, UNUSED = GLOSSARY.split("## Words we do not use")
FORBIDDEN = re.findall(r'"([^"]+)"', "".join(re.findall(r"^\| (.*?) \|", UNUSED, flags=re.MULTILINE)))
GENERATED = {"configuration.md", "tests.md"}  # by the code's own words
READ = [
    *(path for path in PAGES if path.name not in GENERATED | {"glossary.md", "task-module.md"}),
    *sorted((ROOT / "lgtm" / "host" / "scripts").glob("*.sh")),
    ROOT / "Makefile",
    ROOT / ".env.example",
    ROOT / "lgtm" / "report" / "report.html",
]


def anchors(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not link.startswith("http") and (
            not target.exists() or (anchor and anchor not in anchors(target.read_text()))
        ):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One-way changes\n")
    (tmp_path / "a.md").write_text("[](b.md#one-way-changes) [](b.md#other) [](c.md) [](https://example.com/c.md)")
    assert dead(tmp_path / "a.md") == ["b.md#other", "c.md"]


def test_every_page_is_in_the_index_and_the_readme_leads_to_the_glossary() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert {path.name for path in PAGES[1:]} - {"README.md"} == set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert "(docs/glossary.md)" in PAGES[0].read_text()


def test_a_term_has_one_meaning() -> None:
    terms = [
        re.sub(r" \(.*\)", "", term)
        for row in re.findall(r"^\| (?!term|--)(.*?) \| .+ \|$", TERMS, flags=re.MULTILINE)
        for term in row.split(", ")
    ]
    assert len(terms) > 60
    assert [term for term, times in Counter(terms).items() if times > 1] == []
    needed = {"pin", "lock", "drift", "health check", "dry run", "rollback", "revert", "one-way change", "generation"}
    assert needed | {"switch", "window", "dead-man timer", "ring", "gate", "stand-in", "not proved"} <= set(terms)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_the_words_we_do_not_use_are_not_used(path: Path) -> None:
    assert len(FORBIDDEN) > 25
    text = " ".join(path.read_text().lower().split())
    assert [word for word in FORBIDDEN if re.search(rf"\b{re.escape(word)}\b", text)] == []


def test_every_module_that_a_page_names_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"\blgtm(?:\.[a-z_]+)+", page.read_text())}
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "lgtm").rglob("*.py")
    }
    unknown = {name for name in named if name not in modules and name.rpartition(".")[0] not in modules}
    assert len(named) > 5 and unknown == set()
    assert not {name for name in named if name.startswith("lgtm.runs.")} - modules
