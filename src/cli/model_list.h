/* Which models `mlrace serve` is to serve: -m URI, or -m NAME=URI several times, or --models with a
 * folder of models or a file that names them, and what each of them has for options of its own. */
#ifndef MR_CLI_MODEL_LIST_H
#define MR_CLI_MODEL_LIST_H

#include "cli/engine_options.h"

#define MR_MODEL_NAME_MAX 64
#define MR_MODEL_NAME_RULE "letters, digits, '.', '_' and '-', at most 64"

/* An option that holds for one model alone. */
struct mr_model_setting {
    struct mr_model_setting *next;
    const char *key; /* as it was written */
    int option;      /* as for mr_engine_args_set or mr_queue_options_set */
    char *value;     /* NULL for an option that has none */
};

struct mr_model_entry {
    const char *name; /* NULL: none was given */
    const char *uri;
    struct mr_model_setting *settings;
    const char **variables; /* "KEY=VALUE", beside --env; n_variables of them */
    size_t n_variables;
    struct mr_engine_options options; /* by mr_model_list_resolve */
};

struct mr_model_list {
    struct mr_arena *arena; /* holds the entries, and what they have of their own */
    struct mr_model_entry *entries;
    size_t n, capacity;
};

/* false: no memory */
bool mr_model_list_init(struct mr_model_list *list);
void mr_model_list_deinit(struct mr_model_list *list); /* zeroed is allowed */

/* Add what -m was given: URI, or NAME=URI. What exists is the path that it looks like; of anything
 * else what has neither / nor : before its first = is meant to be named, and must be by a name.
 * text      borrowed; cut up in place
 * expected  set when false is returned: what the value should have been */
bool mr_model_list_add(struct mr_model_list *list, char *text, const char **expected);

/* Add an entry without anything. NULL: no memory, or too many */
struct mr_model_entry *mr_model_list_append(struct mr_model_list *list);

/* Whether a text can be a model's name: it stands in paths, headers and labels. */
bool mr_model_name_is_good(const char *text, size_t size);

/* Check that there is a model, that each has a name where there are several, and no two the same;
 * and the settings.
 * returns  MR_OK; MR_E_INVALID_PARAMETER, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_model_list_check(const struct mr_model_list *list, struct mr_error *err);

/* All options were read and args are resolved: each model gets its own.
 * args  borrowed by them; must outlive the models */
MR_MUST_CHECK mr_status mr_model_list_resolve(struct mr_model_list *list,
                                              const struct mr_engine_args *args,
                                              struct mr_error *err);

#endif
