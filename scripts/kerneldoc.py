#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kerneldoc.py - read the kernel-doc comments and the declarations of a C header.

Theory: a header of ours holds three kinds of public things: functions (WEIR_API prototypes and
static inline functions), structures and enums.  Each is preceded by a comment that begins with two
stars: a title line "name() - what it does" (or "struct name - ...", "enum name - ..."), one
"@name:" paragraph for each parameter or member, free text, and "Return:" and "Threads:".  Members
below a comment that begins with "private" need none.  This reads declarations and comments apart
from each other, so that what is missing in either can be told.  It reads our own style and is no
C parser.
"""
import re
from dataclasses import dataclass, field


@dataclass
class Doc:
    """One kernel-doc comment."""
    line: int
    kind: str = ""
    name: str = ""
    short: str = ""
    members: dict = field(default_factory=dict)
    text: list = field(default_factory=list)
    returns: str = ""
    threads: str = ""


@dataclass
class Declaration:
    """One public thing: kind is "function", "struct" or "enum"."""
    kind: str
    name: str
    line: int
    members: list
    void: bool
    exported: bool
    source: str
    doc: Doc = None


def blank(match):
    """What a comment or a literal becomes: spaces, and its line breaks."""
    text = match.group(0)
    inner = re.sub(r"[^\n]", " ", text[1:-1])
    if text[0] in "\"'":
        return text[0] + inner + text[-1]
    return " " + inner + ("\n" if text[-1] == "\n" else " ")


NOISE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def strip_noise(text):
    """C text without comments and the insides of literals; line numbers stay."""
    return NOISE.sub(blank, text)


def strip_literals(text):
    """C text without the insides of literals; comments stay."""
    return NOISE.sub(lambda m: m.group(0) if m.group(0)[0] == "/" else blank(m), text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def paragraphs(lines):
    """Group lines into paragraphs; "@x:" begins one, and so do "Return:" and "Threads:"."""
    result = []
    open_ = False
    for line in lines:
        bare = line.strip()
        if not bare:
            open_ = False
            continue
        if not open_ or re.match(r"@[\w.]+:|Return:|Threads:", bare):
            result.append(line)
            open_ = True
        else:
            result[-1] += "\n" + line
    return result


def join(text):
    return re.sub(r"\s+", " ", text).strip()


def parse_doc(comment, line):
    """Read one kernel-doc comment."""
    doc = Doc(line)
    lines = [re.sub(r"^\s*\* ?", "", row) for row in comment[3:-2].split("\n")]
    lines = [row.rstrip() for row in lines]
    while lines and not lines[0].strip():
        lines.pop(0)
    body = paragraphs(lines)
    if not body:
        return doc
    title = re.match(r"(?:(struct|enum) )?(\w+)(\(\))? - (.*)", body[0], re.S)
    if title:
        first, *rest = title.group(4).split("\n@", 1)
        doc.kind = title.group(1) or "function"
        doc.name = title.group(2)
        doc.short = join(first)
        body[0:1] = ["@" + text for text in rest]
    for paragraph in body:
        member = re.match(r"@([\w.]+):\s*(.*)", paragraph, re.S)
        if member:
            doc.members[member.group(1)] = join(member.group(2))
        elif paragraph.startswith("Return:"):
            read_returns(doc, join(paragraph[len("Return:"):]))
        elif paragraph.startswith("Threads:"):
            doc.threads = join(paragraph[len("Threads:"):])
        else:
            read_text(doc, paragraph)
    return doc


def read_returns(doc, text):
    """Return: what comes back, up to "Threads:", which is a part of its own."""
    doc.returns, _, threads = text.partition("Threads:")
    doc.returns = doc.returns.strip()
    if threads:
        doc.threads = threads.strip()


def read_text(doc, paragraph):
    """Free text; lines that are indented further keep their shape."""
    text, _, threads = paragraph.partition("Threads:")
    if threads:
        doc.threads = join(threads)
    if text.strip():
        doc.text.append(text.rstrip())


def split_commas(text):
    """Split at commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def declared_name(text):
    """The name that a parameter or a member declares; None for an unnamed one."""
    pointer = re.search(r"\(\s*\*+\s*(?:const\s+)?(\w+)", text)
    if pointer:
        return pointer.group(1)
    if text.strip() == "...":
        return "..."
    text = re.sub(r"\[[^\]]*\]|:\s*\d+\s*$", "", text).strip()
    words = re.findall(r"\w+", text)
    return words[-1] if len(words) > 1 else None


def parameters(text):
    if text.strip() in ("", "void"):
        return []
    return [declared_name(part) for part in split_commas(text)]


def struct_members(body):
    """Names of all members, those of anonymous unions and structures among them."""
    names = []
    while True:  # innermost first: an inner { ... } without a name gives its members
        inner = re.search(r"\b(?:struct|union)\s*\{([^{}]*)\}\s*(\w*)(?:\[[^\]]*\])?\s*;", body)
        if not inner:
            break
        if inner.group(2):
            names.append(inner.group(2))
        else:
            names += struct_members(inner.group(1))
        body = body[:inner.start()] + body[inner.end():]
    for statement in body.split(";"):
        if statement.strip():
            first, *more = split_commas(statement)
            names.append(declared_name(first))
            names += [re.sub(r"\W", "", name) for name in more]
    return [name for name in names if name]


def enum_members(body):
    return [re.match(r"\w+", part).group(0) for part in split_commas(body)]


FUNCTION = re.compile(
    r"^(?P<head>(?:WEIR_API\b|static inline\b)[^;{}()]*?)\b(?P<name>\w+)\("
    r"(?P<parameters>[^;{}]*)\)\s*[;{]", re.M)
ATTRIBUTE = re.compile(r"\b__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")
PRIVATE = re.compile(r"[ \t]*/\*\s*private\b")


def blank_all(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def find_declarations(text):
    """All public things of a header, in order."""
    code = strip_noise(text)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank_all, code, flags=re.M)
    code = ATTRIBUTE.sub(blank_all, code)
    found = []
    for match in FUNCTION.finditer(code):
        head = match.group("head")
        kept = re.sub(r"\b(WEIR_API|WEIR_MUST_CHECK|static|inline)\b", "", head)
        source = join(kept + match.group("name") + "(" + match.group("parameters") + ");")
        found.append(Declaration(
            "function", match.group("name"), line_of(code, match.start()),
            parameters(match.group("parameters")), join(kept) == "void",
            head.startswith("WEIR_API"), source))
    for match in re.finditer(r"^(struct|enum)\s+(\w+)\s*\{(.*?)^\}\s*;", code, re.M | re.S):
        members = struct_members if match.group(1) == "struct" else enum_members
        private = PRIVATE.search(text, match.start(3), match.end(3))
        end = private.start() if private else match.end(3)
        source = text[match.start():end] + ("\t/* private members */\n" if private else "")
        found.append(Declaration(
            match.group(1), match.group(2), line_of(code, match.start()),
            members(code[match.start(3):end]), True, False, source + "};"))
    return sorted(found, key=lambda declaration: declaration.line)


def read_header(path):
    """Declarations of a header, each with its comment, and comments that belong to nothing."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    declarations = find_declarations(text)
    orphans = []
    literals = strip_literals(text)
    for match in re.finditer(r"/\*\*\n.*?\*/", literals, re.S):
        doc = parse_doc(text[match.start():match.end()], line_of(text, match.start()))
        end = line_of(text, match.end())
        for declaration in declarations:
            if declaration.line == end + 1:
                declaration.doc = doc
                break
        else:
            orphans.append(doc)
    return declarations, orphans
