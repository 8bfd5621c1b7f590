#!/usr/bin/env python3
"""Collects the documents to judge: the best answers of several systems, united and unlabelled.

Three steps, each usable by itself (`python3 corpora/pool.py STEP --help`):

  runs   search a collection with systems that pip installs; one TREC run file for each
  merge  unite the first DEPTH documents of any run files, shuffle, and write pool.tsv
  parts  write the pool as JSON lines with titles and texts, in parts, for the judges

The systems of `runs`, in the language that the collection's manifest names:

  tantivy   tantivy 0.27.0 (PyPI), title and text as two fields, the language's `en_stem`,
            `fr_stem` or `es_stem` tokenizer, words of the question joined by OR, BM25 with k1 1.2
            and b 0.75
  fts5      SQLite FTS5 of Python's sqlite3 (3.40.1), title and text as two columns, tokenizer
            `unicode61 remove_diacritics 2` without a stemmer, words joined by OR, bm25()
  bm25s     bm25s 0.3.16 (PyPI) with PyStemmer 3.1.0, title and text as one field, Snowball
            stemmer and stop words of the language, method `lucene` with k1 0.9 and b 0.4
  trigrams  FTS5 again over every three letters that follow each other in a word, letters without
            their accents, joined by OR: it finds other forms of a word, and parts of words

What was pooled, always with the source articles (sources.tsv), so that each is judged even where
every engine misses it:

  wikipedia-vital-en  depth 20, seed 20260802 (both are the defaults): tantivy, fts5, bm25s. Then
                      Alluvium's own first version (0.1.0 before its release): English analyzer,
                      one field over all strings, words joined by OR, BM25 with k1 1.2 and b 0.75.
                      It came when the others had been judged, so its 163 new pairs follow theirs
                      question by question
  wikipedia-vital-fr  depth 10, seed 20261127: the four systems above, and Alluvium 0.1.0 five
  wikipedia-vital-es  times, four with the analyzer of the language: k1 1.2 and b 0.75; k1 0.9 and
                      b 0.4; every word required (`+word`); titles only (`title:word`); and once
                      with words as they are, k1 1.2 and b 0.75. Then each question in the other
                      words of rewordings.jsonl, by the first of these five; its new documents
                      follow the others question by question

`merge` reads run files of any other engine as well. Given the pool that exists, it keeps those
lines and their order and adds only what is new. Alluvium writes such a file with
`alluvium eval … --run alluvium.run`, on the file that `alluvium demo` or `alluvium import` makes:

  python3 corpora/pool.py merge --keep corpora/wikipedia-vital-en/pool.tsv other.run > new.tsv
  python3 corpora/pool.py parts --parts 1 --pool new.tsv --judged qrels.tsv FOLDER

The shuffle is seeded with the seed and the question, so a pool can be made again byte for byte,
and nothing in the pool says which system found a document, at which rank or with what score.
`runs` needs `pip install tantivy bm25s PyStemmer`; the other steps the standard library only.
"""

import argparse
import gzip
import json
import random
import re
import sqlite3
import sys
import unicodedata
from pathlib import Path

COLLECTION = Path(__file__).resolve().parent / "wikipedia-vital-en"
DEPTH = 20
SEED = 20260802
RUN_DEPTH = 100
SNOWBALL = {"en": "english", "fr": "french", "es": "spanish"}


def documents(collection):
    with gzip.open(collection / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def language(collection):
    """The code of the collection's language."""
    return json.loads((collection / "manifest.json").read_text(encoding="utf-8"))["language"]


def queries(collection):
    with open(collection / "queries.jsonl", encoding="utf-8") as file:
        return {query["_id"]: query["text"] for query in map(json.loads, file)}


def pairs(path):
    """The (query-id, document-id) pairs of a tab-separated file, in its order."""
    with open(path, encoding="utf-8") as file:
        return [tuple(line.rstrip("\n").split("\t")[:2]) for line in file if line.strip()]


# --- runs ---------------------------------------------------------------------------------------


def words(text):
    """Letters and digits only, so that no engine takes punctuation for query syntax."""
    return re.findall(r"\w+", text)


def run_tantivy(corpus, questions, code):
    import tantivy

    tokenizer = f"{code}_stem"
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    builder.add_text_field("title", tokenizer_name=tokenizer)
    builder.add_text_field("text", tokenizer_name=tokenizer)
    index = tantivy.Index(builder.build())
    writer = index.writer(num_threads=1)
    for document in corpus:
        writer.add_document(
            tantivy.Document(
                id=document["_id"], title=document["title"], text=document["text"]
            )
        )
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    for query_id, text in questions.items():
        # lower case: the upper-case words AND, OR and NOT are operators
        query = index.parse_query(" ".join(words(text.lower())), ["title", "text"])
        hits = searcher.search(query, RUN_DEPTH).hits
        yield query_id, [(searcher.doc(place)["id"][0], score) for score, place in hits]


def run_fts5(corpus, questions, _):
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE corpus USING fts5"
        "(id UNINDEXED, title, text, tokenize = 'unicode61 remove_diacritics 2')"
    )
    database.executemany("INSERT INTO corpus VALUES (:_id, :title, :text)", corpus)
    for query_id, text in questions.items():
        match = " OR ".join(f'"{word}"' for word in words(text))
        rows = database.execute(
            "SELECT id, -bm25(corpus) FROM corpus WHERE corpus MATCH ? ORDER BY 2 DESC LIMIT ?",
            (match, RUN_DEPTH),
        )
        yield query_id, rows.fetchall()


def run_bm25s(corpus, questions, code):
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer(SNOWBALL[code])

    def tokens(texts):
        return bm25s.tokenize(texts, stopwords=SNOWBALL[code], stemmer=stemmer, show_progress=False)

    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(tokens([f"{d['title']} {d['text']}" for d in corpus]), show_progress=False)
    found, scores = index.retrieve(
        tokens(list(questions.values())), k=RUN_DEPTH, show_progress=False
    )
    for query_id, places, values in zip(questions, found.tolist(), scores.tolist()):
        hits = [(corpus[place]["_id"], score) for place, score in zip(places, values)]
        yield query_id, [hit for hit in hits if hit[1] > 0]


def trigrams(text):
    """Every three letters that follow each other in a word, short words whole."""
    letters = unicodedata.normalize("NFD", text.lower())
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    for word in words(plain):
        yield from (word[start : start + 3] for start in range(max(1, len(word) - 2)))


def run_trigrams(corpus, questions, _):
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE corpus USING fts5 (id UNINDEXED, trigrams)")
    for document in corpus:
        text = " ".join(trigrams(f"{document['title']} {document['text']}"))
        database.execute("INSERT INTO corpus VALUES (?, ?)", (document["_id"], text))
    for query_id, text in questions.items():
        match = " OR ".join(f'"{letters}"' for letters in trigrams(text))
        rows = database.execute(
            "SELECT id, -bm25(corpus) FROM corpus WHERE corpus MATCH ? ORDER BY 2 DESC LIMIT ?",
            (match, RUN_DEPTH),
        )
        yield query_id, rows.fetchall()


SYSTEMS = {
    "tantivy": run_tantivy,
    "fts5": run_fts5,
    "bm25s": run_bm25s,
    "trigrams": run_trigrams,
}


def step_runs(arguments):
    corpus, questions = documents(arguments.collection), queries(arguments.collection)
    code = language(arguments.collection)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, system in SYSTEMS.items():
        with open(arguments.folder / f"{name}.run", "w", encoding="utf-8") as file:
            for query_id, hits in system(corpus, questions, code):
                hits = sorted(hits, key=lambda hit: (-hit[1], hit[0]))
                for rank, (document_id, score) in enumerate(hits, 1):
                    print(query_id, "Q0", document_id, rank, f"{score:.6f}", name, file=file)


# --- merge --------------------------------------------------------------------------------------


def run_pairs(path, depth):
    """The first `depth` documents of every question of a TREC run, by its ranks."""
    ranked = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            query_id, _, document_id, rank, _, _ = line.split()
            ranked.setdefault(query_id, []).append((int(rank), document_id))
    return [(q, d) for q, hits in ranked.items() for _, d in sorted(hits)[:depth]]


def step_merge(arguments):
    kept = pairs(arguments.keep) if arguments.keep else []
    pool = {query_id: [] for query_id in queries(arguments.collection)}
    for query_id, document_id in kept:
        pool[query_id].append(document_id)
    found = {query_id: set() for query_id in pool}
    for query_id, document_id in pairs(arguments.collection / "sources.tsv"):
        found[query_id].add(document_id)
    for path in arguments.run:
        for query_id, document_id in run_pairs(path, arguments.depth):
            found[query_id].add(document_id)
    for query_id, known in pool.items():
        new = sorted(found[query_id].difference(known))
        random.Random(f"{arguments.seed}:{query_id}").shuffle(new)
        for document_id in known + new:
            print(query_id, document_id, sep="\t")


# --- parts --------------------------------------------------------------------------------------


def step_parts(arguments):
    corpus = {document["_id"]: document for document in documents(arguments.collection)}
    questions = queries(arguments.collection)
    judged = set(pairs(arguments.judged)) if arguments.judged else set()
    pool = {query_id: [] for query_id in questions}
    for query_id, document_id in pairs(arguments.pool or arguments.collection / "pool.tsv"):
        if (query_id, document_id) not in judged:
            document = corpus[document_id]
            fields = {"id": document_id, "title": document["title"], "text": document["text"]}
            pool[query_id].append(fields)
    todo = [query_id for query_id in questions if pool[query_id]]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for part in range(arguments.parts):
        start, end = (len(todo) * edge // arguments.parts for edge in (part, part + 1))
        path = arguments.folder / f"pool-{part + 1}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for query_id in todo[start:end]:
                line = {
                    "query_id": query_id,
                    "question": questions[query_id],
                    "documents": pool[query_id],
                }
                print(json.dumps(line, ensure_ascii=False), file=file)
        count = sum(len(pool[query_id]) for query_id in todo[start:end])
        print(f"{path}: {end - start} questions, {count} documents", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collection", type=Path, default=COLLECTION, help="its folder")
    steps = parser.add_subparsers(dest="step", required=True)

    runs = steps.add_parser("runs", help="write one run file for each system")
    runs.add_argument("folder", type=Path, help="where the .run files go")
    runs.set_defaults(step=step_runs)

    merge = steps.add_parser("merge", help="unite run files and print the pool")
    merge.add_argument("--depth", type=int, default=DEPTH, help="documents of each run")
    merge.add_argument("--seed", type=int, default=SEED, help="of the shuffle")
    merge.add_argument("--keep", type=Path, help="a pool whose lines come first, as they are")
    merge.add_argument("run", type=Path, nargs="*", help="TREC run files")
    merge.set_defaults(step=step_merge)

    parts = steps.add_parser("parts", help="write the pool with texts, for the judges")
    parts.add_argument("--parts", type=int, default=4, help="number of files")
    parts.add_argument("--pool", type=Path, help="another pool than the collection's")
    parts.add_argument("--judged", type=Path, help="qrels whose pairs are left out")
    parts.add_argument("folder", type=Path, help="where pool-N.jsonl go")
    parts.set_defaults(step=step_parts)

    arguments = parser.parse_args()
    arguments.step(arguments)


if __name__ == "__main__":
    main()
