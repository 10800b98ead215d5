"""Groups of questions that the known data does not contain: a new kind of request shows up as such a group.

A question stands out when its nearest neighbours, among known examples and recent traffic together, come from the
traffic more often than chance gives (a nearest-neighbour two-sample test: Schilling 1986, Henze 1988). Those that stand
out are grouped; a group counts only if its surroundings hold clearly more traffic than known examples.
"""

import re
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from tuneloop.kit.logging import configure_logging
from tuneloop.kit.processes import end_with_parent
from tuneloop.monitoring.grouping import Cluster, Clusters, Texts

Array = NDArray[np.float64]

NEIGHBOURS = 8
STANDS_OUT = 0.02
APART = 0.8
"""Average cosine distance at which groups are no longer joined."""

FEWEST_MEMBERS = 5
SURE = 0.001
MOST_GROUPED = 600
NAME_TERMS = 3
_DIGITS = re.compile(r"\d+")
_WORD = r"(?u)\b[^\W\d_]{2,}\b"


def find_clusters(traffic: Sequence[str], known: Sequence[str]) -> list[Cluster]:
    """Groups of new questions, the largest first. Both sides need more questions than there are neighbours.

    Numbers are not news: orders and amounts differ every time. Neither is a text that shares nothing with any other.
    """
    if min(len(traffic), len(known)) <= NEIGHBOURS:
        return []
    asked = traffic
    traffic, known = ([_DIGITS.sub("0", text) for text in texts] for texts in (traffic, known))
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    try:
        both = sparse.csr_matrix(vectors.fit_transform([*known, *traffic]))
    except ValueError:  # no part of a word occurs twice
        return []
    likeness = _likeness(both[len(known) :], both)
    shares = np.diff(both.indptr)[len(known) :] > 0
    out = np.array([place for place in _standing_out(likeness, len(known)) if shares[place]], dtype=np.int64)
    out = out[:MOST_GROUPED]
    if len(out) < FEWEST_MEMBERS:
        return []
    groups = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=APART
    ).fit_predict(_dense(both[len(known) :][out]))
    found = []
    tried = [out[groups == group] for group in np.unique(groups) if (groups == group).sum() >= FEWEST_MEMBERS]
    for members in tried:
        order, p_value = _surroundings(both, len(known), members)
        if p_value * len(tried) <= SURE:
            name = _name(traffic, known, order) or _words_of(asked[order[0]])
            found.append(Cluster(name, [int(place) for place in order], p_value))
    return sorted(found, key=lambda cluster: -len(cluster.members))


def _likeness(rows: sparse.csr_matrix, everything: sparse.csr_matrix) -> Array:
    """Cosines (n, N) of the traffic with everything; a question is not its own neighbour."""
    likeness = _dense(rows @ everything.T)
    places = np.arange(rows.shape[0])
    likeness[places, everything.shape[0] - rows.shape[0] + places] = -1.0
    return likeness


def _standing_out(likeness: Array, known: int) -> NDArray[np.int64]:
    """Places of questions whose neighbours are mostly traffic, the most unusual first."""
    nearest = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    from_traffic = (nearest >= known).sum(axis=1)
    expected = (likeness.shape[0] - 1) / (likeness.shape[1] - 1)
    p_values = stats.binom.sf(from_traffic - 1, NEIGHBOURS, expected)
    places = np.flatnonzero(p_values <= STANDS_OUT)
    return places[np.argsort(p_values[places], kind="stable")]


def _surroundings(both: sparse.csr_matrix, known: int, members: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    """Members by closeness to their centre, and Fisher's p for more traffic than known examples around it."""
    centre = np.asarray(both[known + members].mean(axis=0)).ravel()
    closeness = np.asarray(both @ centre).ravel() / (np.linalg.norm(centre) or 1.0)
    own = closeness[known + members]
    near = closeness >= np.median(own)
    inside_known, inside_traffic = int(near[:known].sum()), int(near[known:].sum())
    table = [[inside_traffic, len(near) - known - inside_traffic], [inside_known, known - inside_known]]
    return members[np.argsort(-own, kind="stable")], float(stats.fisher_exact(table, alternative="greater").pvalue)


def _name(traffic: Sequence[str], known: Sequence[str], members: NDArray[np.int64]) -> str:
    """The words that set these questions apart from the known ones; empty where they have none."""
    words = TfidfVectorizer(
        token_pattern=_WORD,
        ngram_range=(1, 2),
        stop_words=list(ENGLISH_STOP_WORDS),
        binary=True,
        use_idf=False,
        norm=None,
    )
    mine = [traffic[place] for place in members]
    try:
        found = sparse.csr_matrix(words.fit_transform([*mine, *known]))
    except ValueError:  # nothing but stop words, or no words at all
        return ""
    inside = np.asarray(found[: len(mine)].mean(axis=0)).ravel()
    outside = np.asarray(found[len(mine) :].mean(axis=0)).ravel()
    score = inside * np.log((inside + 0.01) / (outside + 0.01))
    chosen: list[str] = []
    for place in np.argsort(-score, kind="stable"):
        term = str(words.get_feature_names_out()[place])
        if score[place] <= 0 or len(chosen) == NAME_TERMS:
            break
        if not any(set(term.split()) & set(other.split()) for other in chosen):
            chosen.append(term)
    return ", ".join(chosen)


def _words_of(question: str) -> str:
    return " ".join(question.split()[:4]) or "no text"


def _dense(matrix: object) -> Array:
    return np.asarray(sparse.csr_matrix(matrix).todense(), dtype=float)


def main() -> None:
    """`Texts` on stdin, `Clusters` on stdout."""
    end_with_parent()
    configure_logging("WARNING", json_lines=True)
    texts = Texts.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.write(Clusters(find_clusters(texts.traffic, texts.known)).model_dump_json())


if __name__ == "__main__":
    main()
