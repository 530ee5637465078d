"""`artifacts.lock` and `make pins`: what is recorded, what is left alone, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lgtm.artifacts.pins import Pins, main, published
from lgtm.model.errors import Exit, Refusal

A, B, C = "a" * 64, "b" * 64, "c" * 64
HEAD = """# head comment, kept

[prometheus]  # kept too
url = "{site}/v{{version}}/prometheus-{{version}}.linux-{{arch}}.tar.gz"
sums = "{site}/v{{version}}/sha256sums.txt"
layout = "tar"
members = ["prometheus"]

# known by half
[prometheus.versions."3.13.3"]
amd64 = "{a}"

# the comment of mimir
[mimir]
url = "{site}/mimir-{{version}}/mimir-linux-{{arch}}"
sums = "{site}/mimir-{{version}}/mimir-linux-{{arch}}-sha-256"
layout = "binary"
members = ["mimir"]

[mimir.versions."2.11.0"]
"""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Upstream's checksum files on loopback, and its own address under the key ""."""
    found = {
        "/v3.13.3/sha256sums.txt": f"{A}  prometheus-3.13.3.linux-amd64.tar.gz\n"
        f"{C}  prometheus-3.13.3.linux-armv7.tar.gz\n{B}  prometheus-3.13.3.linux-arm64.tar.gz\n",
        "/mimir-2.11.0/mimir-linux-amd64-sha-256": f"{B}\n",
        "/mimir-2.11.0/mimir-linux-arm64-sha-256": C,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found[""] = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


@pytest.fixture
def path(pages: dict[str, str], tmp_path: Path) -> Path:
    file = tmp_path / "artifacts.lock"
    file.write_text(HEAD.format(site=pages[""], a=A))
    return file


@pytest.mark.parametrize(
    "text",
    [
        f"{B}  other.zip\n{A}  loki.zip\n",
        f"{A} *loki.zip\n",
        f"{A}  ./loki.zip\n{B}  loki.zip.deb\n",
        f"{A}\n",
        A.upper(),
    ],
)
def test_every_published_format_is_read(text: str) -> None:
    assert published(text, "loki.zip") == A


@pytest.mark.parametrize("text", ["", "<html>gone</html>", f"{A}  other.zip\n", f"{A[:63]}\n", f"{A}\n{B}\n"])
def test_nothing_is_guessed_from_a_text_that_has_no_sum(text: str) -> None:
    assert published(text, "loki.zip") is None


def test_missing_sums_are_recorded_and_all_else_is_kept(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = path.read_text().splitlines()
    assert main([], path) == Exit.OK
    after = path.read_text().splitlines()
    assert [line for line in after if line in before] == before
    assert [line for line in after if line not in before] == [
        f'arm64 = "{B}"',
        f'amd64 = "{B}"',
        f'arm64 = "{C}"',
    ]
    assert after[after.index(f'amd64 = "{A}"') + 1] == f'arm64 = "{B}"'
    assert Pins.load(path).pin("mimir").versions["2.11.0"] == {"amd64": B, "arm64": C}
    said = capsys.readouterr().out
    assert f"mimir 2.11.0 amd64 {B}" in said and f"prometheus 3.13.3 arm64 {B}" in said
    assert "3.13.3 amd64" not in said


def test_a_second_run_records_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], path)
    text = path.read_text()
    assert main([], path) == Exit.OK
    assert path.read_text() == text
    assert "nothing to record" in capsys.readouterr().out


def test_a_new_pin_goes_behind_its_artifacts_last_row(path: Path, pages: dict[str, str]) -> None:
    rows = f"{A}  prometheus-3.15.0.linux-amd64.tar.gz\n{B}  prometheus-3.15.0.linux-arm64.tar.gz\n"
    pages["/v3.15.0/sha256sums.txt"] = rows
    assert main(["prometheus", "3.15.0"], path) == Exit.OK
    new = f'\n[prometheus.versions."3.15.0"]\namd64 = "{A}"\narm64 = "{B}"\n\n# the comment of mimir\n'
    assert new in path.read_text()
    assert Pins.load(path).pin("mimir").versions["2.11.0"] == {}


def test_the_first_pin_of_an_artifact_goes_behind_its_head(path: Path) -> None:
    path.write_text(path.read_text().replace('\n[mimir.versions."2.11.0"]\n', ""))
    assert main(["mimir", "2.11.0"], path) == Exit.OK
    assert Pins.load(path).pin("mimir").versions == {"2.11.0": {"amd64": B, "arm64": C}}


def failed(path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said by a run that fails and leaves the file as it is."""
    text = path.read_text()
    assert main(arguments, path) == Exit.FAILED
    assert path.read_text() == text
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return capsys.readouterr().err


def test_an_unreachable_upstream_leaves_the_file_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(HEAD.format(site="http://127.0.0.1:2", a=A))
    said = failed(path, [], capsys)
    assert "without a sum: mimir 2.11.0 amd64: 127.0.0.1:2 did not answer" in said
    assert "without a sum, and no host here needs it: prometheus 3.13.3 arm64: 127.0.0.1:2 did not answer" in said
    assert "artifacts.lock still lacks 3; a deploy refuses only what it needs" in said


def test_what_is_published_is_recorded_whatever_else_is_missing(
    path: Path, pages: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One address that answers 404, for an architecture that no host here has, fails nothing."""
    del pages["/mimir-2.11.0/mimir-linux-arm64-sha-256"]
    assert main([], path) == Exit.OK
    lock, (said, missing) = Pins.load(path), capsys.readouterr()
    assert lock.pin("mimir").versions["2.11.0"] == {"amd64": B}
    assert lock.pin("prometheus").versions["3.13.3"] == {"amd64": A, "arm64": B}
    assert said.splitlines() == [f"prometheus 3.13.3 arm64 {B}", f"mimir 2.11.0 amd64 {B}"]
    assert (
        "no host here needs it: mimir 2.11.0 arm64: " in missing and "mimir-linux-arm64-sha-256 answered 404" in missing
    )


@pytest.mark.parametrize(
    ("arch", "folder", "text", "code"),
    [
        ("amd64", "", "", Exit.FAILED),
        ("arm64", "group_data", 'arch = "arm64"\n', Exit.FAILED),
        ("arm64", "inventories", "one = [('one', {'arch': 'arm64'})]\n", Exit.FAILED),
        ("arm64", "group_data", '# arch = "arm64"\n', Exit.OK),
    ],
)
def test_a_sum_that_hosts_here_need_fails_the_run_which_records_the_others(
    path: Path, pages: dict[str, str], capsys: pytest.CaptureFixture[str], arch: str, folder: str, text: str, code: Exit
) -> None:
    if folder:
        (path.parent / folder).mkdir()
        (path.parent / folder / "one.py").write_text(text)
    del pages[f"/mimir-2.11.0/mimir-linux-{arch}-sha-256"]
    assert main([], path) == code
    assert Pins.load(path).pin("prometheus").versions["3.13.3"] == {"amd64": A, "arm64": B}
    [other] = Pins.load(path).pin("mimir").versions["2.11.0"]
    assert other != arch and f": mimir 2.11.0 {arch}: " in capsys.readouterr().err


def test_a_404_is_no_silence_of_the_server(path: Path, pages: dict[str, str]) -> None:
    del pages["/v3.13.3/sha256sums.txt"]
    assert main([], path) == Exit.OK, "what is asked of the same server after it is answered"
    assert Pins.load(path).pin("mimir").versions["2.11.0"] == {"amd64": B, "arm64": C}


def test_a_list_without_our_file_is_a_sentence(
    path: Path, pages: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    pages["/v9/sha256sums.txt"] = f"{A}  other\n{B}  another\n"
    assert "has no sha256 of prometheus-9.linux-amd64.tar.gz" in failed(path, ["prometheus", "9"], capsys)


def test_a_published_sum_that_contradicts_ours_is_never_recorded(
    path: Path, pages: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    pages["/v3.13.3/sha256sums.txt"] = pages["/v3.13.3/sha256sums.txt"].replace(A, C)
    assert main([], path) == Exit.FAILED
    said = capsys.readouterr().err
    assert f"prometheus 3.13.3 amd64: artifacts.lock says {A}" in said and f"says {C}; nothing was recorded" in said
    assert Pins.load(path).pin("prometheus").versions["3.13.3"] == {"amd64": A}, "nothing of that row"
    assert Pins.load(path).pin("mimir").versions["2.11.0"] == {"amd64": B, "arm64": C}, "all of the others"


def test_an_unknown_artifact_is_a_sentence(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean mimir" in failed(path, ["mimirr", "1"], capsys)


def test_a_wrong_command_line_is_a_usage_error(path: Path) -> None:
    assert main(["mimir"], path) == Exit.USAGE


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('layout = "tar"', 'layout = "rpm"', r"\[prometheus\] layout = 'rpm'"),
        ('layout = "tar"', 'layuot = "tar"', r"\[prometheus\] layout = None"),
        ('layout = "tar"', 'layout = "tar"\nstrip = 1', r"\[prometheus\] strip = 1"),
        ('members = ["mimir"]', 'members = "mimir"', r"\[mimir\] members = 'mimir'"),
        (f'"{A}"', '"abc"', r"prometheus 3\.13\.3: amd64 = 'abc' is no sha256"),
        ("amd64 =", "riscv =", "riscv ="),
        ("[mimir]", "[mimir", "is not TOML"),
        ("# head comment, kept", "mimirtool = 3", r"\[mimirtool\] url = None"),
    ],
)
def test_a_lock_file_that_makes_no_sense_is_refused(path: Path, old: str, new: str, said: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(Refusal, match=said):
        Pins.load(path)


def test_a_missing_lock_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"artifacts\.lock cannot be read"):
        Pins.load(tmp_path / "artifacts.lock")
