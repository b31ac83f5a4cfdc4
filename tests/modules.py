#!/usr/bin/env python3
"""The house as the compiler sees it: who includes whom, by wing, and what is long.

    python3 tests/modules.py [FOLDER]

Prints, for the sources of this folder or another one (an older commit's, say): the wings with their files, the arrows
between wings with how many includes they stand for, the arrows that close a circle, the circles of files inside a
wing, the longest files and functions, and the share of comments in the ten largest files.
"""
import collections
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOMS = ("patterns", "src", "tools")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
FUNCTION = re.compile(r"^[A-Za-z_][^;{}=#]*\)\n\{\n(.*?)^\}", re.M | re.S)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def sources(top):
    """Path from the top -> text."""
    found = {}
    for room in ROOMS:
        for folder, _, names in os.walk(os.path.join(top, room)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        found[os.path.relpath(path, top)] = file.read()
    return found


def wing(path):
    folder = os.path.dirname(path)
    return folder[4:] if folder.startswith("src/") else folder


def unit(path):
    """A class: a file and its header are one."""
    return re.sub(r"(_self|_inner|_parts)?\.[ch]$", "", path)


def arrows(files):
    """(file, included file) for each include of ours."""
    for path, text in files.items():
        for name in INCLUDE.findall(text):
            near = os.path.normpath(os.path.join(os.path.dirname(path), name))
            for candidate in (near, "src/" + name, name):
                if candidate in files:
                    yield path, candidate
                    break


def circles(graph):
    """The strongly connected components of more than one node (Tarjan)."""
    number, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        on.add(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def functions(files):
    """(lines, name, file), the longest first."""
    found = []
    for path, text in files.items():
        for match in FUNCTION.finditer(text):
            name = re.search(r"(\w+) \([^()]*(?:\([^()]*\)[^()]*)*\)\n\{", match.group(0))
            found.append((match.group(1).count("\n"), name.group(1) if name else "?", path))
    return sorted(found, reverse=True)


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(HERE)
    files = sources(top)
    wings = collections.defaultdict(list)
    for path in files:
        wings[wing(path)].append(path)
    between, inside = collections.Counter(), collections.defaultdict(lambda: collections.defaultdict(set))
    graph = collections.defaultdict(set)
    for path, other in arrows(files):
        one, two = wing(path), wing(other)
        if one != two:
            between[one, two] += 1
            graph[one].add(two)
        elif unit(path) != unit(other):
            inside[one][unit(path)].add(unit(other))

    print("wing: files, lines -> wings that it includes (how often)")
    for name in sorted(wings):
        lines = sum(files[path].count("\n") for path in wings[name])
        to = ", ".join("%s (%d)" % (two, count) for (one, two), count in sorted(between.items()) if one == name)
        print("  %-14s %3d %6d -> %s" % (name, len(wings[name]), lines, to or "nothing"))
    print("circles of wings: %s" % ("; ".join(" <-> ".join(group) for group in circles(graph)) or "none"))
    print("circles of classes inside a wing:")
    for name in sorted(inside):
        for group in circles(inside[name]):
            print("  %s: %s" % (name, " <-> ".join(os.path.basename(node) for node in group)))
    print("classes that share a private header:")
    for path in sorted(files):
        if re.search(r"(_self|_inner|_parts)\.h$", path):
            users = sorted(os.path.basename(one) for one, other in arrows(files) if other == path)
            fields = max((match.count(";") for match in re.findall(r"struct [a-z_]+ \{.*?^\}", files[path], re.M | re.S)), default=0)
            print("  %s, %d fields: %s" % (path, fields, " ".join(users)))
    print("longest files:")
    for path in sorted(files, key=lambda path: -files[path].count("\n"))[:10]:
        text = files[path]
        share = sum(len(match) for match in COMMENT.findall(text)) / len(text)
        print("  %5d lines, %2.0f %% comments  %s" % (text.count("\n"), 100 * share, path))
    print("longest functions:")
    for lines, name, path in functions(files)[:10]:
        print("  %5d lines  %s (%s)" % (lines, name, path))


if __name__ == "__main__":
    main()
