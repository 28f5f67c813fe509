#include "cli/model_list.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "cli/queue_options.h"

#define MAX_MODELS 1000

bool mr_model_list_init(struct mr_model_list *list) {
    *list = (struct mr_model_list){.arena = mr_arena_new(0, NULL)};
    return list->arena != NULL;
}

void mr_model_list_deinit(struct mr_model_list *list) {
    mr_arena_free(list->arena);
    *list = (struct mr_model_list){0};
}

bool mr_model_name_is_good(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i])) return false;
    }
    return size > 0 && size <= MR_MODEL_NAME_MAX && text[0] != '.';
}

struct mr_model_entry *mr_model_list_append(struct mr_model_list *list) {
    if (list->n == MAX_MODELS) return NULL;
    if (list->n == list->capacity) {
        size_t size = sizeof(*list->entries), capacity = list->capacity ? 2 * list->capacity : 4;
        void *grown = mr_arena_realloc(list->arena, list->entries, list->capacity * size,
                                       capacity * size);
        if (!grown) return NULL;
        list->entries = grown;
        list->capacity = capacity;
    }
    struct mr_model_entry *entry = &list->entries[list->n++];
    *entry = (struct mr_model_entry){0};
    return entry;
}

bool mr_model_list_add(struct mr_model_list *list, char *text, const char **expected) {
    *expected = "a model's URI, or NAME=URI with a name of " MR_MODEL_NAME_RULE;
    size_t size = strcspn(text, "=");
    bool is_named = text[size] == '=' && strcspn(text, "/:") > size && access(text, F_OK) != 0;
    if (is_named && (!text[size + 1] || !mr_model_name_is_good(text, size))) return false;
    struct mr_model_entry *entry = mr_model_list_append(list);
    if (!entry) return false;
    entry->uri = is_named ? text + size + 1 : text;
    if (is_named) {
        text[size] = '\0';
        entry->name = text;
    }
    return true;
}

/* Have the settings of one model take effect in args, which are its own. */
static mr_status apply(const struct mr_model_entry *entry, struct mr_engine_args *args,
                       struct mr_error *err) {
    struct mr_queue_options *queue = &args->options.python.queue;
    for (const struct mr_model_setting *at = entry->settings; at; at = at->next) {
        const char *expected = "";
        bool is_good = mr_queue_options_set(queue, at->option, at->value, &expected) &&
                       mr_engine_args_set(args, at->option, at->value, &expected);
        if (is_good) continue;
        return mr_fail(err, MR_E_INVALID_PARAMETER, "model %s: %s: expected %s, received '%s'",
                       entry->name, at->key, expected, at->value);
    }
    return MR_OK;
}

static mr_status check_names(const struct mr_model_list *list, struct mr_error *err) {
    if (list->n == 0) return mr_fail(err, MR_E_INVALID_PARAMETER, "a model is needed: -m MODEL");
    for (size_t i = 0; i < list->n && list->n > 1; i++) {
        const char *name = list->entries[i].name;
        if (!name) {
            return mr_fail(err, MR_E_INVALID_PARAMETER,
                           "of several models each needs a name: -m NAME=URI instead of -m %.200s",
                           list->entries[i].uri);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(list->entries[k].name, name) != 0) continue;
            return mr_fail(err, MR_E_INVALID_PARAMETER, "two models have the name %s", name);
        }
    }
    return MR_OK;
}

mr_status mr_model_list_check(const struct mr_model_list *list, struct mr_error *err) {
    MR_TRY(check_names(list, err));
    mr_status status = MR_OK;
    for (size_t i = 0; i < list->n && status == MR_OK; i++) {
        struct mr_engine_args scratch;
        if (!mr_engine_args_init(&scratch, 0)) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
        status = apply(&list->entries[i], &scratch, err);
        mr_engine_args_deinit(&scratch);
    }
    return status;
}

/* What all models have for variables, and then its own: of two the last counts. */
static mr_status add_variables(struct mr_model_list *list, const struct mr_model_entry *entry,
                               struct mr_python_options *python, struct mr_error *err) {
    size_t n = python->n_variables + entry->n_variables;
    const char **all = mr_arena_array(list->arena, n, sizeof(*all));
    if (!all) return mr_arena_fail(list->arena, err);
    for (size_t i = 0; i < n; i++) {
        bool is_common = i < python->n_variables;
        all[i] = is_common ? python->variables[i] : entry->variables[i - python->n_variables];
    }
    python->variables = all;
    python->n_variables = n;
    return MR_OK;
}

mr_status mr_model_list_resolve(struct mr_model_list *list, const struct mr_engine_args *args,
                                struct mr_error *err) {
    for (size_t i = 0; i < list->n; i++) {
        struct mr_model_entry *entry = &list->entries[i];
        struct mr_engine_args own = *args;
        MR_TRY(apply(entry, &own, err));
        entry->options = own.options;
        entry->options.python.n_workers = (unsigned)own.n_workers;
        if (!entry->n_variables) continue;
        MR_TRY(add_variables(list, entry, &entry->options.python, err));
    }
    return MR_OK;
}
