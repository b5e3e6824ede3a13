"""Tables of interactions as numbers, and the oracle on one of them, against dense NumPy."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from scipy import sparse

from benchmarks.agreement import disagreement
from benchmarks.data import answer_of, histories_in, matrix_of, packing, product_ids, sample_of
from benchmarks.in_memory_peers import without_itself
from benchmarks.oracle import exact
from benchmarks.shapes import Shape, all_chunks

SHAPE = Shape(interactions=3_000, users=300, items=60)
K = 5


@pytest.fixture(scope="module")
def rows():
    (chunk,) = all_chunks(SHAPE)
    columns = {name: getattr(chunk, name) for name in ("user", "item", "weight", "age")}
    return pd.DataFrame(columns).sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("interactions")
    for half in (rows[:1000], rows[1000:]):
        write_deltalake(str(path), pa.Table.from_pandas(half, preserve_index=False), mode="append")
    return path


@pytest.fixture(scope="module")
def dense(rows):
    matrix = np.zeros((SHAPE.users, SHAPE.items), dtype=np.int64)
    matrix[rows["user"], rows["item"]] = rows["weight"]
    return matrix


def test_histories_are_the_table_by_user(table, dense):
    indptr, items, weights = histories_in(table)
    held = sparse.csr_matrix((weights, items, indptr), (indptr.size - 1, SHAPE.items)).toarray()
    assert np.array_equal(held, dense[: len(held)])
    assert not dense[len(held) :].any()
    assert sum(np.diff(indptr)) == weights.size


def test_the_matrix_that_is_kept_is_the_table_s(table):
    packing(str(table)).work()
    for kept, held in zip(matrix_of(table), histories_in(table), strict=True):
        assert np.array_equal(kept, held)
        assert kept.dtype == held.dtype


def test_the_oracle_finds_dense_cosines(table, dense):
    lengths = np.sqrt((dense**2).sum(axis=0))
    cosines = (dense.T @ dense) / np.outer(lengths, lengths)
    found = exact(str(table), SHAPE.items, K).answer()
    sampled = sample_of(SHAPE.items)[::25]
    expected = without_itself(sparse.csr_matrix(cosines), sampled, K)
    assert found["item"].tolist() == np.repeat(sampled, K).tolist()
    assert disagreement(expected, found) is None
    found["similarity"] = found["similarity"] * (1 + 1e-7)
    assert disagreement(expected, found) is not None


def test_the_sample_reaches_from_the_first_item_to_the_last():
    assert sample_of(10).tolist() == list(range(10))
    sampled = sample_of(20_000)
    assert (sampled.size, sampled[0], sampled[-1]) == (300, 0, 19_999)


def test_an_answer_by_id_is_one_by_number():
    ids = product_ids(np.arange(200_000))
    assert len(set(ids)) == 200_000
    found = pd.DataFrame(
        {"product_id": ids[3:5], "neighbour_id": [ids[7], ids[0]], "similarity": [0.5, 0.25]}
    )
    answer = answer_of(found, 10)
    assert answer["item"].tolist() == [3, 4]
    assert answer["neighbour"].tolist() == [7, 0]
    assert answer["similarity"].tolist() == [0.5, 0.25]
