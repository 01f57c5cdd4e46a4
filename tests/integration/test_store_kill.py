"""kill -9 of a process in the middle of its commits: what it acknowledged is there, and the log verifies.

The rig runs as a program of its own, so that children are forked from a process without threads or open databases.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

KILLS = 40
REPO = Path(__file__).resolve().parents[2]


def test_no_acknowledged_row_is_lost_in_forty_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path), str(KILLS)], capture_output=True, text=True, timeout=250, cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == KILLS
    assert result["acknowledged"] > KILLS
    assert result["lost"] == 0
    assert result["half_done"] == 0
    assert result["verdicts"] == [0] * KILLS


def test_a_commit_that_the_disk_refuses_leaves_the_old_state(tmp_path: Path) -> None:
    """The file size limit makes the write-ahead log's write fail inside COMMIT."""
    code = """
import resource, signal, sys
from pathlib import Path
from scheduler.store import StoreFailed
from scheduler.store.opening import open_writer
from tests.unit.scheduler.store_rig import AT, READER, accept, move
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
data = Path(sys.argv[1])
store = open_writer(data)
accept(store)
size = (data / "greenroom.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
before = store.last_seq()
try:
    with store.transaction():
        store.move_job(move("SUBMITTED", "QUEUED"), READER, AT)
        reached_commit = True
except StoreFailed as error:
    print("refused", error.status, reached_commit)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.job("j000000000001")["state"], store.last_seq() == before)
with store.transaction():
    store.move_job(move("SUBMITTED", "QUEUED"), READER, AT)
print(store.job("j000000000001")["state"])
store.close()
from scheduler.audit import verify
print(verify(data).exit_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=250, cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, after, again, verdict = done.stdout.splitlines()
    assert refused.startswith("refused 5")
    assert refused.endswith("True")
    assert after == "SUBMITTED True"
    assert (again, verdict) == ("QUEUED", "0")


def _commit_for_ever(data: Path, acks: int, first: int) -> None:
    """Accept jobs, two moves each, and say which are durable."""
    from scheduler.store.opening import open_writer
    from tests.unit.scheduler.store_rig import AT, READER, move, new_job

    store = open_writer(data)
    number = first
    while True:
        job = new_job(number)
        with store.transaction():
            store.insert_job(job, READER, AT)
            store.move_job(move("SUBMITTED", "QUEUED", job.id), READER, AT)
        os.write(acks, b"%d\n" % number)
        number += 1


def _rig(data: Path, kills: int) -> dict[str, object]:
    from scheduler.audit import verify
    from scheduler.store import open_reader

    rng = random.Random(1)
    acknowledged, verdicts, first, lost, half_done = 0, [], 1, 0, 0
    for _ in range(kills):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            _commit_for_ever(data, write_end, first)
        os.close(write_end)
        said, wanted = b"", rng.randrange(1, 20)
        while said.count(b"\n") < wanted:  # after so many acknowledgements it is in the middle of another commit
            said += os.read(read_end, 1 << 16)
        os.kill(child, signal.SIGKILL)
        while more := os.read(read_end, 1 << 16):
            said += more
        os.close(read_end)
        os.waitpid(child, 0)
        numbers = [int(text) for text in said.split()]
        acknowledged += len(numbers)
        verdicts.append(verify(data).exit_code)
        reader = open_reader(data)
        lost += sum(1 for number in numbers if reader.job(f"j{number:012d}") is None)
        half_done += reader.state_counts()["SUBMITTED"]
        first = int(reader.next_ordinal())
        reader.close()
    return {
        "kills": len(verdicts), "acknowledged": acknowledged, "lost": lost, "half_done": half_done, "verdicts": verdicts,
    }  # fmt: skip


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps(_rig(Path(sys.argv[1]), int(sys.argv[2]))))
