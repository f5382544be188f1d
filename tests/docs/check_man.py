#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_man.py - the man pages that are made from the headers are complete and roff.

Theory: the generator runs with --strict into an empty folder.  Each public function and type must
then have a page with every part filled, and groff, where it is there, must accept each page without
a warning.  So must the pages that are written by hand (docs/man).
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("WEIR_SOURCE", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(SOURCE, "scripts"))
import kerneldoc  # noqa: E402

FUNCTION_PARTS = ["NAME", "LIBRARY", "SYNOPSIS", "RETURN VALUE", "THREADS", "SEE ALSO"]
TYPE_PARTS = ["NAME", "LIBRARY", "SYNOPSIS", "MEMBERS", "SEE ALSO"]


def parts(page):
    """Title -> text of each part of a page."""
    pieces = re.split(r"^\.SH (.*)\n", page, flags=re.M)[1:]
    return dict(zip(pieces[0::2], pieces[1::2]))


def check_page(declaration, folder):
    """What is wrong with one page."""
    suffix = "3" if declaration.kind == "function" else "3type"
    path = os.path.join(folder, f"{declaration.name}.{suffix}")
    if not os.path.exists(path):
        return ["no page"]
    with open(path, encoding="utf-8") as file:
        found = parts(file.read())
    wanted = list(FUNCTION_PARTS if declaration.kind == "function" else TYPE_PARTS)
    if declaration.kind == "function" and declaration.members:
        wanted.append("PARAMETERS")
    wrong = [f"no {title}" for title in wanted if not found.get(title, "").strip()]
    described = found.get("PARAMETERS", "") + found.get("MEMBERS", "")
    for member in declaration.members:
        if not member.startswith(("reserved", "...")) and \
                not re.search(r"^\.I %s\n\S" % re.escape(member), described, re.M):
            wrong.append(f"{member} is not described")
    return wrong


def check_roff(paths):
    """What groff warns of."""
    groff = shutil.which("groff")
    if groff is None:
        return []
    wrong = []
    for path in paths:
        result = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-z", path], text=True,
                                capture_output=True, check=False)
        wrong += result.stderr.splitlines()
    return wrong


def main():
    include = os.path.join(SOURCE, "include", "weir")
    headers = sorted(os.path.join(include, name) for name in os.listdir(include))
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-B", os.path.join(SOURCE, "scripts", "gen_man.py"), "--strict",
             "--out", folder, "--version", "0"] + headers, text=True, capture_output=True,
            check=False)
        wrong += result.stderr.splitlines()
        if result.returncode and not wrong:
            wrong.append("gen_man.py failed")
        count = 0
        for header in headers:
            for declaration in kerneldoc.read_header(header)[0]:
                wrong += [f"{declaration.name}(3): {text}"
                          for text in check_page(declaration, folder)]
                count += 1
        wrong += check_roff(sorted(os.path.join(folder, name) for name in os.listdir(folder)))
    by_hand = os.path.join(SOURCE, "docs", "man")
    if not os.path.exists(os.path.join(by_hand, "weir.1")):
        wrong.append("docs/man/weir.1 is not there")
    else:
        wrong += check_roff(sorted(os.path.join(by_hand, name) for name in os.listdir(by_hand)))
    if count < 10:
        wrong.append(f"only {count} public things were found")
    print("\n".join(wrong + [f"{count} pages, {len(wrong)} faults"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
