"""Templates: nothing undefined, nothing left over, every value quoted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lgtm.load.render import quote, read, render
from lgtm.model.errors import Refusal

Rendered = Callable[..., str]


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    (tmp_path / "templates" / "demo").mkdir(parents=True)

    def result(template: str, **values: Any) -> str:
        (tmp_path / "templates" / "demo" / "demo.yml").write_text(template)
        return render(str(tmp_path / "demo.py"), "demo.yml", **values)

    return result


def test_values_are_put_in_their_places(rendered: Rendered) -> None:
    assert rendered("port: {{ port }}\n", port=9090) == "port: 9090\n"


def test_lines_of_logic_leave_nothing_behind(rendered: Rendered) -> None:
    assert rendered("a\n  {% if yes %}\nb\n  {% endif %}\nc\n", yes=True) == "a\nb\nc\n"


@pytest.mark.parametrize("template", ["{{ nothing }}", "{{ some.thing }}", "{% for x in nothing %}{% endfor %}"])
def test_an_undefined_name_is_refused_with_the_template(rendered: Rendered, template: str) -> None:
    with pytest.raises(Refusal, match=r"^templates/demo/demo\.yml: .*(nothing|thing)"):
        rendered(template, some=object())


def test_a_broken_template_is_a_sentence(rendered: Rendered) -> None:
    with pytest.raises(Refusal, match=r"^templates/demo/demo\.yml: "):
        rendered("{% if %}")


@pytest.mark.parametrize("left", ["${HOME}", "TODO", "PLACEHOLDER", "CHANGEME", "{% raw"])
def test_what_is_left_over_is_refused_with_its_line(rendered: Rendered, left: str) -> None:
    with pytest.raises(Refusal, match=r"is left over in line 3 of the result"):
        rendered("a\n\n{{ value }}\n", value=left)


def test_a_word_that_only_looks_like_one_is_not_left_over(rendered: Rendered) -> None:
    assert rendered("$labels MASTODON $1\n") == "$labels MASTODON $1\n"


def test_a_template_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="nope"):
        render(str(tmp_path / "demo.py"), "nope.yml")


def test_a_plugins_templates_lie_in_its_own_package_or_beside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "templates" / "beside").mkdir(parents=True)
    (tmp_path / "templates" / "beside" / "x").write_text("{{ as_it_is }}")
    assert read(str(tmp_path / "tasks" / "beside.py"), "x") == "{{ as_it_is }}"


def test_a_package_and_its_parts_have_the_templates_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "templates" / "blog").mkdir(parents=True)
    (tmp_path / "templates" / "blog" / "x").write_text("beside the folder")
    for part in ("__init__.py", "posts.py"):
        assert read(str(tmp_path / "tasks" / "blog" / part), "x") == "beside the folder"
    (tmp_path / "tasks" / "blog" / "templates" / "blog").mkdir(parents=True)
    (tmp_path / "tasks" / "blog" / "templates" / "blog" / "x").write_text("its own")
    for part in ("__init__.py", "posts.py"):
        assert read(str(tmp_path / "tasks" / "blog" / part), "x") == "its own"


def test_a_part_has_no_templates_of_a_service_of_the_same_name(tmp_path: Path) -> None:
    for service in ("blog", "posts"):
        (tmp_path / "templates" / service).mkdir(parents=True)
        (tmp_path / "templates" / service / "x").write_text(service)
    assert read(str(tmp_path / "tasks" / "blog" / "posts.py"), "x") == "blog"
    with pytest.raises(Refusal, match=r"^templates/blog/nope: "):
        render(str(tmp_path / "tasks" / "blog" / "__init__.py"), "nope")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff\u2028\u2029")))
def test_quoted_text_stays_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"key: {quote(text)}")["key"] == text


@pytest.mark.parametrize(
    "value", ["3.10", "yes", "null", "a: b", "# x", "- y", "'", '"', "\n", 1, 1.5, True, None, ["a"]]
)
def test_a_quoted_value_keeps_its_type(value: Any) -> None:
    found = yaml.safe_load(f"key: {quote(value)}")["key"]
    assert found == value and type(found) is type(value)


def test_the_filter_quotes(rendered: Rendered) -> None:
    assert rendered("a: {{ value | yaml }}\n", value="b: c # d") == 'a: "b: c # d"\n'
