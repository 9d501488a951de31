"""Who may come in: keys, and the pages of browsers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from vivavoce.call.settings import Settings, load_settings
from vivavoce.server.auth import Admitted, Authority, bearer, has_keys
from vivavoce.server.client_secrets import FILE as SECRETS
from vivavoce.server.client_secrets import Opening
from vivavoce.server.keys import FILE, KeysError, KeyStore
from vivavoce.server.refusal import Refusal

KEYS = "vv_one,vv_two"
APP = "https://app.example"


def settings(folder: Path, keys: str = "", origins: str = "") -> Settings:
    flags = {"data_dir": str(folder), "auth.keys": keys or None, "auth.origins": origins or None}
    return load_settings(flags, environ={}, path=_empty(folder))


def _empty(folder: Path) -> Path:
    path = folder / "vivavoce.toml"
    path.touch()
    return path


def headers(key: str | None = None, origin: str | None = None, host: str = "voice.example") -> dict[str, str]:
    given = {"authorization": f"Bearer {key}" if key else None, "origin": origin, "host": host}
    return {name: value for name, value in given.items() if value is not None}


def status(result: Admitted | Refusal) -> int:
    return result.status if isinstance(result, Refusal) else 200


@pytest.mark.parametrize(
    ("keys", "key", "origin", "host", "expected"),
    [
        ("", None, None, "voice.example:8000", 200),
        ("", "anything", None, "voice.example:8000", 200),
        (KEYS, "vv_two", None, "voice.example:8000", 200),
        (KEYS, "vv_three", None, "voice.example:8000", 401),
        (KEYS, None, None, "voice.example:8000", 401),
        (KEYS, "vv_one", "https://voice.example", "voice.example", 200),
        (KEYS, "vv_one", "http://voice.example:8000", "Voice.Example:8000", 200),
        (KEYS, "vv_one", "http://voice.example:9000", "voice.example:8000", 403),
        (KEYS, "vv_one", "https://evil.example", "voice.example", 403),
        (KEYS, None, "https://voice.example", "voice.example", 401),
        # A sandboxed frame, and a client that sends an empty Host.
        (KEYS, "vv_one", "null", "", 403),
        # Listed, or not; with a key even this machine's pages are somebody else's.
        (KEYS, "vv_one", APP, "voice.example", 200),
        (KEYS, "vv_one", APP + ".evil.example", "voice.example", 403),
        (KEYS, "vv_one", "http://localhost:3000", "voice.example", 403),
        ("", None, "http://localhost:3000", "127.0.0.1:8000", 200),
        ("", None, "http://127.0.0.1", "127.0.0.1:8000", 200),
        ("", None, APP, "127.0.0.1:8000", 403),
        ("", None, "null", "127.0.0.1:8000", 403),
        # Without keys a name that leads here proves nothing: whoever owns it chose the address (DNS rebinding).
        ("", None, "http://evil.example:8000", "evil.example:8000", 403),
    ],
)
def test_keys_and_origins(
    tmp_path: Path, keys: str, key: str | None, origin: str | None, host: str, expected: int
) -> None:
    authority = Authority(settings(tmp_path, keys, APP))
    assert status(authority.admit(headers(key, origin, host))) == expected


def test_a_key_comes_by_header_sub_protocol_or_api_key() -> None:
    offered = ["realtime", "openai-insecure-api-key.one", "openai-beta.realtime-v1"]
    assert bearer("Bearer two", offered) == "two"
    assert bearer("bearer  two ", ()) == "two"
    assert bearer("Basic two", offered) == "one"
    assert bearer(None, ["realtime"], " three ") == "three"
    assert bearer("Bearer ", ()) is None


def test_a_call_belongs_to_its_key(tmp_path: Path) -> None:
    """The same key has the same id in every process; what stands behind a call says nothing of the key itself."""
    one, again = (Authority(settings(tmp_path, KEYS)) for _ in range(2))
    owners = []
    for authority, key in ((one, "vv_one"), (again, "vv_one"), (one, "vv_two")):
        admitted = authority.admit(headers(key))
        assert isinstance(admitted, Admitted)
        owners.append(admitted.owner)
    assert owners[0] == owners[1]
    assert owners[0].may_join(owners[1])
    assert not owners[0].may_join(owners[2])
    assert "vv_one" not in repr(owners[0])


def test_stored_keys_come_and_go_while_the_server_runs(tmp_path: Path) -> None:
    authority, store = Authority(settings(tmp_path)), KeyStore(tmp_path)
    assert not authority.keyed
    record, key = store.create("the office")
    assert has_keys(settings(tmp_path))
    assert status(authority.admit(headers("anything"))) == 401
    admitted = authority.admit(headers(key))
    assert isinstance(admitted, Admitted)
    assert admitted.owner.key_id == record.id
    store.revoke(record.id)
    assert status(authority.admit(headers(key))) == 401
    # The last key is gone, and still nobody gets in without one.
    assert status(authority.admit(headers())) == 401
    assert not has_keys(settings(tmp_path))
    (tmp_path / FILE).unlink()
    assert status(authority.admit(headers())) == 401


def test_configured_keys_go_on_beside_stored_ones(tmp_path: Path) -> None:
    _, key = KeyStore(tmp_path).create("")
    authority = Authority(settings(tmp_path, KEYS))
    assert [status(authority.admit(headers(one))) for one in (key, "vv_one", "vv_x")] == [200, 200, 401]


def test_a_key_file_that_cannot_be_read_opens_no_door(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    authority = Authority(settings(tmp_path))
    assert status(authority.admit(headers("anything"))) == 401
    with pytest.raises(KeysError, match=FILE):
        has_keys(settings(tmp_path))
    # Keys of the settings still work.
    assert status(Authority(settings(tmp_path, KEYS)).admit(headers("vv_one"))) == 200


def test_only_hashes_are_kept(tmp_path: Path) -> None:
    record, key = KeyStore(tmp_path).create("the office")
    text = (tmp_path / FILE).read_text()
    assert key not in text
    assert key.removeprefix("vv_") not in text
    assert record.digest in text
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert KeyStore(tmp_path).find(key) == record
    assert KeyStore(tmp_path).find(key + "x") is None


def test_a_key_that_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    with pytest.raises(KeysError, match="key_none"):
        store.revoke("key_none")
    record, _ = store.create("")
    once = store.revoke(record.id)
    assert once.revoked_at is not None
    assert store.revoke(record.id) == once


def test_a_client_secret_is_good_where_it_is_meant_to_be_and_from_any_page(tmp_path: Path) -> None:
    authority = Authority(settings(tmp_path, KEYS))
    owner = authority.admit(headers("vv_one"))
    assert isinstance(owner, Admitted)
    opening = Opening(model="m", session={"type": "realtime", "instructions": "Be brief."})
    value, _ = authority.secrets.mint(owner.owner.key_id, opening, 60)
    for origin in (None, "https://evil.example", "null"):
        admitted = authority.admit(headers(value, origin), secrets=True)
        assert isinstance(admitted, Admitted)
        assert admitted.opening == opening
        assert admitted.owner.key_id == owner.owner.key_id
        # The key reaches every call it pays for; a secret only those it opened.
        assert owner.owner.may_join(admitted.owner)
        assert not admitted.owner.may_join(owner.owner)
    assert status(authority.admit(headers(value))) == 401
    assert status(Authority(settings(tmp_path, "vv_other")).admit(headers(value), secrets=True)) == 401


def test_secrets_end_with_the_key_that_made_them(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    record, _ = store.create("")
    authority = Authority(settings(tmp_path))
    value, _ = authority.secrets.mint(record.id, Opening(), 60)
    assert status(authority.admit(headers(value), secrets=True)) == 200
    store.revoke(record.id)
    assert status(authority.admit(headers(value), secrets=True)) == 401


def test_configured_keys_are_good_while_stored_ones_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, stored = KeyStore(tmp_path).create("")
    authority = Authority(settings(tmp_path, KEYS))
    assert status(authority.admit(headers(stored))) == 200
    (tmp_path / "api_keys.json").write_text("{")
    assert status(authority.admit(headers("vv_one"))) == 200
    assert status(authority.admit(headers(stored))) == 401
    assert "stored keys are not let in" in caplog.text


def test_the_first_secret_makes_the_folder_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    Authority(load_settings({"data_dir": str(folder)}, environ={})).secrets.mint("local", Opening(), 60)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_a_secret_is_worth_nothing_while_nobody_can_tell_whether_its_key_is_good(tmp_path: Path) -> None:
    record, _ = KeyStore(tmp_path).create("")
    authority = Authority(settings(tmp_path))
    value, _ = authority.secrets.mint(record.id, Opening(), 60)
    assert status(authority.admit(headers(value), secrets=True)) == 200
    (tmp_path / "api_keys.json").write_text("{")
    assert status(authority.admit(headers(value), secrets=True)) == 401


def test_without_keys_a_secret_is_checked_all_the_same(tmp_path: Path) -> None:
    authority = Authority(settings(tmp_path))
    value, _ = authority.secrets.mint("local", Opening(), 60)
    other = value[:-1] + ("a" if value[-1] != "a" else "b")
    assert status(authority.admit(headers(value, "https://app.example"), secrets=True)) == 200
    assert status(authority.admit(headers(other), secrets=True)) == 401
    # What is no secret of ours is any bearer; some browser libraries insist on keys that begin like one.
    assert status(authority.admit(headers("ek_local"), secrets=True)) == 200
    # The first key ends what was given out to everybody.
    KeyStore(tmp_path).create("")
    assert status(authority.admit(headers(value), secrets=True)) == 401


def test_a_client_secret_that_was_changed_in_the_table_opens_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it begins with is sealed with the secret: whoever can write to the table cannot make it say something else."""
    authority = Authority(settings(tmp_path))
    value, _ = authority.secrets.mint("local", Opening(session={"instructions": "Be brief."}), 600)
    assert status(authority.admit(headers(value), secrets=True)) == 200
    with closing(sqlite3.connect(tmp_path / SECRETS)) as table, table:
        ((sealed,),) = table.execute("SELECT sealed FROM secrets")
        assert b"brief" not in sealed
        table.execute("UPDATE secrets SET sealed = ?", (sealed[:-1] + bytes([sealed[-1] ^ 1]),))
    assert status(authority.admit(headers(value), secrets=True)) == 500
    assert "changed by somebody else" in caplog.text
    assert value not in caplog.text


def test_a_table_of_client_secrets_that_cannot_be_read_opens_nothing(tmp_path: Path) -> None:
    authority = Authority(settings(tmp_path))
    value, _ = authority.secrets.mint("local", Opening(), 600)
    for left in tmp_path.glob(f"{SECRETS}*"):
        left.write_bytes(b"no database at all" * 100)
    assert status(authority.admit(headers(value), secrets=True)) == 500
    assert status(authority.admit(headers("ek_" + "0" * 40), secrets=True)) == 500


def test_client_secrets_of_a_key_that_cannot_be_looked_up_open_nothing(tmp_path: Path) -> None:
    record, _ = KeyStore(tmp_path).create("")
    authority = Authority(settings(tmp_path, KEYS))
    value, _ = authority.secrets.mint(record.id, Opening(), 600)
    assert status(authority.admit(headers(value), secrets=True)) == 200
    (tmp_path / FILE).write_text("{")
    assert status(authority.admit(headers(value), secrets=True)) == 401
