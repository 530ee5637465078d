"""The one kernel setting that the lab changes and restores."""

from pathlib import Path

# Each systemd takes several inotify instances, all from root's one allowance. With the usual 128, networkd
# fails on some of ten hosts, silently: they have no address.
SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 8192


def raise_inotify(state: Path) -> bool:
    """Raise the limit if it is too low, after noting its value. Return whether it was."""
    now = int(SETTING.read_text())
    if now >= ENOUGH:
        return False
    note = _note(state)
    if not note.exists():
        note.write_text(f"{now}\n")
    SETTING.write_text(str(ENOUGH))
    return True


def restore_inotify(state: Path) -> None:
    """Restore the limit if the lab changed it and nobody else has since."""
    note = _note(state)
    if not note.exists():
        return
    if int(SETTING.read_text()) == ENOUGH:
        SETTING.write_text(note.read_text())
    note.unlink()


def _note(state: Path) -> Path:
    return state / "inotify_max_user_instances"
