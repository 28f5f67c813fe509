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
#include "cli/output_file.h"

static const char help[] =
    "Usage: mlrace predict -m MODEL [options]\n"
    "\n"
    "Score a file with a model saved by MLflow, as `mlflow models predict` does: on all\n"
    "processors, in memory that does not grow with the file, with a progress bar on a terminal.\n"
    "\n"
    "Options (default):\n"
    "  -m, --model-uri URI      folder of a model saved by MLflow, or file:// URI (required)\n"
    "  -i, --input-path PATH    file to score, - is standard input (standard input)\n"
    "  -o, --output-path PATH   file for the predictions, - is standard output (standard\n"
    "                           output); replaced when all is done, left alone on an error\n"
    "  -t, --content-type TYPE  json or csv: what the input is (csv for PATH.csv, else json)\n"
    "      --output-format TYPE json: {\"predictions\": [...]} as MLflow; jsonl: one a line;\n"
    "                           csv: a header and a line for each row\n"
    "                           (by the output's extension: .csv, .jsonl, else json)\n"
    "  -w, --workers N          threads (the CPU limit)\n"
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

enum { OPT_FORMAT = MR_OPT_OWN, OPT_HELP };

static const struct option options[] = {{"model-uri", required_argument, NULL, 'm'},
                                        {"input-path", required_argument, NULL, 'i'},
                                        {"output-path", required_argument, NULL, 'o'},
                                        {"content-type", required_argument, NULL, 't'},
                                        {"output-format", required_argument, NULL, OPT_FORMAT},
                                        MR_ENGINE_OPTIONS,
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* In the order of their enums. */
static const char *const input_formats[] = {"json", "csv", NULL};
static const char *const output_formats[] = {"json", "jsonl", "csv", NULL};

/* Reads one option; 0, or an exit code. */
static int set_option(struct config *config, int option, char *value, const char *name) {
    const char *expected = "";
    bool is_good = true;
    switch (option) {
    case 'm': config->model_uri = value; break;
    case 'i': config->input_path = value; break;
    case 'o': config->output_path = value; break;
    case 't':
        config->input_format = mr_cli_find_word(input_formats, value);
        is_good = config->input_format != MR_CLI_NO_WORD;
        expected = "json or csv";
        break;
    case OPT_FORMAT:
        config->output_format = mr_cli_find_word(output_formats, value);
        is_good = config->output_format != MR_CLI_NO_WORD;
        expected = "json, jsonl or csv";
        break;
    default: is_good = mr_engine_args_set(&config->engine, option, value, &expected);
    }
    return is_good ? 0 : mr_cli_bad_value("predict", name, expected, value);
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

/* 0: go on with *config; -1: help was printed; else an exit code. */
static int read_config(int argc, char **argv, struct config *config) {
    opterr = 0;
    for (int c;
         (c = getopt_long(argc, argv, ":m:i:o:t:" MR_ENGINE_LETTERS, options, NULL)) != -1;) {
        if (c == '?' || c == ':') return mr_cli_bad_option("predict", argc, argv, c);
        if (c == OPT_HELP) {
            fputs(help, stdout);
            fputs(mr_engine_help, stdout);
            fputs(more_help, stdout);
            return -1;
        }
        int code = set_option(config, c, optarg, mr_cli_option_name(argv));
        if (code) return code;
    }
    if (optind < argc) return mr_cli_usage("predict", "unexpected argument '%s'", argv[optind]);
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
    const struct mr_score_file job = {
        .model = model,
        .input = input,
        .input_format = (mr_format)config->input_format,
        .output = output.fd,
        .output_format = (mr_file_format)config->output_format,
        .encode = {.is_nan_literal = config->engine.is_nan_literal},
        .n_threads = config->engine.n_workers ? (unsigned)config->engine.n_workers : mr_cpu_count(),
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

static int fail(const struct mr_error *err) {
    fprintf(stderr, "mlrace predict: %s\n", err->message);
    return MR_EXIT_FAILED;
}

static int predict(const struct config *config) {
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a failed write */
    keep_large_blocks();
    struct mr_error err = {0};
    struct mr_model *model;
    int input;
    if (open_input(config->input_path, &input, &err) != MR_OK) return fail(&err);
    if (mr_model_load(config->model_uri, NULL, &model, &err) != MR_OK) return fail(&err);
    mr_status status = score(config, model, input, &err);
    mr_model_free(model);
    if (input != STDIN_FILENO) close(input);
    return status == MR_OK ? 0 : fail(&err);
}

int mr_cli_predict(int argc, char **argv) {
    struct config config = {.input_format = MR_CLI_NO_WORD, .output_format = MR_CLI_NO_WORD};
    if (!mr_engine_args_init(&config.engine, argc)) return MR_EXIT_FAILED;
    int code = read_config(argc, argv, &config);
    if (code <= 0) code = code < 0 ? 0 : predict(&config);
    mr_engine_args_deinit(&config.engine);
    return code;
}
