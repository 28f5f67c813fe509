/* `mlrace cache`: what was downloaded, shown and removed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "store/cache.h"

static const char help[] =
    "Usage: mlrace cache ls\n"
    "       mlrace cache prune [options]\n"
    "\n"
    "Models that are not in a folder of this machine are downloaded into a cache, under\n"
    "MLRACE_HOME (~/.cache/mlrace). `ls` lists what is in it, the least recently used first;\n"
    "`prune` removes some of it, but nothing that a process uses.\n"
    "\n"
    "Options of prune, each of which names models to remove:\n"
    "      --size SIZE          those used longest ago, until the rest is at most SIZE, such as\n"
    "                           512M or 20G\n"
    "      --older-than AGE     those not used for AGE, such as 30d, 12h or 15m\n"
    "      --all                all\n"
    "      --help               this page\n"
    "\n"
    "Without options, those above MLRACE_CACHE_SIZE (10G) and what interrupted downloads left.\n"
    "A download removes by itself what is above that size.\n"
    "Exit code: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  mlrace cache ls\n"
    "  mlrace cache prune --older-than 30d\n"
    "  mlrace cache prune --size 5G\n";

struct config {
    struct mr_cache_prune prune;
    bool has_choice; /* an option that names models */
};

/* "41.9M", in the units of --size. */
static const char *format_bytes(uint64_t bytes, char out[16]) {
    static const char units[] = "\0KMGTP";
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1023.5 && unit < sizeof(units) - 2; unit++) value /= 1024;
    snprintf(out, 16, "%.*f%.1s", unit && value < 99.95 ? 1 : 0, value, units + unit);
    return out;
}

static mr_status open_cache(struct mr_cache *cache, struct mr_arena **arena, struct mr_error *err) {
    *arena = mr_arena_new((size_t)256 << 20, NULL);
    if (!*arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    return mr_cache_init(cache, 0, *arena, err);
}

static int end(const char *command, mr_status status, const struct mr_error *err,
               struct mr_arena *arena) {
    mr_arena_free(arena);
    return status == MR_OK ? 0 : mr_cli_fail(command, err);
}

/* --- ls --------------------------------------------------------------------------------------- */

static void print_item(const struct mr_cache_item *item) {
    char size[16], when[32] = "";
    struct tm tm;
    if (localtime_r(&item->last_use, &tm)) strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
    const char *state = item->is_in_use ? "in use" : item->is_complete ? "" : "partial";
    printf("%.12s  %7s  %6" PRIu64 "  %-16s  %-7s  %s\n", item->key,
           format_bytes(item->about.bytes, size), item->about.n_files, when, state,
           item->about.uri);
    if (strcmp(item->about.source, item->about.uri) != 0) {
        printf("%56s  from %s\n", "", item->about.source);
    }
}

static mr_status list(const struct mr_cache *cache, struct mr_arena *arena, struct mr_error *err) {
    struct mr_cache_item *items;
    size_t n;
    uint64_t total = 0;
    char used[16], max[16];
    MR_TRY(mr_cache_list(cache, arena, &items, &n, err));
    if (n)
        printf("%-12s  %7s  %6s  %-16s  %-7s  %s\n", "KEY", "SIZE", "FILES", "LAST USE", "",
               "MODEL");
    for (size_t i = 0; i < n; i++) {
        print_item(&items[i]);
        total += items[i].about.bytes;
    }
    printf("%zu model%s, %s of at most %s, in %s\n", n, n == 1 ? "" : "s",
           format_bytes(total, used), format_bytes(cache->max_bytes, max), cache->folder);
    return MR_OK;
}

static bool set_nothing(void *to, int option, char *value, const char **expected) {
    (void)to, (void)option, (void)value, (void)expected;
    return true;
}

static int run_ls(int argc, char **argv) {
    static const struct option options[] = {MR_CLI_HELP_OPTION, {0}};
    static const char *const texts[] = {help, NULL};
    const struct mr_cli_syntax syntax = {.command = "cache ls",
                                         .letters = ":",
                                         .options = options,
                                         .help = texts,
                                         .set = set_nothing};
    int code = mr_cli_read(&syntax, argc, argv, NULL);
    if (code) return code == MR_CLI_DONE ? 0 : code;
    struct mr_cache cache;
    struct mr_arena *arena;
    struct mr_error err = {0};
    mr_status status = open_cache(&cache, &arena, &err);
    if (status == MR_OK) status = list(&cache, arena, &err);
    return end("cache ls", status, &err, arena);
}

/* --- prune ------------------------------------------------------------------------------------ */

/* "30d" */
static bool read_age(const char *text, time_t *used_before) {
    static const struct {
        char unit;
        unsigned long seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}};
    char digits[16];
    size_t n = strspn(text, "0123456789");
    unsigned long count;
    if (n == 0 || n >= sizeof(digits) || strlen(text) != n + 1) return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[n] != units[i].unit || !mr_cli_parse_uint(digits, 0, 100000, &count)) continue;
        *used_before = time(NULL) - (time_t)(count * units[i].seconds);
        return true;
    }
    return false;
}

static bool set_prune(void *to, int option, char *value, const char **expected) {
    struct config *config = to;
    size_t bytes = 0;
    bool is_good = true;
    config->has_choice = true;
    switch (option) {
    case 's':
        *expected = "bytes such as 1048576, 512M or 20G";
        is_good = mr_cli_parse_bytes(value, &bytes);
        config->prune.max_bytes = bytes;
        return is_good;
    case 'o':
        *expected = "an age such as 30d, 12h or 15m";
        return read_age(value, &config->prune.used_before);
    default: config->prune.takes_all = true; return true;
    }
}

static void print_removed(void *ctx, const struct mr_cache_item *item) {
    char size[16];
    (void)ctx;
    printf("removed %.12s  %7s  %s\n", item->key, format_bytes(item->about.bytes, size),
           item->is_complete ? item->about.uri : "an interrupted download");
}

static mr_status prune(const struct mr_cache *cache, struct config *config, struct mr_error *err) {
    struct mr_cache_left left;
    char removed[16], rest[16];
    config->prune.removed = print_removed;
    if (!config->has_choice) {
        config->prune.takes_incomplete = true;
        config->prune.max_bytes = cache->max_bytes;
    }
    MR_TRY(mr_cache_prune(cache, &config->prune, &left, err));
    printf("removed %zu model%s, %s; %s left in %s", left.n_removed, left.n_removed == 1 ? "" : "s",
           format_bytes(left.removed_bytes, removed), format_bytes(left.left_bytes, rest),
           cache->folder);
    if (left.n_kept) printf("; %zu kept: in use, or not removable", left.n_kept);
    putchar('\n');
    return MR_OK;
}

static int run_prune(int argc, char **argv) {
    static const struct option options[] = {{"size", required_argument, NULL, 's'},
                                            {"older-than", required_argument, NULL, 'o'},
                                            {"all", no_argument, NULL, 'a'},
                                            MR_CLI_HELP_OPTION,
                                            {0}};
    static const char *const texts[] = {help, NULL};
    const struct mr_cli_syntax syntax = {.command = "cache prune",
                                         .letters = ":",
                                         .options = options,
                                         .help = texts,
                                         .set = set_prune};
    struct config config = {.prune.max_bytes = UINT64_MAX};
    int code = mr_cli_read(&syntax, argc, argv, &config);
    if (code) return code == MR_CLI_DONE ? 0 : code;
    struct mr_cache cache;
    struct mr_arena *arena;
    struct mr_error err = {0};
    mr_status status = open_cache(&cache, &arena, &err);
    if (status == MR_OK) status = prune(&cache, &config, &err);
    return end("cache prune", status, &err, arena);
}

int mr_cli_cache(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "ls") == 0) return run_ls(argc - 1, argv + 1);
    if (strcmp(command, "prune") == 0) return run_prune(argc - 1, argv + 1);
    if (strcmp(command, "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    return mr_cli_usage("cache", "expected ls or prune, received '%s'", command);
}
