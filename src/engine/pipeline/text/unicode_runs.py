#!/usr/bin/env python3
"""Writes unicode_runs.h: what str.lower() and \\w of Python's `re` know of code points.

    python3.9 src/engine/pipeline/text/unicode_runs.py facts > /tmp/facts-3.9
    ... the same with python3.10, 3.11, 3.12, 3.13 and 3.14: Unicode 13.0 to 16.0 ...
    python3 src/engine/pipeline/text/unicode_runs.py merge /tmp/facts-3.* \\
        > src/engine/pipeline/text/unicode_runs.h

Each Python is asked for its own facts. Code points about which they disagree, mostly letters and
marks that a later Unicode has added, are UNSURE.
"""

import sys

N_CODE_POINTS = 0x110000
WORD, CASED, IGNORABLE, UNSURE = 1, 2, 4, 8
CAPITAL_SIGMA, FINAL_SIGMA = "\u03a3", "\u03c2"
DOTTED_CAPITAL_I = 0x130  # the one code point whose lower case is two


def facts_of(code_point):
    """Flags and lower case - code point. How a capital sigma is lowered tells what is around it
    (handle_capital_sigma in CPython's Objects/unicodeobject.c)."""
    character = chr(code_point)
    flags = WORD if character.isalnum() or character == "_" else 0
    if (character + CAPITAL_SIGMA).lower()[-1] == FINAL_SIGMA:
        flags |= CASED
    elif ("A" + character + CAPITAL_SIGMA).lower()[-1] == FINAL_SIGMA:
        flags |= IGNORABLE
    lower = character.lower()
    if code_point == DOTTED_CAPITAL_I:
        assert lower == "i\u0307"
        return flags, 0
    assert len(lower) == 1
    # mr_text_lower() makes room for half as much again.
    size, lower_size = (len(text.encode("utf-8", "surrogatepass")) for text in (character, lower))
    assert 2 * lower_size <= 3 * size
    return flags, ord(lower) - code_point


def runs_of(facts):
    last = None
    for code_point, fact in enumerate(facts):
        if fact != last:
            yield code_point, fact
        last = fact


def print_facts():
    for start, (flags, delta) in runs_of(map(facts_of, range(N_CODE_POINTS))):
        print(f"{start:x} {flags} {delta}")


def read_facts(path):
    with open(path) as file:
        runs = [(int(start, 16), int(flags), int(delta)) for start, flags, delta in map(str.split, file)]
    ends = [start for start, _, _ in runs[1:]] + [N_CODE_POINTS]
    facts = []
    for (start, flags, delta), end in zip(runs, ends):
        facts += [(flags, delta)] * (end - start)
    assert len(facts) == N_CODE_POINTS
    return facts


def print_list(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {item},"
    print("\n".join([*lines, line]))


def merge(paths):
    merged = [
        same.pop() if len(same) == 1 else (UNSURE, 0)
        for same in map(set, zip(*map(read_facts, paths)))
    ]
    runs = list(runs_of(merged))
    records = sorted({fact for _, fact in runs})  # the first is (0, 0)
    assert records[0] == (0, 0) and len(records) <= 256
    number_of = {fact: number for number, fact in enumerate(records)}
    print("/* Made by unicode_runs.py of Pythons 3.9 to 3.14; do not edit. */")
    print("#ifndef MR_ENGINE_PIPELINE_TEXT_UNICODE_RUNS_H")
    print("#define MR_ENGINE_PIPELINE_TEXT_UNICODE_RUNS_H\n\n#include <stdint.h>\n")
    print("/* clang-format off */")
    print("/* Flags: 1 \\w, 2 cased, 4 case-ignorable, 8 not the same in all versions of Unicode; and the")
    print(" * lower case - the code point. */")
    print("static const struct {\n    uint8_t flags;\n    int32_t lower;\n} unicode_records[] = {")
    print_list([f"{{{flags}, {delta}}}" for flags, delta in records])
    print("};\n\n/* Runs of code points: the first one << 8 | the number of their record. */")
    print("static const uint32_t unicode_runs[] = {")
    print_list([f"0x{start << 8 | number_of[fact]:x}" for start, fact in runs])
    print("};\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    if sys.argv[1:] == ["facts"]:
        print_facts()
    elif sys.argv[1:2] == ["merge"] and len(sys.argv) > 2:
        merge(sys.argv[2:])
    else:
        sys.exit(__doc__)
