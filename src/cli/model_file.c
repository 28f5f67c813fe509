#include "cli/model_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/queue_options.h"

#define MAX_FILE_BYTES ((size_t)1 << 20)

static mr_status fail_full(const struct mr_model_list *list, struct mr_error *err) {
    return mr_fail(err, MR_E_INVALID_PARAMETER, "no more than %zu models", list->n);
}

/* Folders ------------------------------------------------------------------------------------- */

static mr_status add_folder(const char *path, const char *name, struct mr_model_list *list,
                            struct mr_error *err) {
    struct mr_buf file;
    mr_buf_init(&file, list->arena);
    mr_buf_format(&file, "%s/%s/MLmodel", path, name);
    mr_buf_char(&file, '\0');
    MR_TRY(mr_buf_status(&file, err));
    if (access(file.data, F_OK) != 0) return MR_OK;
    if (!mr_model_name_is_good(name, strlen(name))) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%s: the folder %.100s cannot be a model's name: " MR_MODEL_NAME_RULE, path,
                       name);
    }
    struct mr_model_entry *entry = mr_model_list_append(list);
    if (!entry) return fail_full(list, err);
    file.data[file.size - sizeof("/MLmodel")] = '\0';
    entry->uri = file.data;
    entry->name = strrchr(file.data, '/') + 1;
    return MR_OK;
}

static mr_status read_folder(const char *path, struct mr_model_list *list, struct mr_error *err) {
    struct dirent **names;
    size_t n_before = list->n;
    bool is_model = false;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0) return mr_fail(err, MR_E_IO, "%s cannot be listed", path);
    mr_status status = MR_OK;
    for (int i = 0; i < n; i++) {
        is_model |= strcmp(names[i]->d_name, "MLmodel") == 0;
        if (status == MR_OK && names[i]->d_name[0] != '.') {
            status = add_folder(path, names[i]->d_name, list, err);
        }
        free(names[i]);
    }
    free(names);
    if (status != MR_OK || list->n > n_before) return status;
    if (is_model) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%s is a model itself, and no folder of models: -m %s", path, path);
    }
    return mr_fail(err, MR_E_INVALID_PARAMETER, "%s has no folder with an MLmodel in it", path);
}

/* Files --------------------------------------------------------------------------------------- */

/* What a model may have for itself. */
static const struct option settings[] = {
    {"engine", required_argument, NULL, MR_OPT_ENGINE},
    {"workers", required_argument, NULL, 'w'},
    {"env-manager", required_argument, NULL, MR_OPT_ENV_MANAGER},
    {"batch", no_argument, NULL, MR_OPT_BATCH},
    {"max-batch-rows", required_argument, NULL, MR_OPT_MAX_BATCH_ROWS},
    {"max-batch-bytes", required_argument, NULL, MR_OPT_MAX_BATCH_BYTES},
    {"max-batch-delay", required_argument, NULL, MR_OPT_MAX_BATCH_DELAY},
    {"max-queue-delay", required_argument, NULL, MR_OPT_MAX_QUEUE_DELAY},
    {"max-queue", required_argument, NULL, MR_OPT_MAX_QUEUE},
    {"max-queue-rows", required_argument, NULL, MR_OPT_MAX_QUEUE_ROWS},
    {"max-queue-bytes", required_argument, NULL, MR_OPT_MAX_QUEUE_BYTES},
    {0}};

static bool is_option(struct mr_str key, const char *name) {
    bool is_same = key.size == strlen(name);
    for (size_t i = 0; i < key.size && is_same; i++) {
        is_same = key.data[i] == name[i] || (key.data[i] == '_' && name[i] == '-');
    }
    return is_same;
}

static const struct option *find_setting(struct mr_str key) {
    const struct option *option = settings;
    while (option->name && !is_option(key, option->name)) option++;
    return option->name ? option : NULL;
}

struct reading {
    const struct mr_yaml *yaml;
    const char *path;
    struct mr_model_list *list;
    struct mr_model_entry *entry; /* being read */
    struct mr_error *err;
};

static mr_status fail_at(const struct reading *reading, int node, const char *what,
                         struct mr_str text) {
    return mr_fail(reading->err, MR_E_FORMAT, "%s line %zu: %s%.*s", reading->path,
                   mr_yaml_line(reading->yaml, node), what, MR_STR_ARGS(text));
}

/* A key's text as a C string, which may be empty; an error when there is none. */
static mr_status read_any_text(const struct reading *reading, int map, struct mr_str key,
                               char **out) {
    struct mr_str text;
    const char *name = mr_arena_strdup(reading->list->arena, key);
    if (!name) return mr_arena_fail(reading->list->arena, reading->err);
    MR_TRY(mr_yaml_text(reading->yaml, map, name, reading->list->arena, &text, reading->err));
    if (!text.data || strlen(text.data) != text.size) {
        return fail_at(reading, mr_yaml_child(reading->yaml, map, name), "no value for ", key);
    }
    *out = (char *)(uintptr_t)text.data; /* the arena's, and so ours */
    return MR_OK;
}

static mr_status read_text(const struct reading *reading, int map, struct mr_str key, char **out) {
    MR_TRY(read_any_text(reading, map, key, out));
    return **out ? MR_OK : fail_at(reading, map, "no value for ", key);
}

static mr_status read_variables(const struct reading *reading, int map) {
    struct mr_model_entry *entry = reading->entry;
    struct mr_arena *arena = reading->list->arena;
    size_t n = mr_yaml_size(reading->yaml, map);
    entry->variables = mr_arena_array(arena, n, sizeof(*entry->variables));
    if (!entry->variables) return mr_arena_fail(arena, reading->err);
    for (size_t i = 0; i < n; i++) {
        struct mr_str key = mr_yaml_key(reading->yaml, map, i);
        struct mr_buf text;
        char *value;
        if (key.size == 0 || memchr(key.data, '=', key.size)) {
            return fail_at(reading, map, "env: expected names and values of variables",
                           (struct mr_str){NULL, 0});
        }
        MR_TRY(read_any_text(reading, map, key, &value));
        mr_buf_init(&text, arena);
        mr_buf_append(&text, key.data, key.size);
        mr_buf_format(&text, "=%s", value);
        mr_buf_char(&text, '\0');
        MR_TRY(mr_buf_status(&text, reading->err));
        entry->variables[entry->n_variables++] = text.data;
    }
    return MR_OK;
}

/* --batch or --no-batch. */
static mr_status set_batch(const struct reading *reading, int map, struct mr_str key,
                           struct mr_model_setting *setting) {
    char *value;
    MR_TRY(read_text(reading, map, key, &value));
    bool is_true = strcmp(value, "true") == 0;
    if (!is_true && strcmp(value, "false") != 0) {
        return fail_at(reading, map, "expected true or false for ", key);
    }
    setting->option = is_true ? MR_OPT_BATCH : MR_OPT_NO_BATCH;
    return MR_OK;
}

static mr_status read_setting(const struct reading *reading, int map, struct mr_str key) {
    const struct option *option = find_setting(key);
    struct mr_arena *arena = reading->list->arena;
    struct mr_model_setting *setting = mr_arena_zalloc(arena, sizeof(*setting));
    if (!option) return fail_at(reading, map, "a model has no ", key);
    if (!setting) return mr_arena_fail(arena, reading->err);
    setting->key = option->name;
    setting->option = option->val;
    if (option->has_arg == no_argument) {
        MR_TRY(set_batch(reading, map, key, setting));
    } else {
        MR_TRY(read_text(reading, map, key, &setting->value));
    }
    setting->next = reading->entry->settings;
    reading->entry->settings = setting;
    return MR_OK;
}

static mr_status read_model(struct reading *reading, int map) {
    struct mr_str none = {NULL, 0};
    char *name = NULL, *uri = NULL;
    reading->entry = mr_model_list_append(reading->list);
    if (!reading->entry) return fail_full(reading->list, reading->err);
    for (size_t i = 0; i < mr_yaml_size(reading->yaml, map); i++) {
        struct mr_str key = mr_yaml_key(reading->yaml, map, i);
        if (mr_str_is(key, "name")) {
            MR_TRY(read_text(reading, map, key, &name));
        } else if (mr_str_is(key, "uri")) {
            MR_TRY(read_text(reading, map, key, &uri));
        } else if (mr_str_is(key, "env")) {
            MR_TRY(read_variables(reading, mr_yaml_item(reading->yaml, map, i)));
        } else if (key.size == 0) {
            return fail_at(reading, map, "expected a model with name and uri", none);
        } else {
            MR_TRY(read_setting(reading, map, key));
        }
    }
    if (!name || !uri) return fail_at(reading, map, "expected a model with name and uri", none);
    if (!mr_model_name_is_good(name, strlen(name))) {
        return fail_at(reading, map, "a name is of " MR_MODEL_NAME_RULE ", received ",
                       mr_str_from(name));
    }
    reading->entry->name = name;
    reading->entry->uri = uri;
    return MR_OK;
}

static mr_status read_models(struct reading *reading) {
    const struct mr_yaml *yaml = reading->yaml;
    int root = mr_yaml_root(yaml), models = mr_yaml_child(yaml, root, "models");
    struct mr_str none = {NULL, 0};
    bool is_list = mr_yaml_is_sequence(yaml, models) && mr_yaml_size(yaml, models) > 0;
    if (mr_yaml_size(yaml, root) != 1 || !is_list) {
        return fail_at(reading, root, "expected `models:` and a list of them, and nothing else",
                       none);
    }
    for (size_t i = 0; i < mr_yaml_size(yaml, models); i++) {
        MR_TRY(read_model(reading, mr_yaml_item(yaml, models, i)));
    }
    return MR_OK;
}

static mr_status read_file(const char *path, struct mr_model_list *list, struct mr_error *err) {
    struct mr_str text;
    struct mr_yaml *yaml;
    MR_TRY(mr_file_load(path, MAX_FILE_BYTES, list->arena, &text, err));
    MR_TRY(mr_yaml_parse(text, path, &yaml, err));
    struct reading reading = {.yaml = yaml, .path = path, .list = list, .err = err};
    mr_status status = read_models(&reading);
    mr_yaml_free(yaml);
    return status;
}

mr_status mr_model_file_read(const char *path, struct mr_model_list *list, struct mr_error *err) {
    struct stat info;
    bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    return is_folder ? read_folder(path, list, err) : read_file(path, list, err);
}
