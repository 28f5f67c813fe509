/* `mlrace predict`: score a file. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/score_file.h"
#include "base/cpu.h"
#include "cli/cli.h"
#include "cli/engine_options.h"
#include "cli/loading.h"
#include "cli/output_file.h"

static const char help[] =
    "Usage: mlrace predict -m MODEL [options]\n"
    "\n"
    "Score a file with a model saved by MLflow, as `mlflow models predict` does: on all\n"
    "processors, in memory that does not grow with the file, with a progress bar on a terminal.\n"
    "A Python model that may look at all rows together gets them all in one call.\n"
    "\n"
    "Options (default):\n" MR_CLI_MODEL_URI_HELP
    "  -i, --input-path PATH    file to score, - is standard input (standard input)\n"
    "  -o, --output-path PATH   file for the predictions, - is standard output (standard\n"
    "                           output); replaced when all is done, left alone on an error\n"
    "  -t, --content-type TYPE  json or csv: what the input is (csv for PATH.csv, else json)\n"
    "      --output-format TYPE json: {\"predictions\": [...]} as MLflow; jsonl: one a line;\n"
    "                           csv: a header and a line for each row\n"
    "                           (by the output's extension: .csv, .jsonl, else json)\n"
    "  -w, --workers N          threads; of a model that Python evaluates, processes\n"
    "                           (the CPU limit)\n"
    "      --nan null|literal   how JSON has NaN and infinities: null, or the bare words that\n"
    "                           MLflow writes, which are not JSON (null)\n";

static const char more_help[] =
    "      --help               this page\n"
    "\n"
    "JSON input has the formats of the server: dataframe_split, dataframe_records, instances,\n"
    "inputs, with params beside them. CSV is read as the server does, by the signature's types.\n"
    "Exit code: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  mlrace predict -m examples/iris/model -i rows.csv -o predictions.csv\n"
    "  mlrace predict -m ./model -i request.json -o answer.json\n"
    "  zcat rows.csv.gz | mlrace predict -m ./model -t csv --output-format jsonl > out.jsonl\n";

struct config {
    const char *model_uri;
    const char *input_path;
    const char *output_path;
    int input_format;  /* mr_format or MR_CLI_NO_WORD */
    int output_format; /* mr_file_format or MR_CLI_NO_WORD */
    struct mr_engine_args engine;
};

enum { OPT_FORMAT = MR_OPT_OWN };

static const struct option options[] = {{"model-uri", required_argument, NULL, 'm'},
                                        {"input-path", required_argument, NULL, 'i'},
                                        {"output-path", required_argument, NULL, 'o'},
                                        {"content-type", required_argument, NULL, 't'},
                                        {"output-format", required_argument, NULL, OPT_FORMAT},
                                        MR_ENGINE_OPTIONS,
                                        MR_CLI_HELP_OPTION,
                                        {0}};

/* In the order of their enums. */
static const char *const input_formats[] = {"json", "csv", NULL};
static const char *const output_formats[] = {"json", "jsonl", "csv", NULL};

static bool set_option(void *to, int option, char *value, const char **expected) {
    struct config *config = to;
    switch (option) {
    case 'm': config->model_uri = value; return true;
    case 'i': config->input_path = value; return true;
    case 'o': config->output_path = value; return true;
    case 't':
        *expected = "json or csv";
        config->input_format = mr_cli_find_word(input_formats, value);
        return config->input_format != MR_CLI_NO_WORD;
    case OPT_FORMAT:
        *expected = "json, jsonl or csv";
        config->output_format = mr_cli_find_word(output_formats, value);
        return config->output_format != MR_CLI_NO_WORD;
    default: return mr_engine_args_set(&config->engine, option, value, expected);
    }
}

static bool has_extension(const char *path, const char *extension) {
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot && strcasecmp(dot, extension) == 0;
}

static void choose_formats(struct config *config) {
    if (config->input_format == MR_CLI_NO_WORD) {
        bool is_csv = has_extension(config->input_path, ".csv");
        config->input_format = is_csv ? MR_FORMAT_CSV : MR_FORMAT_JSON;
    }
    if (config->output_format == MR_CLI_NO_WORD) {
        const char *path = config->output_path;
        config->output_format = has_extension(path, ".csv") ? MR_FILE_CSV
                                : has_extension(path, ".jsonl") || has_extension(path, ".ndjson")
                                    ? MR_FILE_JSONL
                                    : MR_FILE_JSON;
    }
}

static int read_config(int argc, char **argv, struct config *config) {
    static const char *const texts[] = {help, mr_engine_help, more_help, NULL};
    const struct mr_cli_syntax syntax = {.command = "predict",
                                         .letters = ":m:i:o:t:" MR_ENGINE_LETTERS,
                                         .options = options,
                                         .help = texts,
                                         .set = set_option};
    int code = mr_cli_read(&syntax, argc, argv, config);
    if (code) return code;
    if (!config->model_uri) return mr_cli_usage("predict", "a model is needed: -m MODEL");
    choose_formats(config);
    return 0;
}

static bool is_standard(const char *path) {
    return !path || strcmp(path, "-") == 0;
}

static mr_status open_input(const char *path, int *fd, struct mr_error *err) {
    *fd = is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return mr_fail(err, MR_E_IO, "cannot open %s: %s", path, strerror(errno));
    return MR_OK;
}

static mr_status score(const struct config *config, const struct mr_model *model, int input,
                       struct mr_error *err) {
    struct mr_output_file output;
    MR_TRY(mr_output_open(config->output_path, &output, err));
    struct mr_progress progress;
    mr_progress_init(&progress, STDERR_FILENO);
    unsigned long given = config->engine.n_workers;
    unsigned n_workers = given ? (unsigned)given : mr_cpu_count();
    const struct mr_score_file job = {
        .model = model,
        .input = input,
        .input_format = (mr_format)config->input_format,
        .output = output.fd,
        .output_format = (mr_file_format)config->output_format,
        .encode = {.is_nan_literal = config->engine.is_nan_literal},
        .n_threads = n_workers + !mr_engine_is_native(&model->engine), /* one prepares the next */
        .progress = &progress,
    };
    int64_t n_rows = 0;
    mr_status status = mr_score_file_run(&job, &n_rows, err);
    if (status != MR_OK) {
        mr_progress_clear(&progress);
        mr_output_abandon(&output);
        return status;
    }
    bool is_terminal = output.fd == STDOUT_FILENO && isatty(output.fd);
    MR_TRY(mr_output_commit(&output, err));
    if (is_terminal && config->output_format == MR_FILE_JSON) puts(""); /* MLflow ends without */
    mr_progress_finish(&progress, n_rows);
    return MR_OK;
}

/* Blocks of memory come and go by the megabyte: glibc shall keep them. */
static void keep_large_blocks(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

/* Loads the model, whole also in an engine that goes on loading. */
static mr_status load(struct config *config, struct mr_loading *loading, struct mr_model **model,
                      struct mr_error *err) {
    mr_engine_args_resolve(&config->engine);
    MR_TRY(mr_model_load(config->model_uri, &config->engine.store, &config->engine.options, model,
                         err));
    if (mr_engine_is_native(&(*model)->engine)) return MR_OK;
    return mr_loading_wait(loading, err);
}

static mr_status predict(struct config *config, struct mr_error *err) {
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a failed write */
    keep_large_blocks();
    struct mr_loading loading;
    struct mr_model *model = NULL;
    int input;
    MR_TRY(open_input(config->input_path, &input, err));
    MR_TRY(mr_loading_init(&loading, 1, err));
    config->engine.options.python.loaded = mr_loading_told;
    config->engine.options.python.ctx = &loading;
    mr_status status = load(config, &loading, &model, err);
    if (status == MR_OK) status = score(config, model, input, err);
    mr_model_free(model);
    mr_loading_deinit(&loading);
    if (input != STDIN_FILENO) close(input);
    return status;
}

int mr_cli_predict(int argc, char **argv) {
    struct config config = {.input_format = MR_CLI_NO_WORD, .output_format = MR_CLI_NO_WORD};
    struct mr_error err = {0};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    int code = read_config(argc, argv, &config);
    if (code == MR_CLI_DONE) {
        code = 0;
    } else if (code == 0 && predict(&config, &err) != MR_OK) {
        code = mr_cli_fail("predict", &err);
    }
    mr_engine_args_deinit(&config.engine);
    return code;
}
