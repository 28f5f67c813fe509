#include "cli/queue_options.h"

#include "cli/engine_options.h"

#define MAX_QUEUE_CALLS 1000
#define MAX_QUEUE_ROWS 1000000
#define MAX_QUEUE_BYTES ((size_t)256 << 20)

const char mr_queue_help[] =
    "      --batch              requests that wait may be sent to the model together: the "
    "operator\n"
    "                           says that it answers each row as if it were alone (only of models\n"
    "                           known to do so)\n"
    "      --no-batch           never\n"
    "      --max-batch-rows N   rows that are sent together; a request with more goes alone "
    "(1024)\n"
    "      --max-batch-bytes SIZE\n"
    "                           the same in bytes (1M)\n"
    "      --max-batch-delay MS time that a free worker waits for as many requests as came\n"
    "                           together last, from the first one on; a lone one never waits (0)\n"
    "      --max-queue N        requests that may wait; more are answered 503 at once; of a\n"
    "                           model that C evaluates those too large to do in passing (1000)\n"
    "      --max-queue-rows N   the same in rows (1000000)\n"
    "      --max-queue-bytes SIZE\n"
    "                           the same in bytes (256M)\n"
    "      --max-queue-delay MS the same: requests that would wait longer, by what others took\n"
    "                           lately; 0: no such limit (0)\n"
    "      --enable-mlserver    as for MLflow: a pool of workers and batches, which is what "
    "happens\n"
    "                           anyway\n";

void mr_queue_options_init(struct mr_queue_options *options) {
    *options = (struct mr_queue_options){.batch = MR_BATCH_KNOWN,
                                         .max_batch_rows = MR_MAX_BATCH_ROWS,
                                         .max_batch_bytes = MR_MAX_BATCH_BYTES,
                                         .max_calls = MAX_QUEUE_CALLS,
                                         .max_rows = MAX_QUEUE_ROWS,
                                         .max_bytes = MAX_QUEUE_BYTES};
}

static bool set_number(const char *value, unsigned long min, unsigned long max, unsigned long *out,
                       const char *what, const char **expected) {
    *expected = what;
    return mr_cli_parse_uint(value, min, max, out);
}

bool mr_queue_options_set(struct mr_queue_options *options, int option, const char *value,
                          const char **expected) {
    unsigned long number = 0;
    bool is_good = true;
    switch (option) {
    case MR_OPT_BATCH: options->batch = MR_BATCH_ALWAYS; return true;
    case MR_OPT_NO_BATCH: options->batch = MR_BATCH_NEVER; return true;
    case MR_OPT_MAX_BATCH_ROWS:
        is_good = set_number(value, 1, 1000000, &number, "a number from 1 to 1000000", expected);
        options->max_batch_rows = (unsigned)number;
        return is_good;
    case MR_OPT_MAX_BATCH_DELAY:
        is_good = set_number(value, 0, 10000, &number, "milliseconds from 0 to 10000", expected);
        options->max_batch_delay_us = (unsigned)number * 1000;
        return is_good;
    case MR_OPT_MAX_QUEUE_DELAY:
        is_good = set_number(value, 0, 3600000, &number, "milliseconds from 0 to 3600000",
                             expected);
        options->max_delay_us = (unsigned)number * 1000;
        return is_good;
    case MR_OPT_MAX_QUEUE:
        is_good = set_number(value, 1, 1000000, &number, "a number from 1 to 1000000", expected);
        options->max_calls = number;
        return is_good;
    case MR_OPT_MAX_QUEUE_ROWS:
        is_good = set_number(value, 1, 1000000000, &number, "a number from 1 to 1000000000",
                             expected);
        options->max_rows = number;
        return is_good;
    case MR_OPT_MAX_BATCH_BYTES:
        *expected = "a size such as 512K or 4M";
        return mr_cli_parse_bytes(value, &options->max_batch_bytes);
    case MR_OPT_MAX_QUEUE_BYTES:
        *expected = "a size such as 100M or 2G";
        return mr_cli_parse_bytes(value, &options->max_bytes);
    default: return true;
    }
}
