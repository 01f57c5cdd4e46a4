"""The launcher can say why a child ended: its log's last sentence."""

from __future__ import annotations

from pathlib import Path

from scheduler.last_words import last_words


def test_last_words_of_our_own_log_are_the_message_of_its_last_error(tmp_path: Path) -> None:
    log = tmp_path / "daemon.jsonl"
    log.write_text(
        '{"log.level": "error", "message": "The disk is full."}\n{"log.level": "info", "message": "stopping"}\n'
    )
    assert last_words(log) == "The disk is full."


def test_last_words_of_a_worker_are_what_is_wrong_and_the_way_out(tmp_path: Path) -> None:
    log = tmp_path / "worker.jsonl"
    log.write_text(
        '{"at": 1.0, "level": "error", "process": "worker", "event": "not able to work", "code": "bad_weights", '
        '"error": "vae.safetensors is damaged.", "hint": "Fetch it again."}\n{"level": "info", "event": "end"}\n'
    )
    assert last_words(log) == "vae.safetensors is damaged. Fetch it again."
    log.write_text('{"level": "warning", "event": "vault is lost"}\n')
    assert last_words(log) == "vault is lost"


def test_last_words_of_a_traceback_are_its_own_error_not_the_server_s(tmp_path: Path) -> None:
    log = tmp_path / "web.jsonl"
    log.write_text(
        'Traceback (most recent call last):\n  File "x.py", line 1\nrights.RightsError: rights.yaml, line 3: no map\n'
        "[2026-01-01] [7] [ERROR] Reason: Worker failed to boot.\ngunicorn.errors.HaltServer: <HaltServer 3>\n"
    )
    assert last_words(log) == "rights.RightsError: rights.yaml, line 3: no map"


def test_words_of_an_earlier_run_are_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "vault.jsonl"
    log.write_text('{"level": "error", "message": "old"}\n')
    assert last_words(log, log.stat().st_size) == ""
    assert last_words(tmp_path / "none") == ""
