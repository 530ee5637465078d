"""Task modules that are packages: a service with parts is found like any other, here and in another package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from lgtm.load import plugins
from lgtm.model.component import Artifact, Component, Unit, limited
from lgtm.model.errors import Refusal
from lgtm.model.settings import ServiceSettings

SETTINGS = """
from lgtm.task import ServiceSettings

class BlogSettings(ServiceSettings):
    version: str = "1.0"
"""
BLOG = """
from lgtm.task import Component, read
from .settings import BlogSettings

def component(settings: BlogSettings, site: object) -> Component: ...

def checks(settings: BlogSettings, site: object) -> list: return []

TEXT = read(__file__, "blog.yml")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another package, whose module `blog` has parts and templates, behind an entry point."""
    folder = tmp_path / "another_package" / "blog"
    (folder.parent / "templates" / "blog").mkdir(parents=True)
    (folder.parent / "templates" / "blog" / "blog.yml").write_text("hello")
    folder.mkdir()
    (folder / "settings.py").write_text(SETTINGS)
    (folder / "__init__.py").write_text(BLOG)
    point = EntryPoint("blog", "another_package.blog", plugins.ENTRY_POINTS)

    def found(group: str) -> list[Any]:
        return [point] if group == plugins.ENTRY_POINTS else []

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "entry_points", found)
    forget()
    yield folder
    forget()


def forget() -> None:
    plugins.tasks.cache_clear()
    plugins._modules.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "another_package"]:
        del sys.modules[name]


def test_a_service_with_parts_is_found_with_its_settings_and_templates(package: Path) -> None:
    blog = plugins.tasks()["blog"]
    assert blog.settings.__name__ == "BlogSettings" and "blog_version" in blog.keys
    assert sys.modules["another_package.blog"].TEXT == "hello"


def test_settings_of_another_module_are_none_of_its_own(package: Path) -> None:
    (package / "settings.py").write_text("from lgtm.task import ServiceSettings as BlogSettings\n")
    with pytest.raises(Refusal, match=r"^another_package\.blog: .*has 0$"):
        plugins.tasks()


def test_the_stacks_services_are_those_with_a_component() -> None:
    services = plugins.tasks().keys()
    assert {"prometheus", "alertmanager", "grafana", "node_exporter"} <= services
    assert not services & {"shared", "volumes", "rollback", "diagnosis"}


def test_the_settings_of_a_service_limit_it_without_its_module_naming_them(package: Path) -> None:
    unit = 'Component("blog", Artifact("blog", settings.version), Unit(("{artifact}/blog",)), "http://127.0.0.1/", ())'
    module = (package / "__init__.py").read_text().replace("-> Component: ...", f"-> Component:\n    return {unit}")
    (package / "__init__.py").write_text(module.replace("import Component,", "import Artifact, Component, Unit,"))
    blog = plugins.tasks()["blog"]
    settings = blog.settings(http_port=80, memory_max=2**30, cpu_cores=1.5, stop_timeout=7, ready_timeout=8)
    found = blog.component(settings, None)
    assert (found.unit.memory_max, found.unit.cpu_cores, found.unit.stop_timeout) == (2**30, 1.5, 7)
    assert found.ready_timeout == 8


def test_a_limit_that_a_module_writes_holds_until_somebody_sets_it() -> None:
    unit = Unit(("{artifact}/blog",), memory_max=2**28, stop_timeout=300)
    written = Component("blog", Artifact("blog", "1"), unit, "http://127.0.0.1/", (), ready_timeout=90)
    kept = limited(written, ServiceSettings(version="1", http_port=80))
    assert (kept.unit.memory_max, kept.unit.stop_timeout, kept.ready_timeout) == (2**28, 300, 90)
    set_ = limited(
        written, ServiceSettings(version="1", http_port=80, memory_max=None, stop_timeout=60, ready_timeout=60)
    )
    assert (set_.unit.memory_max, set_.unit.stop_timeout, set_.ready_timeout) == (None, 60, 60)
