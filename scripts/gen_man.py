#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gen_man.py [--strict] --out FOLDER --version X HEADER... - man3 pages from kernel-doc.

Theory: one page for each public function (section 3), structure and enum (section 3type, because
an enum may have the name of a function).  Everything in a page comes from the header, the only
place where the interface is described.  What a page lacks is said; with --strict, as the tests
call it, that is a failure.
"""
import argparse
import os
import re
import sys

sys.dont_write_bytecode = True
import kerneldoc  # noqa: E402 - beside this file

ENGINE_BOUND = re.compile(r"\bstruct weir_(engine|sock|slice|timer|io|iobuf)\b")


def escape(text):
    """Text as roff takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def marked(text):
    """Names of parameters in italics, functions in bold."""
    text = re.sub(r"``(.*?)``", r"\1", escape(text))
    text = re.sub(r"@(\w+)", r"\\fI\1\\fP", text)
    return re.sub(r"\b(\w+)\((3?)\)(?!\w)",
                  lambda m: f"\\fB{m.group(1)}\\fP({m.group(2) or 3})"
                  if m.group(1).startswith("weir_") else m.group(0), text)


def paragraph(text):
    """Free text; what is indented keeps its lines."""
    if re.search(r"^(\t| {2,})\S", text, re.M):
        return ".PP\n.nf\n" + marked(text) + "\n.fi\n"
    return ".PP\n" + marked(kerneldoc.join(text)) + "\n"


def synopsis(declaration):
    """The declaration, one parameter to a line where it is long."""
    source = declaration.source
    if declaration.kind == "function" and len(source) > 72:
        head, rest = source.split("(", 1)
        parts = kerneldoc.split_commas(rest.rstrip(";")[:-1])
        source = head + "(\n        " + ",\n        ".join(parts) + ");"
    return escape(source.expandtabs(8))


def threads_of(declaration):
    """From which thread: as said, else by what the function works on."""
    if declaration.doc.threads:
        return declaration.doc.threads
    if ENGINE_BOUND.search(declaration.source):
        return "The engine's only."
    return "Any."


def section(declaration):
    return "3" if declaration.kind == "function" else "3type"


def see_also(declaration, pages):
    """Pages that this one speaks of, as (name, section)."""
    doc = declaration.doc
    everything = " ".join([declaration.source, doc.returns, *doc.text, *doc.members.values()])
    found = set()
    for kind, name in re.findall(r"\b(struct |enum )?(weir_\w+)", everything):
        found.add((name, "3type" if kind or (name, "3") not in pages else "3"))
    return sorted(found & pages - {(declaration.name, section(declaration))})


def page(declaration, header, version, pages):
    """One man page as roff."""
    doc = declaration.doc
    name = declaration.name
    out = [f'.TH {name} {section(declaration)} "" "weir {version}" "weir"\n',
           f".SH NAME\n{name} \\- {escape(doc.short.rstrip('.'))}\n",
           ".SH LIBRARY\nlibweir (pkg\\-config: weir)\n",
           f".SH SYNOPSIS\n.nf\n.B #include <weir/{os.path.basename(header)}>\n.PP\n",
           synopsis(declaration) + "\n.fi\n"]
    title = "PARAMETERS" if declaration.kind == "function" else "MEMBERS"
    members = [(key, value) for key, value in doc.members.items()]
    if members:
        out.append(f".SH {title}\n")
        for key, value in members:
            out.append(f".TP\n.I {escape(key)}\n{marked(value)}\n")
    if doc.text:
        out.append(".SH DESCRIPTION\n")
        out += [paragraph(text) for text in doc.text]
    if declaration.kind == "function":
        value = doc.returns or "None."
        out.append(f".SH RETURN VALUE\n{marked(value)}\n")
        out.append(f".SH THREADS\n{marked(threads_of(declaration))}\n")
    others = see_also(declaration, pages)
    out.append(".SH SEE ALSO\n" + " ,\n".join(f".BR {other} ({number})"
                                             for other, number in others + [("weir", "1")])
               + "\n")
    return "".join(out)


def missing_parts(declaration):
    """What the comment of a declaration lacks, in words."""
    doc = declaration.doc
    if doc is None:
        return ["no kernel-doc comment"]
    lacks = []
    if doc.name != declaration.name or doc.kind != declaration.kind or not doc.short:
        lacks.append(f"title line is not '{declaration.name}() - ...'"
                     if declaration.kind == "function" else
                     f"title line is not '{declaration.kind} {declaration.name} - ...'")
    for member in declaration.members:
        if member is None:
            lacks.append("a parameter has no name")
        elif not member.startswith(("reserved", "...")) and not doc.members.get(member):
            lacks.append(f"@{member} is not described")
    for member in doc.members:
        if member not in declaration.members:
            lacks.append(f"@{member} is described but not there")
    if not declaration.void and not doc.returns:
        lacks.append("no 'Return:'")
    if declaration.void and doc.returns:
        lacks.append("'Return:' of something that returns nothing")
    return lacks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--out", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("headers", nargs="+")
    options = parser.parse_args()

    found = []
    for header in options.headers:
        declarations, _ = kerneldoc.read_header(header)
        found += [(header, declaration) for declaration in declarations]
    pages = {(declaration.name, section(declaration)) for _, declaration in found}
    os.makedirs(options.out, exist_ok=True)
    for stale in os.listdir(options.out):
        if tuple(stale.rsplit(".", 1)) not in pages:
            os.unlink(os.path.join(options.out, stale))
    bad = 0
    for header, declaration in found:
        for lack in missing_parts(declaration):
            print(f"{header}:{declaration.line}: {declaration.name}: {lack}", file=sys.stderr)
            bad += 1
        if declaration.doc is None:
            continue
        path = os.path.join(options.out, f"{declaration.name}.{section(declaration)}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(page(declaration, header, options.version, pages))
    return 1 if bad and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
