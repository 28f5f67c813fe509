#include "cli/traffic_options.h"

#include <string.h>

#define MAX_WEIGHT 1000000

/* The number of a model; the number of models when there is none of that name. */
static size_t find_model(const struct mr_model_list *list, struct mr_str name) {
    size_t i = 0;
    while (i < list->n && !(list->entries[i].name && mr_str_is(name, list->entries[i].name))) i++;
    return i;
}

static mr_status fail_unknown(const char *option, struct mr_str name, struct mr_error *err) {
    return mr_fail(err, MR_E_INVALID_PARAMETER, "%s: no model has the name '%.*s': -m NAME=URI",
                   option, MR_STR_ARGS(name));
}

/* NAME=WEIGHT */
static mr_status read_share(struct mr_serve_config *config, char *text, struct mr_error *err) {
    size_t size = strcspn(text, "=");
    unsigned long weight;
    if (text[size] != '=' || !mr_cli_parse_uint(text + size + 1, 0, MAX_WEIGHT, &weight)) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "--split: expected shares such as champion=90,challenger=10, received '%s'",
                       text);
    }
    struct mr_str name = {text, size};
    size_t model = find_model(&config->models, name);
    if (model == config->models.n) return fail_unknown("--split", name, err);
    for (size_t i = 0; i < config->n_shares; i++) {
        if (config->shares[i].model != model) continue;
        return mr_fail(err, MR_E_INVALID_PARAMETER, "--split: two shares for %.*s",
                       MR_STR_ARGS(name));
    }
    config->shares[config->n_shares++] = (struct mr_split_share){model, weight};
    return MR_OK;
}

static mr_status read_split(struct mr_serve_config *config, struct mr_error *err) {
    struct mr_arena *arena = config->models.arena;
    size_t n = 1, sum = 0;
    for (const char *c = config->split_text; *c; c++) n += *c == ',';
    config->shares = mr_arena_array(arena, n, sizeof(*config->shares));
    if (!config->shares) return mr_arena_fail(arena, err);
    for (char *text = config->split_text, *next = text; next; text = next) {
        next = strchr(text, ',');
        if (next) *next++ = '\0';
        MR_TRY(read_share(config, text, err));
    }
    for (size_t i = 0; i < config->n_shares; i++) sum += config->shares[i].weight;
    if (sum > 0) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER, "--split: no share is above 0");
}

static mr_status check_shadow(const struct mr_serve_config *config, struct mr_error *err) {
    struct mr_str name = mr_str_from(config->shadow_name);
    size_t model = find_model(&config->models, name);
    if (model == config->models.n) return fail_unknown("--shadow", name, err);
    if (model > 0 || config->n_shares > 0) return MR_OK;
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "--shadow: %s is the model that answers /invocations: the first", name.data);
}

mr_status mr_traffic_read(struct mr_serve_config *config, struct mr_error *err) {
    if (config->split_text) MR_TRY(read_split(config, err));
    return config->shadow_name ? check_shadow(config, err) : MR_OK;
}
