#include "cli/model_list.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

bool mr_model_list_init(struct mr_model_list *list) {
    *list = (struct mr_model_list){.arena = mr_arena_new(0, NULL)};
    return list->arena != NULL;
}

void mr_model_list_deinit(struct mr_model_list *list) {
    mr_arena_free(list->arena);
    *list = (struct mr_model_list){0};
}

/* It stands in paths, headers and labels. */
static bool is_name(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i])) return false;
    }
    return size > 0 && size <= MR_MODEL_NAME_MAX && text[0] != '.';
}

static struct mr_model_entry *append(struct mr_model_list *list) {
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
    bool is_named = text[size] == '=' && is_name(text, size) && access(text, F_OK) != 0;
    if (is_named && !text[size + 1]) return false;
    struct mr_model_entry *entry = append(list);
    if (!entry) return false;
    entry->uri = is_named ? text + size + 1 : text;
    if (is_named) {
        text[size] = '\0';
        entry->name = text;
    }
    return true;
}

mr_status mr_model_list_check(const struct mr_model_list *list, struct mr_error *err) {
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

mr_status mr_model_list_resolve(struct mr_model_list *list, const struct mr_engine_args *args,
                                struct mr_error *err) {
    (void)err;
    for (size_t i = 0; i < list->n; i++) list->entries[i].options = args->options;
    return MR_OK;
}
