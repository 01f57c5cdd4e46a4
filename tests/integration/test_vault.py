"""The vault as a real process, spoken to by real clients and by broken ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import protocol
from engine.errors import WeightsError
from engine.vault import memory_file
from engine.vault.client import VaultFull, VaultLost
from tests.integration.vault_rig import VaultProcess

MIB = 1 << 20


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultProcess]:
    process = VaultProcess(tmp_path / "vault.sock", limit_gib=16 / 1024).start()
    yield process
    process.stop()


def raw_connection(vault: VaultProcess) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(str(vault.socket_path))
    return sock


def say_hello(sock: socket.socket) -> None:
    protocol.send(sock, protocol.VaultHello(version=protocol.PROTOCOL_VERSION, owner="raw"))
    assert protocol.receive(sock)[0] == protocol.VaultDone()


def assert_is_well(vault: VaultProcess) -> None:
    assert vault.process is not None and vault.process.poll() is None
    assert vault.status().pid == vault.process.pid


# ---- files ----------------------------------------------------------------------------------------------------------


def test_weights_are_read_once_and_shared_read_only(vault: VaultProcess, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 17)
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    first, second = vault.client("worker:1"), vault.client("worker:2")
    view = first.open_file(str(path), hashlib.sha256(data).hexdigest())
    path.unlink()
    assert second.open_file(str(path), hashlib.sha256(data).hexdigest()) == data, (
        "the content is known, the disk not needed"
    )
    with pytest.raises(WeightsError, match=r"a\.safetensors cannot be read"):
        second.open_file(str(path))
    assert view == data and view.readonly
    assert vault.status().files == {str(path): len(data)}
    first.close(), second.close()


def test_one_flipped_bit_is_refused_with_both_hashes_named(vault: VaultProcess, tmp_path: Path) -> None:
    data = bytearray(os.urandom(MIB))
    good = hashlib.sha256(data).hexdigest()
    data[777_777] ^= 4
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(data)
    client = vault.client()
    with pytest.raises(WeightsError) as caught:
        client.open_file(str(path), good)
    assert all(word in str(caught.value) for word in (str(path), good, hashlib.sha256(data).hexdigest()))
    assert vault.status().files == {}, "a damaged file takes no memory"
    data[777_777] ^= 4
    path.write_bytes(data)
    assert client.open_file(str(path), good) == data
    client.close()


def test_replaced_file_is_read_again(vault: VaultProcess, tmp_path: Path) -> None:
    path = tmp_path / "adapter"
    path.write_bytes(b"old")
    client = vault.client()
    old = client.open_file(str(path))
    newer = tmp_path / "newer"
    newer.write_bytes(b"new")
    newer.rename(path)
    assert client.open_file(str(path)) == b"new"
    assert old == b"old", "who maps the old one keeps it"
    client.close()


def test_empty_file_and_things_that_are_no_files(vault: VaultProcess, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    client = vault.client()
    assert client.open_file(str(tmp_path / "empty")) == b""
    for name in ("absent", "pipe", ""):
        with pytest.raises(WeightsError):
            client.open_file(str(tmp_path / name))
    client.close()


# ---- contexts -------------------------------------------------------------------------------------------------------


def test_context_outlives_its_worker_and_is_written_through(vault: VaultProcess) -> None:
    first, second = vault.client("worker:1"), vault.client("worker:2")
    context, was_there = first.open_context("job", MIB, "layout")
    assert not was_there and context[:] == bytes(MIB)
    context[5] = 42
    first.close()
    again, was_there = second.open_context("job", MIB, "layout")
    assert was_there and again[5] == 42
    context[6] = 43
    assert again[6] == 43
    assert vault.status().owners == {"worker:1": MIB}
    other, was_there = second.open_context("job", MIB, "another layout")
    assert not was_there and other[5] == 0
    second.drop_context("job")
    assert vault.status().contexts == {}
    second.close()


def test_conditions_make_room_for_contexts_but_contexts_never_give_way(vault: VaultProcess) -> None:
    client = vault.client("worker:1")
    for key in ("a", "b", "c"):
        client.put_image(key, key.encode() * (3 * MIB))
    assert client.get_image("a") == b"a" * (3 * MIB)  # now "b" is the least recently used
    client.open_context("one", 9 * MIB, "layout")
    assert set(vault.status().conditions) == {"a", "c"}
    client.open_context("two", 6 * MIB, "layout")
    assert set(vault.status().conditions) == set()
    with pytest.raises(VaultFull, match="3145728 bytes"):
        client.open_context("three", 3 * MIB, "layout")
    assert vault.status().contexts == {"one": 9 * MIB, "two": 6 * MIB}
    assert client.get_image("b") is None
    client.close()


def test_weights_in_use_stay_and_idle_ones_give_way(vault: VaultProcess, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(9 * MIB))
    client, other = vault.client("worker:1"), vault.client("worker:2")
    client.open_file(str(path))
    with pytest.raises(VaultFull):
        other.open_context("job", 9 * MIB, "layout")
    client.close()
    while vault.status().files:
        with contextlib.suppress(VaultFull):  # the vault may not have seen the end of `client` yet
            other.open_context("job", 9 * MIB, "layout")
    other.close()


# ---- restarts -------------------------------------------------------------------------------------------------------


def test_new_vault_adopts_the_contexts_that_a_worker_still_holds(vault: VaultProcess) -> None:
    client = vault.client("worker:1")
    context, _ = client.open_context("job", MIB, "layout")
    context[9] = 99
    vault.kill()
    assert not client.mend(), "nobody listens"
    vault.start()
    assert client.mend()
    assert vault.status().contexts == {"job": MIB}
    successor = vault.client("worker:2")
    again, was_there = successor.open_context("job", MIB, "layout")
    assert was_there and again[9] == 99
    client.close(), successor.close()


def test_mending_a_healthy_line_neither_waits_nor_reconnects(vault: VaultProcess) -> None:
    client, daemon = vault.client("worker:1"), vault.client("daemon")
    client.open_context("job", MIB, "layout")
    daemon.drop_context("job")
    for _ in range(1000):  # each would take seconds, were the answer waited for
        assert client.mend()
    assert vault.status().contexts == {}, "a new connection would have offered the context again"
    client.close(), daemon.close()


def test_newer_context_is_not_replaced_by_an_adopted_one(vault: VaultProcess) -> None:
    old, new = vault.client("worker:1"), vault.client("worker:2")
    old.open_context("job", MIB, "layout")
    vault.kill()
    vault.start()
    fresh, was_there = new.open_context("job", MIB, "layout")
    fresh[0] = 7
    assert not was_there
    assert old.mend()
    third = vault.client("worker:3")
    assert third.open_context("job", MIB, "layout")[0][0] == 7
    old.close(), new.close(), third.close()


def test_contexts_dropped_in_the_vault_are_released_by_those_who_held_them(vault: VaultProcess) -> None:
    client, daemon = vault.client("worker:1"), vault.client("daemon")
    client.open_context("ended", MIB, "layout")
    client.open_context("parked", MIB, "layout")
    daemon.drop_context("ended")
    client.release_dropped_contexts()
    vault.kill()
    vault.start()
    assert client.mend()
    assert vault.status().contexts == {"parked": MIB}
    client.close(), daemon.close()


def test_request_waits_for_a_vault_that_is_being_restarted_and_no_longer(vault: VaultProcess) -> None:
    client = vault.client(patience_s=0.2)
    client.status()
    vault.kill()
    with pytest.raises(VaultLost):
        client.status()
    vault.start()
    assert client.status().contexts == {}
    client.close()


# ---- broken clients -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bytes_of_client",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05hello",
        protocol.encode(protocol.AskVaultStatus()),  # before its hello
        protocol.encode(protocol.VaultHello(version=1, owner="x"))[:-3],  # and hangs up in the middle
    ],
)
def test_garbage_costs_a_client_its_own_connection_only(vault: VaultProcess, bytes_of_client: bytes) -> None:
    bystander = vault.client()
    bystander.open_context("job", MIB, "layout")
    sock = raw_connection(vault)
    sock.sendall(bytes_of_client)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(100) == b""
    sock.close()
    assert bystander.status().contexts == {"job": MIB}
    bystander.close()


def test_descriptors_that_are_missing_foreign_or_resizable_are_refused(vault: VaultProcess, tmp_path: Path) -> None:
    plain = (tmp_path / "plain").open("wb+")
    plain.truncate(MIB)
    resizable = memory_file.create_open("resizable", MIB)
    for descriptor in (plain.fileno(), resizable):
        sock = raw_connection(vault)
        say_hello(sock)
        for message in (
            protocol.AdoptContext(job_id="job", bytes=MIB, layout_sha256="layout"),
            protocol.PutConditions(key="key", bytes=MIB),
        ):
            protocol.send(sock, message, descriptor)
            answer, _ = protocol.receive(sock)
            assert isinstance(answer, protocol.VaultRefused) and answer.code == "bad_request"
        sock.sendall(protocol.encode(protocol.PutConditions(key="key", bytes=MIB)))  # and none at all
        assert sock.recv(100) == b""
        sock.close()
    plain.close(), os.close(resizable)
    status = vault.status()
    assert status.contexts == {} and status.conditions == {}
    assert vault.process is not None
    for _ in range(50):  # every refused descriptor was closed again
        sock = raw_connection(vault)
        say_hello(sock)
        socket.send_fds(sock, [b"\x00"], [0, 0, 0])
        sock.close()
    assert_is_well(vault)
    assert len(os.listdir(f"/proc/{vault.process.pid}/fd")) < 20  # noqa: PTH208


def test_client_that_never_reads_its_answers_is_dropped(vault: VaultProcess) -> None:
    sock = raw_connection(vault)
    say_hello(sock)
    request = protocol.encode(protocol.AskVaultStatus()) * 50
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(2000):
            sock.sendall(request)
    sock.close()
    assert_is_well(vault)


def test_another_version_is_refused_with_a_sentence(vault: VaultProcess) -> None:
    sock = raw_connection(vault)
    protocol.send(sock, protocol.VaultHello(version=99, owner="x"))
    answer, _ = protocol.receive(sock)
    assert isinstance(answer, protocol.VaultRefused) and "version 1, not 99" in answer.message
    assert sock.recv(1) == b""
    sock.close()


# ---- beginning and end ----------------------------------------------------------------------------------------------


def test_socket_is_for_its_owner_only_and_is_removed_at_the_end(vault: VaultProcess) -> None:
    assert stat.S_IMODE(vault.socket_path.stat().st_mode) == 0o600
    assert vault.process is not None
    vault.process.send_signal(signal.SIGTERM)
    assert vault.wait() == 0
    assert not vault.socket_path.exists()


def test_vault_ends_with_its_lifeline(vault: VaultProcess) -> None:
    process, lifeline = vault.process, vault.lifeline
    assert process is not None
    os.close(lifeline)
    assert process.wait(60) == 0
    vault.lifeline = os.open(os.devnull, os.O_RDONLY)
    vault.wait()


def test_stale_socket_is_replaced_but_a_living_vault_is_not(vault: VaultProcess) -> None:
    command = [sys.executable, "-m", "engine.vault", "--socket", str(vault.socket_path), "--limit-gib", "1"]
    second = subprocess.run(command, capture_output=True, timeout=120)
    assert second.returncode == 69 and b"another vault listens here" in second.stderr
    assert_is_well(vault)
    vault.kill()
    assert vault.socket_path.exists(), "a killed vault leaves its file"
    vault.start()
    assert_is_well(vault)


def test_vault_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, engine.vault.__main__, engine.vault.client; print({'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).stdout.strip() == b"set()"
