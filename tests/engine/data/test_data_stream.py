"""Shards that are streamed: exact coverage over ranks, exact resume, broken connections, S3."""

from __future__ import annotations

import io
import tarfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, islice

import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import ShardStream, augment, remote, write_shards
from hypothesis import given, settings
from hypothesis import strategies as st

COUNTS = [7, 1, 12, 5, 4]  # samples in the shards of the `shards` fixture
TOTAL = sum(COUNTS)


def npy(value):
    file = io.BytesIO()
    np.save(file, np.asarray(value))
    return file.getvalue()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Five shards; sample number n is the image n."""
    folder, number = tmp_path_factory.mktemp("shards"), 0
    for place, count in enumerate(COUNTS):
        samples = [{"npy": npy(np.full((1, 2, 2), number + each, np.uint8)), "cls": b"1"} for each in range(count)]
        write_shards(folder, samples, per_shard=100, prefix=f"s{place}")
        number += count
    return [str(folder / f"s{place}-000000.tar") for place in range(5)]


def numbers(batches):
    return [x[:, 0, 0, 0].int().tolist() for x, _ in batches]


def flat(batches):
    return list(chain.from_iterable(numbers(batches)))


@given(
    world=st.integers(1, 6),
    batch=st.integers(1, 9),
    shuffle=st.integers(0, 40),
    known=st.booleans(),
    epoch=st.integers(0, 2),
)
@settings(max_examples=25, deadline=None)
def test_ranks_together_read_each_sample_once_and_resume_anywhere(shards, world, batch, shuffle, known, epoch):
    sizes = COUNTS if known else None
    read, steps = Counter(), []
    for rank in range(world):
        options = {"sizes": sizes, "shuffle": shuffle, "rank": rank, "world": world, "prefetch": 1}
        stream = ShardStream(shards, batch, **options)
        stream.set_epoch(epoch)
        whole = numbers(stream)
        read.update(chain.from_iterable(whole))
        steps.append(len(whole))
        if rank == world - 1 and whole:
            cut = (epoch * 7 + batch) % len(whole)
            stopped = ShardStream(shards, batch, **options)
            stopped.set_epoch(epoch)
            iterator = iter(stopped)
            assert numbers(islice(iterator, cut)) == whole[:cut]
            resumed = ShardStream(shards, batch, **options)
            resumed.load_state_dict(stopped.state_dict())
            iterator.close()
            assert numbers(resumed) == whole[cut:]
            assert resumed.state_dict() == stream.state_dict()
    assert read == Counter(range(TOTAL))
    idle = known and TOTAL % (batch * world) < world  # too few samples are left for the last step
    assert max(steps) - min(steps) <= (1 if idle or not known else 0)
    if known:
        assert [len(ShardStream(shards, batch, sizes=sizes, rank=rank, world=world)) for rank in range(world)] == steps


def test_order_is_that_of_the_files_without_shuffling_and_new_in_each_epoch_with_it(shards):
    plain = ShardStream(shards, 4, shuffle=0, sizes=COUNTS)
    assert flat(plain) == list(range(TOTAL))
    assert plain.epoch == 1
    mixed = ShardStream(shards, 4, shuffle=5, sizes=COUNTS)
    first, second = flat(mixed), flat(mixed)
    assert first != second
    assert first != sorted(first)
    mixed.set_epoch(0)
    assert flat(mixed) == first
    assert flat(ShardStream(shards, 4, shuffle=5, sizes=COUNTS, seed=1)) != first


def test_what_a_transform_does_to_a_sample_does_not_depend_on_ranks_and_batches(shards):
    def noise(images, draws):
        return images + torch.from_numpy(draws.uniform()).float()[:, :, None, None]

    def seen(**options):
        batches = ShardStream(shards, transforms=[noise], sizes=COUNTS, **options)
        return {int(value): float(value) for x, _ in batches for value in x[:, 0, 0, 0]}

    alone = seen(batch_size=4)
    assert alone == seen(batch_size=7, shuffle=3, rank=0, world=2) | seen(batch_size=7, shuffle=3, rank=1, world=2)


def test_augmented_batches_have_the_types_that_networks_take(shards):
    x, y = next(iter(ShardStream(shards, 3, transforms=[augment.Normalize(0.5, 0.5)])))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_sizes_that_are_wrong_are_noticed(shards):
    for sizes, message in (([8, *COUNTS[1:]], "fewer than 8"), ([6, *COUNTS[1:]], "more than 6")):
        stream = ShardStream(shards, 4, sizes=sizes)
        with pytest.raises(EngineError, match=rf"s0-000000\.tar holds {message}"):
            list(stream)
    with pytest.raises(EngineError, match="1 sizes for 5 shards"):
        ShardStream(shards, 4, sizes=[3])
    with pytest.raises(TypeError, match="not known"):
        len(ShardStream(shards, 4))
    with pytest.raises(EngineError, match="2 ranks, this is one of 1"):
        ShardStream(shards, 4).load_state_dict({"world": 2})


class Server(ThreadingHTTPServer):
    """Gives the files of a folder in parts: each answer ends early after `least` bytes, as a broken line does."""

    daemon_threads = True

    def __init__(self, folder, *, ranges=True, least=700, status=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.ranges, self.least, self.status = folder, ranges, least, status
        self.asked = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        file = server.folder / self.path.lstrip("/").partition("?")[0]
        if (server.status and len(server.asked) <= 2) or not file.exists():
            self.send_error(server.status or 404)
            return
        data = file.read_bytes()
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if server.ranges else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin : begin + server.least])

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0)
    running = []

    def start(folder, **options):
        server = Server(folder, **options)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server, f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def folder(tmp_path):
    write_shards(tmp_path, [{"npy": npy(np.full((1, 1, 1), n)), "cls": b"0"} for n in range(9)], per_shard=4)
    return tmp_path


def test_a_web_server_that_breaks_off_is_asked_again_at_the_same_place(folder, serve):
    server, address = serve(folder, least=3000)
    stream = ShardStream(f"{address}/index.json", 3, shuffle=0)
    assert flat(stream) == list(range(9))
    assert "bytes=3000-" in server.asked
    assert len(stream) == 3


def test_a_presigned_address_a_busy_server_and_one_without_ranges(folder, serve):
    _, address = serve(folder, status=503, least=1 << 20)
    urls = [f"{address}/shard-00000{number}.tar?X-Amz-Signature=abc" for number in range(3)]
    assert flat(ShardStream(urls, 4, shuffle=0)) == list(range(9))
    _, address = serve(folder, ranges=False, least=5000)
    with pytest.raises(EngineError, match=r"shard-000000\.tar, offset 5000: cannot be read: it ends before"):
        list(ShardStream(f"{address}/shard-{{000000..000002}}.tar", 4, shuffle=0))


def test_a_file_that_is_not_there_is_named_at_once(folder, serve):
    server, address = serve(folder)
    with pytest.raises(EngineError, match=r"/none\.tar, offset 0: cannot be read: HTTPError: .*404"):
        list(ShardStream(f"{address}/none.tar", 4))
    assert len(server.asked) == 1
    with pytest.raises(EngineError, match="cannot be opened by ftp"):
        list(ShardStream("ftp://host/a.tar", 4))


def test_an_opener_of_ones_own(folder):
    def opener(url, offset):
        file = open(folder / url.removeprefix("vault://"), "rb")  # noqa: SIM115
        file.seek(offset)
        return file, None

    assert flat(ShardStream("vault://shard-000001.tar", 4, shuffle=0, opener=opener)) == [4, 5, 6, 7]
    assert len(ShardStream("vault://index.json", 4, opener=opener)) == 3


def test_a_file_of_unknown_size_cannot_announce_more_than_fits_in_memory():
    def opener(url, offset):
        head = tarfile.TarInfo("a.npy")
        head.size = 1 << 40
        return io.BytesIO(head.tobuf(tarfile.GNU_FORMAT)[offset:]), None

    with pytest.raises(EngineError, match=r"vault://a\.tar, offset 512: 'a\.npy' has 1,099,511,627,776 bytes"):
        list(ShardStream("vault://a.tar", 4, opener=opener))


def test_a_damaged_index_is_named(tmp_path):
    for shards in ("", "1", "[]", '[{"url": "a"}]', '[{"url": 1, "nsamples": 0}]'):
        (tmp_path / "index.json").write_text(f'{{"shardlist": {shards}}}')
        with pytest.raises(EngineError, match=r"index\.json"):
            ShardStream(tmp_path / "index.json", 4)


def test_shards_in_s3(folder, monkeypatch):
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto")
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with moto.mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for file in folder.iterdir():
            client.put_object(Bucket="data", Key=f"train/{file.name}", Body=file.read_bytes())
        stream = ShardStream("s3://data/train/index.json", 3, shuffle=0)
        assert flat(stream) == list(range(9))
        with remote.Source("s3://data/train/shard-000000.tar") as source:
            whole = (folder / "shard-000000.tar").read_bytes()
            assert source.exactly(100) == whole[:100]
            source.close()
            assert source.exactly(100) == whole[100:200]
        with pytest.raises(EngineError, match=r"s3://data/train/no\.tar cannot be read: .*NoSuchKey"):
            list(ShardStream("s3://data/train/no.tar", 3))
