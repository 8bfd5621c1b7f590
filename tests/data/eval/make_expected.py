#!/usr/bin/env python3
"""Makes the expected measures in this folder with pytrec_eval and gdeval, and the runs that they are of.

For each NAME there are NAME.qrels.tsv (query, document, grade) and NAME.run.tsv (query, Q0,
document, rank, score, tag), separated by tabs. expected.json holds per NAME the measures
  as_ranked    in the order of the rank column: pytrec_eval is given scores that strictly descend
               with the rank, so that it cannot choose another order;
  trec_order   with the scores of the run: trec_eval sorts them, equal ones by document descending;
               gdeval does the same.
Means are over queries with at least one relevant document, and such a query without results
counts as 0; pytrec_eval leaves means to its caller. Judgements below 0 are given to it as they are.

  random      An invented run from a fixed seed: equal scores, grades -1 to 3, documents without
              judgement, queries without relevant documents, without results and without
              judgements, rankings shorter than 10 and longer than 100.
  wikipedia   A real run: BM25 (bm25s) over the bundled corpora/wikipedia-vital-en. A query is two
              longer words of an article's text, none of its title, so that other articles rank
              high as well. Judgements are mechanical, made to check arithmetic and not to measure
              engines: the article itself has grade 2, an article with the title in its text grade
              1, every other article that the run has among its first 20 and at an even rank
              grade 0. Identifiers only are stored, no text.

  bundled     A real run of Alluvium over the same articles, 120 deep, with the collection's own
              questions and judgements: every seventh of them.

Usage, in an environment with `pip install pytrec-eval-terrier==0.5.11 ir-measures==0.4.3
bm25s==0.3.16` and perl, which gdeval (in ir-measures) is written in:
  python3 tests/data/eval/make_expected.py           writes expected.json for the stored runs
  python3 tests/data/eval/make_expected.py --runs    makes the runs again first; `alluvium` is on the PATH

pytrec-eval-terrier is pytrec_eval with trec_eval compiled in; pytrec_eval itself fetches
trec_eval's source while it is installed, which needs more than a package registry.
"""

import argparse
import csv
import gzip
import json
import random
import re
import subprocess
import tempfile
from pathlib import Path

import ir_measures
import pytrec_eval

HERE = Path(__file__).resolve().parent
COLLECTION = HERE.parents[2] / "corpora" / "wikipedia-vital-en"
CORPUS = COLLECTION / "corpus.jsonl.gz"
NAMES = ["random", "wikipedia", "bundled"]

# What trec_eval calls them, and what the library calls them.
MEASURES = [
    ("map", "map"),
    ("ndcg", "ndcg"),
    ("ndcg_cut_10", "ndcg_at_10"),
    ("ndcg_cut_20", "ndcg_at_20"),
    ("P_5", "p_at_5"),
    ("P_10", "p_at_10"),
    ("recall_10", "recall_at_10"),
    ("recall_100", "recall_at_100"),
    ("recip_rank", "mrr"),
    ("bpref", "bpref"),
]

# The ranks that gdeval looks at, and what the library calls that. No run here is as deep as 1,000.
ERR = [(10, "err_at_10"), (20, "err_at_20"), (1000, "err")]


def write_tsv(path, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write("\t".join(str(field) for field in row) + "\n")


def read_tsv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_pair(name, qrels, run):
    write_tsv(HERE / f"{name}.qrels.tsv", qrels)
    write_tsv(
        HERE / f"{name}.run.tsv",
        (
            (query, "Q0", document, rank, repr(score), name)
            for query, ranking in run.items()
            for rank, (document, score) in enumerate(ranking, 1)
        ),
    )


def make_random():
    rng = random.Random(20)
    documents = [f"d{number:03}" for number in range(400)]
    lengths = [1, 2, 5, 9, 10, 11, 40, 99, 100, 101, 130, 160]
    qrels, run = [], {}
    for number in range(36):
        query = f"q{number:02}"
        kind = {3: "nothing relevant", 4: "below zero", 5: "no results", 6: "no judgements"}.get(
            number, "ordinary"
        )
        length = lengths[number % len(lengths)]
        ranked = rng.sample(documents, length)
        if kind != "no results":
            # Few different scores, all exact in single precision: many are equal, and documents
            # with equal scores stay in the order drawn, which is not trec_eval's.
            scores = sorted((rng.randrange(1, 40) / 4 for _ in ranked), reverse=True)
            run[query] = list(zip(ranked, scores))
        if kind == "no judgements":
            continue
        found = rng.sample(ranked, rng.randrange(0, min(length, 25) + 1))
        elsewhere = rng.sample(documents, rng.choice([1, 4, 12, 30]))
        for document in sorted(set(found + elsewhere)):
            if kind == "nothing relevant":
                grade = 0
            elif kind == "below zero":
                grade = rng.choice([-2, -1, 0])
            else:
                grade = rng.choice([-1, 0, 0, 0, 1, 1, 2, 3])
            qrels.append((query, document, grade))
    write_pair("random", qrels, run)


def make_wikipedia():
    import bm25s

    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        articles = [json.loads(line) for line in file]
    words = [
        re.findall(r"\w+", f"{article['title']} {article['text']}".lower()) for article in articles
    ]
    retriever = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    retriever.index(words, show_progress=False)

    rng = random.Random(21)
    qrels, run, number = [], {}, 0
    for chosen in rng.sample(articles, len(articles)):
        title = chosen["title"]
        mention = re.compile(rf"\b{re.escape(title)}\b")
        mentioning = {
            article["_id"]
            for article in articles
            if article is not chosen and mention.search(article["text"])
        }
        if not 3 <= len(mentioning) <= 60:
            continue
        taken = set(re.findall(r"\w+", title.lower()))
        text = re.findall(r"\w+", chosen["text"].lower())
        longer = sorted({word for word in text if len(word) > 5} - taken)
        if len(longer) < 2:
            continue
        query = rng.sample(longer, 2)
        found, scores = retriever.retrieve([query], k=120, show_progress=False)
        name = f"w{number:02}"
        number += 1
        run[name] = [
            (articles[index]["_id"], float(score)) for index, score in zip(found[0], scores[0])
        ]
        grades = {document: 1 for document in mentioning}
        grades[chosen["_id"]] = 2
        for document, _ in run[name][1:20:2]:
            grades.setdefault(document, 0)
        qrels.extend((name, document, grade) for document, grade in sorted(grades.items()))
        if number == 20:
            break
    write_pair("wikipedia", qrels, run)


def make_bundled():
    with tempfile.TemporaryDirectory() as folder:
        database, ranked = f"{folder}/bundled.alv", f"{folder}/bundled.run"
        files = [COLLECTION / "queries.jsonl", COLLECTION / "qrels.tsv"]
        for command in (
            ["import", CORPUS, database, "--language", "en"],
            ["eval", database, "--queries", files[0], "--qrels", files[1]]
            + ["--depth", "120", "--run", ranked],
        ):
            subprocess.run(["alluvium", *map(str, command)], check=True, stdout=subprocess.DEVNULL)
        rows = read_tsv(ranked)
    chosen = set(sorted({query for query, *_ in rows})[::7])
    qrels = [row for row in read_tsv(COLLECTION / "qrels.tsv") if row[0] in chosen]
    write_tsv(HERE / "bundled.qrels.tsv", qrels)
    write_tsv(HERE / "bundled.run.tsv", [row for row in rows if row[0] in chosen])


def measure_err(qrels, run):
    """What gdeval says. It wants numbers as queries, and no grade above 4, which none here is."""
    numbers = {query: str(number) for number, query in enumerate(qrels, 1)}
    judged = {numbers[query]: grades for query, grades in qrels.items()}
    ranked = {numbers[query]: ranking for query, ranking in run.items() if query in numbers}
    names = {ir_measures.ERR @ ranks: ours for ranks, ours in ERR}
    measured = {query: {ours: 0.0 for _, ours in ERR} for query in qrels}
    queries = {number: query for query, number in numbers.items()}
    for value in ir_measures.gdeval.iter_calc(list(names), judged, ranked):
        measured[queries[value.query_id]][names[value.measure]] = value.value
    return measured


def measure(qrels, run):
    relevant = {query: grades for query, grades in qrels.items() if max(grades.values()) > 0}
    evaluator = pytrec_eval.RelevanceEvaluator(relevant, {name for name, _ in MEASURES})
    measured = evaluator.evaluate({query: run[query] for query in relevant if query in run})
    per_query = measure_err(relevant, run)
    for query, values in per_query.items():
        values.update({ours: measured.get(query, {}).get(theirs, 0.0) for theirs, ours in MEASURES})
    names = [ours for _, ours in MEASURES + ERR]
    means = {
        name: sum(values[name] for values in per_query.values()) / len(per_query) for name in names
    }
    per_query = {
        query: {name: per_query[query][name] for name in names} for query in sorted(per_query)
    }
    return {"means": means, "per_query": per_query}


def expect(name):
    qrels, as_ranked, scored = {}, {}, {}
    for query, document, grade in read_tsv(HERE / f"{name}.qrels.tsv"):
        qrels.setdefault(query, {})[document] = int(grade)
    for query, _, document, rank, score, _ in read_tsv(HERE / f"{name}.run.tsv"):
        as_ranked.setdefault(query, {})[document] = 1_000_000.0 - int(rank)
        scored.setdefault(query, {})[document] = float(score)
    return {"as_ranked": measure(qrels, as_ranked), "trec_order": measure(qrels, scored)}


def as_text(expected):
    """JSON with one line for each query, which reviews better than one for each number."""
    lines = json.dumps(expected, indent=1, ensure_ascii=False).split("\n")
    text, inside = [], False
    for line in lines:
        depth = len(line) - len(line.lstrip())
        joined = inside and text
        if joined:
            text[-1] += line.strip() if line.strip()[0] == "}" else line.strip() + " "
        else:
            text.append(line)
        # A query stands four levels deep, means three.
        opens = line.endswith("{") and (depth == 4 or line.strip().startswith('"means"'))
        inside = opens or (inside and not line.strip().startswith("}"))
    return "\n".join(line.replace(" }", "}") for line in text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", action="store_true", help="make the runs again first")
    if parser.parse_args().runs:
        make_random()
        make_wikipedia()
        make_bundled()
    expected = {name: expect(name) for name in NAMES}
    (HERE / "expected.json").write_text(as_text(expected), encoding="utf-8")
    for name, values in expected.items():
        for order, measured in values.items():
            print(f"{name:10} {order:10} {measured['means']}")


if __name__ == "__main__":
    main()
