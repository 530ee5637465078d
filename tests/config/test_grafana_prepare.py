"""Before Grafana starts: the key is kept, the database is backed up, the password is set."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sites import ROOT

SCRIPT = ROOT / "templates" / "grafana" / "prepare.sh"
# Notes its arguments, changes the database as a migration would, and keeps the password it is given.
GRAFANA = """\
#!/bin/sh
echo "$@" >>"$0.asked"
[ ! -e "$0.broken" ] || { echo 'database is locked' >&2; exit 1; }
echo migrated >>DATA/grafana.db
cat >DATA/password
"""
FULL = """\
#!/bin/sh
for last; do :; done
head -c 3 "$1" >"$last"
{then}
"""


@dataclass
class Machine:
    """A Grafana without Grafana."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def prepare(
        self, version: str = "12.4.2", path: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the script; `path` names programs that take the place of others."""
        tools = self.folder / "tools"
        for name, text in (path or {}).items():
            tools.mkdir(exist_ok=True)
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        first = f"{tools}:" if path else ""
        command = [
            "/bin/sh",
            SCRIPT,
            self.folder / "artifact",
            version,
            "/etc/grafana.ini",
            self.data,
            self.folder / "pw",
        ]
        environment = {"PATH": f"{first}{os.environ['PATH']}"}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def database(self, text: str = "rows\n") -> None:
        (self.data / "grafana.db").write_text(text)

    def backups(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted((self.data / "backup").glob("*"))}

    @property
    def asked(self) -> str:
        path = self.folder / "artifact" / "bin" / "grafana.asked"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which Grafana has never started."""
    found = Machine(tmp_path)
    found.data.mkdir()
    (tmp_path / "pw").write_text("s3cret-in-force")
    program = tmp_path / "artifact" / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text(GRAFANA.replace("DATA", str(found.data)))
    program.chmod(0o755)
    return found


@pytest.fixture
def used(machine: Machine) -> Machine:
    """A machine on which Grafana 12.4.2 has run."""
    assert machine.prepare().returncode == 0
    machine.database()
    return machine


def test_the_first_start_makes_a_key_and_leaves_the_rest_to_grafana(machine: Machine) -> None:
    done = machine.prepare()
    assert (done.returncode, done.stderr, machine.asked) == (0, "", "")
    key = machine.data / "secret_key"
    assert len(key.read_text()) == 64 and key.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in machine.data.iterdir()} == {"secret_key", "last_version", "plugins"}


def test_a_folder_of_plugins_that_cannot_be_made_stops_the_start(machine: Machine) -> None:
    (machine.data / "plugins").write_text("a file")
    done = machine.prepare()
    assert done.returncode == 1 and f"{machine.data}/plugins could not be made" in done.stderr


def test_no_two_machines_have_the_same_key(machine: Machine) -> None:
    keys = set()
    for _ in range(2):
        machine.prepare()
        keys.add((machine.data / "secret_key").read_text())
        (machine.data / "secret_key").unlink()
    assert len(keys) == 2


def test_a_key_that_is_there_is_never_changed(machine: Machine) -> None:
    (machine.data / "secret_key").write_text("moved in")
    machine.database()
    for version in ("11.6.16", "12.4.2", "11.6.16"):
        assert machine.prepare(version).returncode == 0
    assert (machine.data / "secret_key").read_text() == "moved in"


def test_a_database_without_its_key_is_refused(machine: Machine) -> None:
    machine.database()
    done = machine.prepare()
    assert done.returncode == 1 and "secret_key of the Grafana it comes from" in done.stderr
    assert [path.name for path in machine.data.iterdir()] == ["grafana.db"]


def test_a_database_that_was_moved_in_is_backed_up_and_gets_the_password(machine: Machine) -> None:
    (machine.data / "secret_key").write_text("moved in")
    machine.database()
    assert machine.prepare().returncode == 0
    assert machine.backups() == {"unknown.db": "rows\n"}
    assert (machine.data / "password").read_text() == "s3cret-in-force"


def test_the_password_is_set_at_every_start_and_never_shown(used: Machine) -> None:
    shown = ""
    for password in ("s3cret-in-force", "r0tated-password"):
        (used.folder / "pw").write_text(password)
        done = used.prepare()
        assert (used.data / "password").read_text() == password
        shown += done.stdout + done.stderr
    artifact = used.folder / "artifact"
    line = f"cli --homepath {artifact} --config /etc/grafana.ini admin reset-admin-password --password-from-stdin\n"
    assert used.asked == line * 2
    assert "s3cret" not in shown + used.asked and "r0tated" not in shown + used.asked


def test_a_password_that_cannot_be_set_stops_the_start(used: Machine) -> None:
    (used.folder / "artifact" / "bin" / "grafana.broken").touch()
    done = used.prepare()
    assert done.returncode == 1
    assert "database is locked" in done.stderr and "could not be set" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_the_same_version_needs_no_backup(used: Machine) -> None:
    assert used.prepare().returncode == 0
    assert used.backups() == {}


def test_another_version_starts_on_a_copy_that_can_be_gone_back_to(used: Machine) -> None:
    (used.data / "grafana.db-wal").write_text("journal")
    done = used.prepare("13.1.3")
    assert done.returncode == 0 and "backup/12.4.2.db" in done.stdout
    assert used.backups() == {"12.4.2.db": "rows\n", "12.4.2.db-wal": "journal"}
    assert (used.data / "grafana.db").read_text() == "rows\nmigrated\n"
    assert used.prepare("13.1.3").returncode == 0
    assert used.backups()["12.4.2.db"] == "rows\n"


def test_the_version_before_finds_what_it_left(used: Machine) -> None:
    used.prepare("13.1.3")
    done = used.prepare("12.4.2")
    assert done.returncode == 0
    assert f"{used.data}/backup/12.4.2.db is in force again: what 12.4.2 left when it last ran" in done.stdout
    assert used.backups() == {"12.4.2.db": "rows\n", "13.1.3.db": "rows\nmigrated\n"}
    assert (used.data / "grafana.db").read_text() == "rows\nmigrated\n"  # put back, and migrated by the stand-in
    assert not (used.data / "restoring").exists()


def test_what_an_older_version_left_is_put_back_whole_even_after_an_interruption(used: Machine) -> None:
    (used.data / "grafana.db-wal").write_text("old journal")
    used.prepare("13.1.3")
    (used.data / "grafana.db-wal").write_text("new journal")
    killed = used.prepare(
        "12.4.2", {"rm": '#!/bin/sh\n/bin/rm "$@"\ncase $* in *grafana.db-wal) kill -KILL $PPID ;; esac\n'}
    )
    assert killed.returncode < 0
    assert used.prepare("12.4.2").returncode == 0
    assert (used.data / "grafana.db-wal").read_text() == "old journal"
    assert used.backups()["13.1.3.db"] == "rows\nmigrated\n" and used.backups()["13.1.3.db-wal"] == "new journal"


def test_a_newer_version_goes_on_with_what_is_there(used: Machine) -> None:
    used.prepare("13.1.3")
    used.prepare("12.4.2")
    used.database("newer rows\n")
    assert used.prepare("13.1.3").returncode == 0
    assert (used.data / "grafana.db").read_text() == "newer rows\nmigrated\n"


def test_a_newer_backup_takes_nothing_of_an_older_one_along(used: Machine) -> None:
    (used.data / "grafana.db-wal").write_text("journal")
    used.prepare("13.1.3")
    used.prepare("12.4.2")
    (used.data / "grafana.db-wal").unlink()
    used.prepare("13.1.3")
    assert "12.4.2.db" in used.backups() and "12.4.2.db-wal" not in used.backups()


def test_a_full_disk_stops_the_start_before_anything_is_changed(used: Machine) -> None:
    asked = used.asked
    done = used.prepare("13.1.3", {"cp": FULL.format(then="echo 'No space left on device' >&2; exit 1")})
    assert done.returncode == 1
    assert "could not be backed up" in done.stderr and "No space left on device" in done.stderr
    assert "13.1.3.db" not in used.backups() and "12.4.2.db" not in used.backups()
    assert (used.data / "last_version").read_text() == "12.4.2\n"
    assert (used.asked, (used.data / "grafana.db").read_text()) == (asked, "rows\n")


def test_an_interrupted_backup_is_made_again(used: Machine) -> None:
    done = used.prepare("13.1.3", {"cp": FULL.format(then="kill -KILL $PPID")})
    assert done.returncode < 0
    assert used.backups() == {"12.4.2.db.part": "row"}
    assert used.prepare("13.1.3").returncode == 0
    assert used.backups() == {"12.4.2.db": "rows\n"}


def test_a_migration_that_failed_is_not_backed_up_over_the_good_copy(used: Machine) -> None:
    broken = used.folder / "artifact" / "bin" / "grafana.broken"
    broken.touch()
    assert used.prepare("13.1.3").returncode == 1
    used.database("half migrated")
    broken.unlink()
    assert used.prepare("13.1.3").returncode == 0
    assert used.backups() == {"12.4.2.db": "rows\n"}


def test_a_version_that_cannot_be_noted_stops_the_start(used: Machine) -> None:
    (used.data / "last_version.part").mkdir()
    done = used.prepare("13.1.3")
    assert done.returncode == 1 and "last_version could not be written" in done.stderr
    assert used.asked == ""


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = ROOT / ".venv" / "bin" / "shellcheck"
    if not shellcheck.exists():
        pytest.skip("no shellcheck in .venv")
    ran = subprocess.run([shellcheck, "--shell=sh", "--severity=style", SCRIPT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
