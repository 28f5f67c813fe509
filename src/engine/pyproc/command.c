#include "engine/pyproc/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "engine/pyproc/process.h"

/* A NULL-terminated list of texts that grows; its failure is sticky. */
struct list {
    struct mr_arena *arena;
    char **items;
    size_t n, capacity;
    bool is_failed;
};

static void add(struct list *list, const char *text) {
    if (!text) list->is_failed = true;
    if (list->is_failed) return;
    if (list->n + 1 >= list->capacity) {
        size_t more = list->capacity ? list->capacity * 2 : 32;
        char **items = mr_arena_realloc(list->arena, list->items, list->capacity * sizeof(*items),
                                        more * sizeof(*items));
        if (!items) {
            list->is_failed = true;
            return;
        }
        list->items = items;
        list->capacity = more;
    }
    list->items[list->n++] = (char *)text;
    list->items[list->n] = NULL;
}

static const char *joined(struct mr_arena *arena, const char *a, const char *b, const char *c) {
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = mr_arena_alloc(arena, size);
    if (text) snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

/* Set a variable, instead of one of that name; assignment: "NAME=value". */
static void set(struct list *variables, const char *assignment) {
    if (!assignment) {
        variables->is_failed = true;
        return;
    }
    size_t name_size = strcspn(assignment, "=") + 1;
    for (size_t i = 0; i < variables->n; i++) {
        if (strncmp(variables->items[i], assignment, name_size) != 0) continue;
        variables->items[i] = (char *)assignment;
        return;
    }
    add(variables, assignment);
}

/* The value of a variable; NULL when there is none. */
static const char *get(const struct list *variables, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < variables->n; i++) {
        const char *item = variables->items[i];
        if (strncmp(item, name, size) == 0 && item[size] == '=') return item + size + 1;
    }
    return NULL;
}

static void add_environment(const struct mr_python_options *options, unsigned n_threads,
                            struct list *variables) {
    static const char *const thread_variables[] = {"OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                                   "OPENBLAS_NUM_THREADS"};
    struct mr_arena *arena = variables->arena;
    for (char **variable = environ; *variable; variable++) add(variables, *variable);
    for (size_t i = 0; i < options->n_variables; i++) set(variables, options->variables[i]);
    char number[16];
    snprintf(number, sizeof(number), "%u", n_threads);
    for (size_t i = 0; i < sizeof(thread_variables) / sizeof(*thread_variables); i++) {
        if (get(variables, thread_variables[i])) continue;
        add(variables, joined(arena, thread_variables[i], "=", number));
    }
    const char *others = get(variables, "PYTHONPATH");
    const char *path = options->package_path;
    if (others && *others) path = joined(arena, path, ":", others);
    set(variables, path ? joined(arena, "PYTHONPATH=", path, "") : NULL);
    set(variables, "PYTHONUNBUFFERED=1"); /* what it prints is in the log at once */
}

/* What the host needs to know of the model's Python environment: see mlrace/environment.py. */
static void add_options(const struct mr_python_options *options, struct list *arguments) {
    if (options->env_manager) {
        add(arguments, "--env-manager");
        add(arguments, options->env_manager);
    }
    if (options->installs_mlflow) add(arguments, "--install-mlflow");
    if (options->is_offline) add(arguments, "--offline");
    if (options->wheel_dir) {
        add(arguments, "--wheel-dir");
        add(arguments, options->wheel_dir);
    }
    for (size_t i = 0; i < options->n_pip_overrides; i++) {
        add(arguments, "--pip-requirements-override");
        add(arguments, options->pip_overrides[i]);
    }
}

mr_status mr_command_init(const struct mr_python_options *options, const char *model_path,
                          unsigned n_workers, struct mr_arena *arena, struct mr_command *out,
                          struct mr_error *err) {
    *out = (struct mr_command){.n_threads = mr_cpu_count() / n_workers};
    if (out->n_threads == 0) out->n_threads = 1;
    struct list arguments = {.arena = arena}, variables = {.arena = arena};
    char socket[16];
    snprintf(socket, sizeof(socket), "%d", MR_PROCESS_SOCKET);
    add(&arguments, options->interpreter);
    add(&arguments, "-m");
    add(&arguments, "mlrace.worker");
    add(&arguments, "--socket");
    add(&arguments, mr_arena_strdup(arena, mr_str_from(socket)));
    add(&arguments, "--model");
    add(&arguments, mr_arena_strdup(arena, mr_str_from(model_path)));
    if (options->has_stack_traces) add(&arguments, "--stack-traces");
    add_options(options, &arguments);
    add_environment(options, out->n_threads, &variables);
    if (arguments.is_failed || variables.is_failed) return mr_arena_fail(arena, err);
    out->argv = arguments.items;
    out->envp = variables.items;
    return MR_OK;
}

mr_status mr_command_init_prepare(const struct mr_python_options *options, const char *model_path,
                                  struct mr_arena *arena, struct mr_command *out,
                                  struct mr_error *err) {
    *out = (struct mr_command){.n_threads = mr_cpu_count()};
    struct list arguments = {.arena = arena}, variables = {.arena = arena};
    add(&arguments, options->interpreter);
    add(&arguments, "-m");
    add(&arguments, "mlrace.environment");
    add(&arguments, "--model");
    add(&arguments, mr_arena_strdup(arena, mr_str_from(model_path)));
    add_options(options, &arguments);
    add_environment(options, out->n_threads, &variables);
    if (arguments.is_failed || variables.is_failed) return mr_arena_fail(arena, err);
    out->argv = arguments.items;
    out->envp = variables.items;
    return MR_OK;
}
