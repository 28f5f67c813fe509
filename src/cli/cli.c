#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mr_cli_usage(const char *command, const char *format, ...) {
    fprintf(stderr, "mlrace %s: ", command);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'mlrace %s --help'.\n", command);
    return MR_EXIT_USAGE;
}

int mr_cli_bad_option(const char *command, int argc, char **argv, int result) {
    const char *text = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (result == ':') return mr_cli_usage(command, "option '%s' needs a value", text);
    if (optopt && strncmp(text, "--", 2) != 0) {
        return mr_cli_usage(command, "unknown option '-%c'", optopt);
    }
    if (optopt) return mr_cli_usage(command, "option '%s' takes no value", text);
    return mr_cli_usage(command, "unknown option '%s'", text);
}

int mr_cli_bad_value(const char *command, const char *name, const char *expected,
                     const char *value) {
    return mr_cli_usage(command, "%.*s: expected %s, received '%s'", (int)strcspn(name, "="), name,
                        expected, value);
}

const char *mr_cli_option_name(char **argv) {
    return argv[optind - 1 - (optarg == argv[optind - 1])];
}

int mr_cli_find_word(const char *const *words, const char *word) {
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) return i;
    }
    return MR_CLI_NO_WORD;
}

bool mr_cli_parse_uint(const char *text, unsigned long min, unsigned long max, unsigned long *out) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-') || value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

bool mr_cli_parse_bytes(const char *text, size_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || strchr(text, '-') || value == 0) return false;
    static const char units[] = "KMG";
    const char *unit = isalpha((unsigned char)*end) ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit) end++;
    if (*end == 'B' || *end == 'b') end++;
    if (*end || value > (SIZE_MAX >> 8) >> shift) return false;
    *out = (size_t)value << shift;
    return true;
}
