"""A program for a PC: it reads samples and events as text, and writes the commands of each tick as text."""

from __future__ import annotations

from ..exported import Exported

__all__ = ["files"]

MAIN = """\
/* Runs {n} on a PC. Standard input has a line for each thing that arrives, standard output one for each tick:
 *
 *   set INPUT NUMBER ...     a sample
 *   event INPUT {t}X Y P       an event
 *   step                     one tick; prints the status and the commands
 *   stop | release | reset
 *
 *   cc -std=c99 -O2 -I.. main.c ../{n}.c ../{n}_selftest.c -o {n} && ./{n} < record.txt > commands.txt
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "{n}.h"

static {n}_state s;

static int numbers(float *to, int most) {{
    const char *word;
    int n = 0;
    while ((word = strtok(NULL, " \\t\\r\\n")) != NULL && n < most) to[n++] = strtof(word, NULL);
    return n;
}}

static void show(void) {{
    printf("%u", (unsigned){n}_status(&s));
{shown}
    printf("\\n");
}}

static int take(const char *what) {{
    const char *name;
    float x[{most}];
    int n;
    if (strcmp(what, "step") == 0) {{
        {n}_step(&s);
        show();
        return 1;
    }}
    if (strcmp(what, "stop") == 0) return {n}_stop(&s), 1;
    if (strcmp(what, "release") == 0) return {n}_release(&s), 1;
    if (strcmp(what, "reset") == 0) return {n}_reset(&s), 1;
    if ((name = strtok(NULL, " \\t\\r\\n")) == NULL) return 0;
    n = numbers(x, {most});
{taken}
    return 0;
}}

int main(void) {{
    char line[{line}];
    int at = 0;
    if ({n}_selftest_in(&s) != 0) {{
        fprintf(stderr, "the self-test failed: this build does not compute the bits of the engine\\n");
        return 1;
    }}
    while (fgets(line, sizeof line, stdin) != NULL) {{
        const char *what = strtok(line, " \\t\\r\\n");
        at++;
        if (what != NULL && what[0] != '#' && !take(what)) {{
            fprintf(stderr, "line %d: not understood\\n", at);
            return 2;
        }}
    }}
    return 0;
}}
"""


TAKE = """\
    if (strcmp(what, "{what}") == 0 && strcmp(name, "{name}") == 0 && n == {count}) {{
        {call}
        return 1;
    }}"""


def files(e: Exported) -> dict[str, str]:
    n, taken = e.name, []
    for one in e.inputs:
        what, count, call = "set", one.facts.size, f"{n}_set_{one.name}(&s, x);"
        if one.facts.kind == "events":
            t, k = ("(int64_t)x[0], ", 1) if one.timed else ("", 0)
            what, count = "event", 3 + k
            call = f"{n}_event_{one.name}(&s, {t}(uint16_t)x[{k}], (uint16_t)x[{k + 1}], (uint8_t)x[{k + 2}]);"
        taken.append(TAKE.format(what=what, name=one.name, count=count, call=call))
    shown = [
        f'    for (int k = 0; k < {one.size}; k++) printf(" %.9g", (double){n}_command_{one.name}(&s)[k]);'
        for one in e.outputs
    ]
    most = max([4, *(one.facts.size for one in e.inputs if one.facts.kind == "value")])
    words = {"n": n, "most": most, "line": 32 * most + 256, "t": "T " if any(one.timed for one in e.inputs) else ""}
    return {"plain/main.c": MAIN.format(shown="\n".join(shown), taken="\n".join(taken), **words)}
