/* mlflow/xgboost/__init__.py (_exclude_unrecognized_kwargs): params that predict has no argument
 * for are ignored, all others are passed on. */
#include <yyjson.h>

#include "engine/xgboost/xgboost_int.h"

struct argument {
    const char *name;
    bool is_of_booster, is_of_wrapper;
    bool is_evaluated; /* a boolean, or a list of integers for iteration_range */
};

static const struct argument arguments[] = {
    {"output_margin", true, true, true},
    {"iteration_range", true, true, true},
    {"strict_shape", true, false, true},
    {"validate_features", true, true, false},
    {"pred_leaf", true, false, false},
    {"pred_contribs", true, false, false},
    {"approx_contribs", true, false, false},
    {"pred_interactions", true, false, false},
    {"training", true, false, false},
    {"data", true, false, false},
    {"X", false, true, false},
    {"base_margin", false, true, false},
};

mr_status mr_xgb_call_check(mr_xgb_wrapper wrapper, const struct mr_signature *signature,
                            bool *has_rounds, struct mr_error *err) {
    *has_rounds = false;
    for (size_t i = 0; signature && i < signature->n_params; i++) {
        const struct mr_param_spec *param = &signature->params[i];
        for (size_t k = 0; k < sizeof(arguments) / sizeof(*arguments); k++) {
            const struct argument *argument = &arguments[k];
            if (!mr_str_is(param->name, argument->name)) continue;
            if (wrapper == MR_XGB_BOOSTER ? !argument->is_of_booster : !argument->is_of_wrapper) {
                continue;
            }
            bool is_range = strcmp(argument->name, "iteration_range") == 0;
            bool is_typed = is_range ? param->is_list && (param->type == MR_COL_LONG ||
                                                          param->type == MR_COL_INTEGER)
                                     : !param->is_list && param->type == MR_COL_BOOLEAN;
            if (!argument->is_evaluated || !is_typed) {
                return mr_fail(err, MR_E_UNSUPPORTED,
                               "no native engine for the param \"%s\" of XGBoost's predict yet",
                               argument->name);
            }
            *has_rounds |= is_range;
        }
    }
    return MR_OK;
}

/* The value of a param, NULL when it is absent; the caller frees *doc. */
static yyjson_val *find_param(const struct mr_params *params, const char *name, yyjson_doc **doc) {
    for (size_t i = 0; i < params->n; i++) {
        if (!mr_str_is(params->items[i].name, name)) continue;
        struct mr_str json = params->items[i].json;
        *doc = yyjson_read(json.data, json.size, 0);
        return yyjson_doc_get_root(*doc);
    }
    return NULL;
}

/* None counts as false, but not for the arguments that XGBoost's C code reads. */
static bool read_flag(const struct mr_params *params, const char *name, bool *is_null) {
    yyjson_doc *doc = NULL;
    yyjson_val *value = find_param(params, name, &doc);
    bool is_set = yyjson_get_bool(value);
    *is_null = yyjson_is_null(value);
    yyjson_doc_free(doc);
    return is_set;
}

/* Both bounds of iteration_range; 0, 0 when it is not given. False: they are no two integers. */
static bool read_range(const struct mr_params *params, bool can_be_null, int64_t range[2]) {
    yyjson_doc *doc = NULL;
    yyjson_val *value = find_param(params, "iteration_range", &doc);
    bool is_sound = true;
    if (can_be_null && yyjson_is_null(value)) value = NULL;
    for (size_t i = 0; i < 2; i++) {
        yyjson_val *bound = value ? yyjson_arr_get(value, i) : NULL;
        is_sound &= !value || yyjson_is_int(bound);
        range[i] = yyjson_get_sint(bound);
    }
    yyjson_doc_free(doc);
    return is_sound;
}

mr_status mr_xgb_call_read(const struct mr_xgb_model *model, const struct mr_params *params,
                           struct mr_xgb_call *out, struct mr_error *err) {
    int64_t range[2];
    bool is_booster = model->wrapper == MR_XGB_BOOSTER;
    if (!read_range(params, !is_booster, range)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "param \"iteration_range\" expects two integers");
    }
    /* XGBModel._get_iteration_range, Booster.predict. */
    if (range[1] == 0 && !is_booster) {
        range[0] = 0;
        range[1] = model->end_round;
    }
    if (range[1] == 0) range[1] = model->n_rounds;
    bool is_linear = model->kind == MR_XGB_LINEAR;
    if (is_linear && !is_booster) range[0] = 0;
    bool is_inside = range[0] >= 0 && range[0] <= range[1] && range[1] <= model->n_rounds;
    /* Dart::InplacePredict leaves the predictions of no trees uninitialised. */
    is_inside &= range[0] < range[1] || model->kind != MR_XGB_DART || is_booster;
    if (is_linear ? range[0] != 0 : !is_inside) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "param \"iteration_range\" is [%lld, %lld], but there are %u rounds",
                       (long long)range[0], (long long)range[1], model->n_rounds);
    }
    bool is_null;
    out->is_margin = read_flag(params, "output_margin", &is_null);
    out->is_strict = is_booster && read_flag(params, "strict_shape", &is_null);
    if (is_booster && is_null) {
        return mr_fail(err, MR_E_BAD_REQUEST, "param \"strict_shape\" expects a boolean");
    }
    out->first_round = is_linear ? 0 : (uint32_t)range[0];
    out->end_round = is_linear ? 0 : (uint32_t)range[1];
    return MR_OK;
}
