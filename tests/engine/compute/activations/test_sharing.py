"""Threads and processes that share a store, one of which may be killed."""

from __future__ import annotations

import threading
import time

from engine.compute.activations.index import Held
from engine.compute.activations.store import Store
from tests.engine.compute.activations.entries import (
    KEYS,
    counted,
    entry,
    file_size,
    run,
    same,
    there,
    unheard,
)


def test_stores_in_several_threads_share_a_cache(store: Store) -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            for i, key in enumerate(KEYS):
                store.put({key: entry(i)})
                assert all(same(stored, entry(KEYS.index(key))) for key, stored in store.get(KEYS).items())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.get(KEYS)) == len(KEYS)


MANY = """
store = Store(Path(sys.argv[1]), max_bytes=int(sys.argv[2]))
generator = random.Random(int(sys.argv[3]))
for turn in range(150):
    i = generator.randrange(40)
    store.put({f"{i:064}": entry(i)}, kind="tokens" if i % 4 == 0 else "pooled")
    wanted = generator.sample(range(40), 5)
    for key, item in store.get(f"{i:064}" for i in wanted).items():
        assert same(item, entry(int(key))), key
    if turn % 50 == 49:
        store.prune(int(sys.argv[2]) // 2)
        assert store.verify(unheard).damaged == 0
"""


def test_processes_share_a_cache(store: Store) -> None:
    processes = [run(f"import random\n{MANY}", store.root, 20 * file_size(), seed) for seed in range(3)]
    ends = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert ends == [("", "", 0)] * 3
    store.verify(unheard)
    assert counted(store) == there(store)
    assert there(store).entries <= 20


def test_processes_share_a_cache_whose_index_is_deleted_again_and_again(store: Store) -> None:
    processes = [run(f"import random\n{MANY}", store.root, 1000 * file_size(), seed) for seed in range(2)]
    while any(process.poll() is None for process in processes):
        (store.root / "index.sqlite").unlink(missing_ok=True)
        time.sleep(0.05)
    errors = [process.communicate(timeout=10)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    store.verify(unheard)
    assert counted(store) == there(store) == Held(40, 40 * file_size())


def test_killed_writer_leaves_no_half_entry(store: Store) -> None:
    process = run("store = Store(Path(sys.argv[1]))\nwhile True: store.put({KEYS[0]: entry(size=200_000)})", store.root)
    while not list(store.root.rglob(".*")):
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=10)
    assert store.verify(unheard).damaged == 0
    entries = store.get([KEYS[0]])
    assert not entries or same(entries[KEYS[0]], entry(size=200_000))
