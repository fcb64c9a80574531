"""The embedded mode's folder: one process at a time, and the demo empties only what it has made."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.data_folder import DataFolder
from shared.errors import Conflict


def test_a_folder_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data"):
        with pytest.raises(Conflict) as refused:
            DataFolder(tmp_path / "data")
        assert refused.value.code == "embedded.folder_in_use"

    with DataFolder(tmp_path / "data"):
        pass


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        assert folder.path.stat().st_mode & 0o077 == 0


def test_the_demo_empties_its_own_folder(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as folder:
        folder.start_anew_for_demo()
        (tmp_path / "membership.sqlite").write_text("of the last demo")
        (tmp_path / "deeper").mkdir()

        folder.start_anew_for_demo()

    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "made-by-the-demo"]


def test_the_demo_never_empties_a_folder_it_has_not_made(tmp_path: Path) -> None:
    (tmp_path / "membership.sqlite").write_text("a real alliance")

    with DataFolder(tmp_path) as folder, pytest.raises(Conflict) as refused:
        folder.start_anew_for_demo()

    assert refused.value.code == "embedded.not_a_demo_folder"
    assert (tmp_path / "membership.sqlite").read_text() == "a real alliance"


def test_a_link_in_the_demos_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("stays")
    with DataFolder(tmp_path / "data") as folder:
        folder.start_anew_for_demo()
        (folder.path / "link").symlink_to(precious)

        folder.start_anew_for_demo()

    assert (precious / "file").read_text() == "stays"
