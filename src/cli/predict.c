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
#include "cli/output_file.h"

static const char help[] =
    "Usage: mlrace predict -m MODEL [options]\n"
    "\n"
    "Score a file with a model saved by MLflow, as `mlflow models predict` does: on all\n"
    "processors, in memory that does not grow with the file, with a progress bar on a terminal.\n"
    "\n"
    "Options (default):\n"
    "  -m, --model-uri URI        folder of a model saved by MLflow, or file:// URI (required)\n"
    "  -i, --input-path PATH      file to score, - is standard input (standard input)\n"
    "  -o, --output-path PATH     file for the predictions, - is standard output (standard\n"
    "                             output); replaced when all is done, left alone on an error\n"
    "  -t, --content-type TYPE    json or csv: what the input is (csv for PATH.csv, else json)\n"
    "      --output-format TYPE   json: {\"predictions\": [...]} as MLflow; jsonl: one a line;\n"
    "                             csv: a header and a line for each row\n"
    "                             (by the output's extension: .csv, .jsonl, else json)\n"
    "  -w, --workers N            threads (the CPU limit)\n"
    "      --nan null|literal     how JSON has NaN and infinities: null, or the bare words that\n"
    "                             MLflow writes, which are not JSON (null)\n"
    "      --env-manager NAME     local, virtualenv, uv or conda: as in MLflow; a model that C\n"
    "                             evaluates needs no Python environment\n"
    "      --env KEY=VALUE        set an environment variable; may be given again\n"
    "      --install-mlflow, -r, --pip-requirements-override LIST\n"
    "                             as in MLflow; no use for a model that C evaluates\n"
    "      --help                 this page\n"
    "\n"
    "JSON input has the formats of the server: dataframe_split, dataframe_records, instances,\n"
    "inputs, with params beside them. CSV is read as the server does, by the signature's types.\n"
    "Exit code: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  mlrace predict -m examples/iris/model -i rows.csv -o predictions.csv\n"
    "  mlrace predict -m ./model -i request.json -o answer.json\n"
    "  zcat rows.csv.gz | mlrace predict -m ./model -t csv --output-format jsonl > out.jsonl\n";

enum { NOT_GIVEN = -1 };

struct config {
    const char *model_uri;
    const char *input_path;
    const char *output_path;
    int input_format;  /* mr_format or NOT_GIVEN */
    int output_format; /* mr_file_format or NOT_GIVEN */
    unsigned long n_workers;
    bool is_nan_literal;
};

enum { OPT_FORMAT = 256, OPT_NAN, OPT_ENV_MANAGER, OPT_ENV, OPT_NO_EFFECT, OPT_HELP };

static const struct option options[] = {{"model-uri", required_argument, NULL, 'm'},
                                        {"input-path", required_argument, NULL, 'i'},
                                        {"output-path", required_argument, NULL, 'o'},
                                        {"content-type", required_argument, NULL, 't'},
                                        {"output-format", required_argument, NULL, OPT_FORMAT},
                                        {"workers", required_argument, NULL, 'w'},
                                        {"nan", required_argument, NULL, OPT_NAN},
                                        {"env-manager", required_argument, NULL, OPT_ENV_MANAGER},
                                        {"env", required_argument, NULL, OPT_ENV},
                                        {"install-mlflow", no_argument, NULL, OPT_NO_EFFECT},
                                        {"pip-requirements-override", required_argument, NULL, 'r'},
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* The place of a word in a list, NOT_GIVEN when it is none of them. */
static int find_word(const char *const *words, const char *word) {
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) return i;
    }
    return NOT_GIVEN;
}

/* In the order of their enums. */
static const char *const input_formats[] = {"json", "csv", NULL};
static const char *const output_formats[] = {"json", "jsonl", "csv", NULL};
static const char *const env_managers[] = {"local", "virtualenv", "uv", "conda", NULL};
static const char *const nan_styles[] = {"null", "literal", NULL};

static bool set_environment(char *assignment) {
    char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) return false;
    *equals = '\0';
    bool is_set = setenv(assignment, equals + 1, 1) == 0;
    *equals = '=';
    return is_set;
}

/* Reads one option; 0, or an exit code. */
static int set_option(struct config *config, int option, char *value, const char *name) {
    const char *hint = "";
    bool is_good = true;
    switch (option) {
    case 'm': config->model_uri = value; break;
    case 'i': config->input_path = value; break;
    case 'o': config->output_path = value; break;
    case 't':
        config->input_format = find_word(input_formats, value);
        is_good = config->input_format != NOT_GIVEN;
        hint = ": json or csv";
        break;
    case OPT_FORMAT:
        config->output_format = find_word(output_formats, value);
        is_good = config->output_format != NOT_GIVEN;
        hint = ": json, jsonl or csv";
        break;
    case 'w':
        is_good = mr_cli_parse_uint(value, 1, 1024, &config->n_workers);
        hint = ": 1 to 1024";
        break;
    case OPT_NAN:
        config->is_nan_literal = strcmp(value, "literal") == 0;
        is_good = find_word(nan_styles, value) != NOT_GIVEN;
        hint = ": null or literal";
        break;
    case OPT_ENV_MANAGER:
        is_good = find_word(env_managers, value) != NOT_GIVEN;
        hint = ": local, virtualenv, uv or conda";
        break;
    case OPT_ENV:
        is_good = set_environment(value);
        hint = ": KEY=VALUE";
        break;
    default: break;
    }
    if (is_good) return 0;
    return mr_cli_usage("predict", "%s: '%s' is not a valid value%s", name, value, hint);
}

static bool has_extension(const char *path, const char *extension) {
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot && strcasecmp(dot, extension) == 0;
}

static void choose_formats(struct config *config) {
    if (config->input_format == NOT_GIVEN) {
        bool is_csv = has_extension(config->input_path, ".csv");
        config->input_format = is_csv ? MR_FORMAT_CSV : MR_FORMAT_JSON;
    }
    if (config->output_format == NOT_GIVEN) {
        const char *path = config->output_path;
        config->output_format = has_extension(path, ".csv") ? MR_FILE_CSV
                                : has_extension(path, ".jsonl") || has_extension(path, ".ndjson")
                                    ? MR_FILE_JSONL
                                    : MR_FILE_JSON;
    }
}

/* 0: go on with *config; -1: help was printed; else an exit code. */
static int read_config(int argc, char **argv, struct config *config) {
    *config = (struct config){.input_format = NOT_GIVEN, .output_format = NOT_GIVEN};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":m:i:o:t:w:r:", options, NULL)) != -1;) {
        if (c == '?' || c == ':') return mr_cli_bad_option("predict", argc, argv, c);
        if (c == OPT_HELP) {
            fputs(help, stdout);
            return -1;
        }
        int code = set_option(config, c, optarg, argv[optind - 1 - (optarg == argv[optind - 1])]);
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
        .encode = {.is_nan_literal = config->is_nan_literal},
        .n_threads = config->n_workers ? (unsigned)config->n_workers : mr_cpu_count(),
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

int mr_cli_predict(int argc, char **argv) {
    struct config config;
    int code = read_config(argc, argv, &config);
    if (code) return code < 0 ? 0 : code;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a failed write */
    keep_large_blocks();
    struct mr_error err = {0};
    struct mr_model *model;
    int input;
    if (open_input(config.input_path, &input, &err) != MR_OK) return fail(&err);
    if (mr_model_load(config.model_uri, NULL, &model, &err) != MR_OK) return fail(&err);
    mr_status status = score(&config, model, input, &err);
    mr_model_free(model);
    if (input != STDIN_FILENO) close(input);
    return status == MR_OK ? 0 : fail(&err);
}
