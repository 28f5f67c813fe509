#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/number.h"

int mr_cli_usage(const char *command, const char *format, ...) {
    fprintf(stderr, "mlrace %s: ", command);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'mlrace %s --help'.\n", command);
    return MR_EXIT_USAGE;
}

int mr_cli_fail(const char *command, const struct mr_error *err) {
    struct mr_error shown = *err;
    mr_log_clean(shown.message);
    fprintf(stderr, "mlrace %s: %s\n", command, shown.message);
    return MR_EXIT_FAILED;
}

int mr_cli_bad_value(const char *command, const char *name, const char *expected,
                     const char *value) {
    return mr_cli_usage(command, "%.*s: expected %s, received '%s'", (int)strcspn(name, "="), name,
                        expected, value);
}

/* Says what getopt_long found wrong: it returned '?' or ':'. */
static int fail_option(const char *command, int argc, char **argv, int result) {
    const char *text = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (result == ':') return mr_cli_usage(command, "option '%s' needs a value", text);
    if (optopt && strncmp(text, "--", 2) != 0) {
        return mr_cli_usage(command, "unknown option '-%c'", optopt);
    }
    if (optopt) return mr_cli_usage(command, "option '%s' takes no value", text);
    return mr_cli_usage(command, "unknown option '%s'", text);
}

int mr_cli_read(const struct mr_cli_syntax *syntax, int argc, char **argv, void *config) {
    const char *command = syntax->command;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, syntax->letters, syntax->options, NULL)) != -1;) {
        const char *expected = "";
        if (c == '?' || c == ':') return fail_option(command, argc, argv, c);
        if (c == MR_OPT_HELP) {
            for (const char *const *text = syntax->help; *text; text++) fputs(*text, stdout);
            return MR_CLI_DONE;
        }
        if (!syntax->set(config, c, optarg, &expected)) {
            const char *name = argv[optind - 1 - (optarg == argv[optind - 1])];
            return mr_cli_bad_value(command, name, expected, optarg);
        }
    }
    if (optind < argc) return mr_cli_usage(command, "unexpected argument '%s'", argv[optind]);
    return 0;
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

bool mr_cli_parse_ms(const char *text, unsigned long *out) {
    static const struct {
        const char *name;
        unsigned long ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || strchr(text, '-')) return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(end, units[i].name) != 0) continue;
        return !__builtin_mul_overflow(value, units[i].ms, out);
    }
    return false;
}

bool mr_cli_parse_bytes(const char *text, size_t *out) {
    uint64_t bytes;
    /* Far from overflow whatever is added to it. */
    if (!mr_bytes_parse(mr_str_from(text), &bytes) || bytes > SIZE_MAX >> 8) return false;
    *out = (size_t)bytes;
    return true;
}
