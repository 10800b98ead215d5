"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang 2021) as cleanlab does it.

The probabilities are out of fold: each example is judged by a model that has not seen it.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from tuneloop_workers.quality.record import QualityFinding, ScanRow

FOLDS = 5
FEWEST_OF_A_LABEL = 10
RECOGNISED = 0.6
"""Share of a label's examples that the judge must find out of fold; of a label that it doesn't know it can't judge."""
FEWEST_EXAMPLES = 40
SURE = 0.5
"""Probability of another label from which on an example is held back."""


def find_suspected(rows: Sequence[ScanRow]) -> list[QualityFinding]:
    """Examples whose label another one beats by far; nothing where there are too few examples to say.

    A category that has just appeared looks like errors in the old ones: it is not judged before it is recognised.
    """
    counts = Counter(row.label for row in rows)
    usable = [row for row in rows if counts[row.label] >= FEWEST_OF_A_LABEL]
    names = sorted({row.label for row in usable})
    if len(usable) < FEWEST_EXAMPLES or len(names) < 2:
        return []
    labels = np.array([names.index(row.label) for row in usable])
    likely = out_of_fold([row.text for row in usable], labels)
    right = likely.argmax(axis=1) == labels
    known = np.array([right[labels == place].mean() >= RECOGNISED for place in range(len(names))])
    order = find_label_issues(labels, likely, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [
        _finding(usable[index], names[best], float(likely[index, best]), float(likely[index, labels[index]]))
        for index in (int(each) for each in order)
        if known[labels[index]]
        and (best := int(likely[index].argmax())) != labels[index]
        and likely[index, best] >= SURE
    ]


def out_of_fold(texts: Sequence[str], labels: NDArray[np.int_]) -> NDArray[np.float64]:
    """[n, labels] probabilities by logistic regression on TF-IDF of words and letters, five-fold.

    Vectors need no labels, so folding them would only cost time.
    """
    model = LogisticRegression(C=30, max_iter=400, tol=1e-3)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    found: NDArray[np.float64] = cross_val_predict(model, _vectors(texts), labels, cv=folds, method="predict_proba")
    return found


def _vectors(texts: Sequence[str]) -> sparse.csr_matrix:
    """Words and letters side by side; texts without words, like emoji, are told apart by letters alone."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    parts = []
    for each in (words, letters):
        cut = each.build_analyzer()
        if any(cut(text) for text in texts):
            parts.append(each.fit_transform(texts))
    # Texts that are blank or invisible throughout are all alike.
    return sparse.csr_matrix(sparse.hstack(parts)) if parts else sparse.csr_matrix((len(texts), 1))


def _finding(row: ScanRow, better: str, probability: float, own: float) -> QualityFinding:
    return QualityFinding(
        id=row.id,
        kind="suspected_error",
        summary=f"Labelled {row.label!r}; examples like it are {better!r} ({probability:.0%} against {own:.0%}).",
        detail={"suggested": better, "probability": round(probability, 3), "own": round(own, 3)},
    )
