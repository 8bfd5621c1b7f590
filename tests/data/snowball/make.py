#!/usr/bin/env python3
"""Makes samples.tsv of Snowball's vocabularies: `make.py FOLDER > samples.tsv`.

FOLDER is `data` of github.com/snowballstem/snowball-data, or /usr/share/snowball/data of Debian's package `snowball-data`. Only
languages whose vocabulary is under the BSD licence are taken; the stems of all others are tested where the folder is present.
"""

import pathlib
import sys

LANGUAGES = """danish dutch english finnish german hungarian italian norwegian portuguese romanian russian spanish
    swedish turkish""".split()
SAMPLES = 150

for language in LANGUAGES:
    folder = pathlib.Path(sys.argv[1]) / language
    words = (folder / "voc.txt").read_text(encoding="utf-8").splitlines()
    stems = (folder / "output.txt").read_text(encoding="utf-8").splitlines()
    assert len(words) == len(stems), language
    for at in range(SAMPLES):
        place = (2 * at + 1) * len(words) // (2 * SAMPLES)
        print(language, words[place], stems[place], sep="\t")
