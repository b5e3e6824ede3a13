"""What people use in one Python process: implicit and sparse_dot_topn.

Both get the same matrix as floats, users x items in CSR form. Both count the item itself among
its neighbours, so they are asked for one more. Normalising is timed, as it is in ours.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.child import Prepared
from benchmarks.data import matrix_of, sample_of
from benchmarks.shapes import Floats, Integers

Similarities = Callable[[sparse.csr_matrix], sparse.csr_matrix]


def implicit_cosine(table: str, n_items: int, k: int, threads: int) -> Prepared:
    """implicit's item-item model."""
    from implicit.nearest_neighbours import CosineRecommender

    def similarities(users_by_items: sparse.csr_matrix) -> sparse.csr_matrix:
        model = CosineRecommender(K=k + 1, num_threads=threads)
        model.fit(users_by_items, show_progress=False)
        return model.similarity

    return _prepared(similarities, table, n_items, k)


def sparse_dot_topn(table: str, n_items: int, k: int, threads: int) -> Prepared:
    """The top of a sparse product, of columns of length 1."""
    from sparse_dot_topn import sp_matmul_topn

    def similarities(users_by_items: sparse.csr_matrix) -> sparse.csr_matrix:
        lengths = np.sqrt(users_by_items.power(2).sum(axis=0)).A1
        unit = sparse.csr_matrix(users_by_items @ sparse.diags(1 / np.maximum(lengths, 1)))
        transposed = unit.T.tocsr()
        return sp_matmul_topn(transposed, unit, top_n=k + 1, threshold=0.0, n_threads=threads)

    return _prepared(similarities, table, n_items, k)


def without_itself(matrix: sparse.csr_matrix, items: Integers, k: int) -> dict[str, object]:
    """The k best neighbours of each of some items, from rows that also hold the item itself."""
    parts = []
    for item in items:
        row = matrix[[item]]
        others = row.indices != item
        neighbours, scores = row.indices[others], row.data[others]
        best = np.argsort(-scores, kind="stable")[:k]
        parts.append((np.full(best.size, item), neighbours[best], scores[best]))
    columns = zip(*parts, strict=True)
    return dict(zip(("item", "neighbour", "similarity"), map(np.concatenate, columns), strict=True))


def _prepared(similarities: Similarities, table: str, n_items: int, k: int) -> Prepared:
    matrix = _matrix(table, n_items)
    similarities(matrix[:100])
    found: list[sparse.csr_matrix] = []

    def work() -> None:
        found[:] = [similarities(matrix)]

    return Prepared(work, lambda: without_itself(found[0], sample_of(n_items), k))


def _matrix(table: str, n_items: int) -> sparse.csr_matrix:
    indptr, items, weights = matrix_of(Path(table))
    floats: Floats = weights.astype(np.float64)
    return sparse.csr_matrix((floats, items, indptr.astype(np.int32)), (indptr.size - 1, n_items))
