#!/usr/bin/env python3
"""Makes a corpus of 1.4 million paragraphs: the RFCs, from Debian's packages doc-rfc-*.

Fetches the packages with apt from the Debian archive that this machine is configured with. They are in its section
"non-free" (RFCs may be copied freely, not modified), so the script gives apt a list of sources, a state and a cache
of its own, in a temporary folder: the machine's configuration is neither changed nor needed to have that section,
nothing is installed, and no privileges are needed. Without a configured archive, say which:
--source 'deb http://… bookworm'.

Writes one {"id", "title", "text"} a line, in the order of the RFCs' numbers and of the paragraphs in them. A title
is the RFC's own; page breaks with their headers and footers are dropped, paragraphs that repeat an earlier one
(copyright notices) and those with fewer than three words are left out. The same packages give the same bytes.

Usage:  python3 bench/corpora/fetch_rfc.py OUT.ndjson [--source 'deb URI SUITE'] [--packages FOLDER]
  --packages FOLDER   keeps the packages there, and fetches only those that are missing

Needs Python 3.8 or newer with its standard library, apt-get and dpkg-deb: any Debian, or Ubuntu with a Debian --source.
Takes a few minutes, half a gigabyte for the packages while it runs, and as much for the corpus.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RFC = re.compile(r".*/rfc(\d+)\.txt(\.gz)?$", re.IGNORECASE)
FOOTER = re.compile(r".*\[page [0-9ivxlc]+\]\s*$", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{2,}")
WORDS_MIN = 3


def run(command, folder):
    """What a command prints; its own words when it fails."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def configured_source():
    """The Debian archive of this machine and its suite, without what is for updates and security alone."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    for line in run(command, None).splitlines():
        uri, suite, component = line.split(" ")
        if component == "main" and uri.rstrip("/").endswith("/debian") and "-" not in suite:
            return f"deb {uri} {suite}"
    sys.exit("no Debian archive is configured here; name one: --source 'deb URI SUITE'")


def apt_options(scratch, source):
    """The options that keep apt inside of a folder."""
    kind, uri, suite = source.split()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    sources = scratch / "sources.list"
    sources.write_text(f"{kind} {signed}{uri} {suite} non-free\n")
    for name in ["state/lists/partial", "cache/archives/partial"]:
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": scratch / "state",
        "Dir::State::Status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Acquire::Languages": "none",
    }
    if os.geteuid() == 0:
        # The user that apt would fetch as cannot write into the folder.
        options["APT::Sandbox::User"] = "root"
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def fetch(source, folder):
    """The packages, as files in `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        options = apt_options(Path(scratch), source)
        run(["apt-get", *options, "update"], folder)
        names = run(["apt-cache", *options, "pkgnames", "doc-rfc"], folder).split()
        if not names:
            sys.exit(f"{source} has no packages doc-rfc-* in its section non-free")
        missing = [name for name in sorted(names) if not list(folder.glob(f"{name}_*.deb"))]
        if missing:
            run(["apt-get", *options, "download", *missing], folder)
    return [path for name in sorted(names) for path in sorted(folder.glob(f"{name}_*.deb"))]


def rfcs(package):
    """Numbers and texts of the RFCs in a package."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        for member in archive:
            found = RFC.match(member.name)
            if found and member.isfile():
                data = archive.extractfile(member).read()
                data = gzip.decompress(data) if found.group(2) else data
                yield int(found.group(1)), data.decode("utf-8", "replace")
    if process.wait() != 0:
        sys.exit(f"{package} cannot be unpacked")


def without_page_breaks(text):
    """The lines of a text; a page's footer, the form feed and the next page's header are dropped."""
    lines = []
    after_break = False
    for line in text.replace("\r", "").replace("\f", "\n\f\n").split("\n"):
        if line == "\f":
            after_break = True
        elif FOOTER.match(line):
            continue
        elif after_break and line.strip():
            # The running header, if the line is one.
            after_break = False
            if not re.match(r"(RFC|IEN|Network Working Group|Internet[ -]Draft)\b", line, re.IGNORECASE):
                lines.append(line)
        else:
            lines.append(line)
    return lines


def paragraphs(lines):
    """Runs of lines that are not blank, each as one line."""
    run_of_lines = []
    for line in [*lines, ""]:
        if line.strip():
            run_of_lines.append(" ".join(line.split()))
        elif run_of_lines:
            yield run_of_lines
            run_of_lines = []


def title_of(blocks):
    """The first block that looks like a title: it follows the first one, which names series, authors and date."""
    for block in blocks[1:4]:
        if len(block) <= 4 and WORD.search(block[0]):
            return " ".join(block)
    return ""


def main():
    parser = argparse.ArgumentParser(description="Makes a corpus of the paragraphs of all RFCs.")
    parser.add_argument("out", type=Path, metavar="OUT.ndjson")
    parser.add_argument("--source", help="Debian's archive and suite: 'deb URI SUITE'")
    parser.add_argument("--packages", type=Path, metavar="FOLDER", help="where the packages are kept")
    arguments = parser.parse_args()
    texts = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.packages or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for package in fetch(arguments.source or configured_source(), folder):
            for number, text in rfcs(package):
                texts.setdefault(number, text)
    count, seen = 0, set()
    with arguments.out.open("w", encoding="utf-8") as out:
        for number in sorted(texts):
            blocks = list(paragraphs(without_page_breaks(texts[number])))
            title = title_of(blocks)
            for place, block in enumerate(blocks):
                text = " ".join(block)
                digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
                if digest in seen or len(WORD.findall(text)) < WORDS_MIN:
                    continue
                seen.add(digest)
                document = {"id": f"rfc{number}.{place}", "title": title, "text": text}
                out.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
                count += 1
    print(f"{len(texts)} RFCs, {count} paragraphs, {arguments.out.stat().st_size} bytes in {arguments.out}")


if __name__ == "__main__":
    main()
