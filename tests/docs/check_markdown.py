#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_markdown.py [ROOT] - samples in *.md compile, links lead somewhere.

Theory: a block of C that follows the line <!-- compile --> is compiled against include/, with
warnings as errors.  A link to a file must lead to one, and a link to a heading of a file to a
heading of that file.  README.md must have at least one sample that is compiled.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = sys.argv[1] if len(sys.argv) > 1 else os.environ.get(
    "WEIR_SOURCE", os.path.dirname(os.path.dirname(HERE)))
CC = os.environ.get("CC", "cc")

SAMPLE = re.compile(r"^<!-- compile -->\s*\n```c\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def markdown_files():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders
                      if name not in ("build", "shared") and not name.startswith(".")]
        yield from (os.path.join(folder, name) for name in sorted(names)
                    if name.endswith(".md"))


def compile_sample(path, line, code):
    """What the compiler says about one sample; its lines are those of the file."""
    result = subprocess.run(
        [CC, "-x", "c", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
         "-fsyntax-only", "-I", os.path.join(ROOT, "include"), "-"],
        input=f'#line {line} "{path}"\n{code}', text=True, capture_output=True, check=False)
    return result.stderr.splitlines() if result.returncode else []


def anchors(path):
    """The names that headings of a file have."""
    with open(path, encoding="utf-8") as file:
        text = FENCE.sub("", file.read())
    names = set()
    for heading in re.findall(r"^#+ +(.*?)\s*#*$", text, re.M):
        bare = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))
        names.add(bare.strip().lower().replace(" ", "-"))
    return names


def check_links(path, text):
    bare = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)
    for match in LINK.finditer(bare):
        target = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        line = bare.count("\n", 0, match.start()) + 1
        if not os.path.exists(place):
            yield f"{path}:{line}: link to {file}, which is not there"
        elif anchor and place.endswith(".md") and anchor not in anchors(place):
            yield f"{path}:{line}: no heading #{anchor} in {os.path.relpath(place, ROOT)}"


def main():
    wrong, samples, files, readme_samples = [], 0, 0, 0
    for path in markdown_files():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        files += 1
        for match in SAMPLE.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            wrong += compile_sample(path, line, match.group(1))
            samples += 1
            readme_samples += path == os.path.join(ROOT, "README.md")
        wrong += check_links(path, text)
    if not readme_samples:
        wrong.append("README.md has no sample that is compiled (<!-- compile -->)")
    print("\n".join(wrong + [f"{files} files, {samples} samples, {len(wrong)} faults"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
