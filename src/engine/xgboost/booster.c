/* XGBoost: src/learner.cc (LearnerIO::LoadModel, LearnerModelParamLegacy, Intercept). */
#include "engine/xgboost/booster.h"

#include <math.h>

#include "base/buf.h"
#include "base/number.h"
#include "engine/xgboost/booster_int.h"
#include "loader/json.h"

#define NEWEST_MAJOR 3
#define NEWEST_MINOR 2

/* Values of the file ------------------------------------------------------------------------ */

mr_status mr_xgb_read_array(const struct mr_xgb_place *place, const char *key,
                            struct mr_xgb_array *out) {
    const struct mr_object *value = mr_object_item(place->object, key);
    *out = (struct mr_xgb_array){0};
    if (value && value->kind == MR_OBJECT_ARRAY) {
        out->numbers = &value->array;
        out->n = (size_t)value->array.n_values;
        return MR_OK;
    }
    bool is_list = value && value->kind == MR_OBJECT_LIST;
    for (size_t i = 0; is_list && i < value->list.n; i++) {
        mr_object_kind kind = value->list.items[i]->kind;
        is_list = kind == MR_OBJECT_BOOL || kind == MR_OBJECT_INT || kind == MR_OBJECT_FLOAT;
    }
    if (!is_list) {
        return mr_fail(place->err, MR_E_FORMAT, "%s: there is no array of numbers \"%s\"",
                       place->name, key);
    }
    out->items = &value->list;
    out->n = value->list.n;
    return MR_OK;
}

static int64_t integer_of(double real) {
    return real >= -9e18 && real <= 9e18 && floor(real) == real ? (int64_t)real : INT64_MIN;
}

static int64_t integer_of_item(const struct mr_object *item) {
    if (item->kind == MR_OBJECT_BOOL) return item->boolean;
    return item->kind == MR_OBJECT_INT ? item->integer : integer_of(item->real);
}

int64_t mr_xgb_integer_at(const struct mr_xgb_array *array, size_t i) {
    if (!array->numbers) return integer_of_item(array->items->items[i]);
    const void *values = array->numbers->values;
    switch (array->numbers->dtype) {
    case MR_INT8: return ((const int8_t *)values)[i];
    case MR_UINT8: return ((const uint8_t *)values)[i];
    case MR_INT16: return ((const int16_t *)values)[i];
    case MR_INT32: return ((const int32_t *)values)[i];
    case MR_INT64: return ((const int64_t *)values)[i];
    case MR_FLOAT32: return integer_of((double)((const float *)values)[i]);
    case MR_FLOAT64: return integer_of(((const double *)values)[i]);
    default: return INT64_MIN;
    }
}

float mr_xgb_float_at(const struct mr_xgb_array *array, size_t i) {
    if (array->numbers && array->numbers->dtype == MR_FLOAT32) {
        return ((const float *)array->numbers->values)[i];
    }
    if (array->numbers && array->numbers->dtype == MR_FLOAT64) {
        return (float)((const double *)array->numbers->values)[i];
    }
    if (array->items && array->items->items[i]->kind == MR_OBJECT_FLOAT) {
        return (float)array->items->items[i]->real;
    }
    return (float)mr_xgb_integer_at(array, i);
}

mr_status mr_xgb_read_dict(const struct mr_xgb_place *place, const char *key,
                           const struct mr_object **out) {
    *out = mr_object_item(place->object, key);
    if (*out && (*out)->kind == MR_OBJECT_DICT) return MR_OK;
    return mr_fail(place->err, MR_E_FORMAT, "%s: there is no object \"%s\"", place->name, key);
}

static mr_status read_text(const struct mr_xgb_place *place, const char *key, struct mr_str *out) {
    const struct mr_object *value = mr_object_item(place->object, key);
    if (!value || value->kind != MR_OBJECT_STR) {
        return mr_fail(place->err, MR_E_FORMAT, "%s: there is no text \"%s\"", place->name, key);
    }
    *out = value->text;
    return MR_OK;
}

mr_status mr_xgb_read_count(const struct mr_xgb_place *place, const char *key, int64_t fallback,
                            uint32_t *out) {
    int64_t count = fallback;
    bool is_big = false;
    struct mr_str text = {0};
    if (fallback < 0 || mr_object_item(place->object, key)) {
        MR_TRY(read_text(place, key, &text));
        if (!mr_int_parse(text, &count, &is_big) || is_big) count = -1;
    }
    if (count < 0 || count > INT32_MAX) {
        return mr_fail(place->err, MR_E_FORMAT, "%s: \"%s\" is \"%.*s\", expected a count",
                       place->name, key, MR_STR_ARGS(text));
    }
    *out = (uint32_t)count;
    return MR_OK;
}

/* Learner ----------------------------------------------------------------------------------- */

struct reader {
    struct mr_arena *arena;
    struct mr_error *err;
    struct mr_xgb_place learner, param, booster, model;
    struct mr_xgb_booster *out;
};

/* Later versions may mean something else by the same file. */
static mr_status check_version(const struct reader *r, const struct mr_xgb_array *version) {
    int64_t major = version->n > 0 ? mr_xgb_integer_at(version, 0) : 0;
    int64_t minor = version->n > 1 ? mr_xgb_integer_at(version, 1) : 0;
    if (major < NEWEST_MAJOR || (major == NEWEST_MAJOR && minor <= NEWEST_MINOR)) return MR_OK;
    return mr_fail(r->err, MR_E_UNSUPPORTED,
                   "no native engine for models of XGBoost %s yet: versions up to %d.%d were "
                   "compared",
                   r->out->version, NEWEST_MAJOR, NEWEST_MINOR);
}

static mr_status read_version(struct reader *r, const struct mr_xgb_place *file) {
    struct mr_xgb_array version;
    struct mr_buf text;
    MR_TRY(mr_xgb_read_array(file, "version", &version));
    mr_buf_init(&text, r->arena);
    for (size_t i = 0; i < version.n && i < 3; i++) {
        if (i) mr_buf_char(&text, '.');
        mr_buf_int(&text, mr_xgb_integer_at(&version, i));
    }
    mr_buf_char(&text, '\0');
    MR_TRY(mr_buf_status(&text, r->err));
    r->out->version = text.data;
    return check_version(r, &version);
}

static mr_status read_sizes(struct reader *r) {
    struct mr_xgb_booster *out = r->out;
    uint32_t n_targets = 0;
    MR_TRY(mr_xgb_read_count(&r->param, "num_feature", -1, &out->n_features));
    MR_TRY(mr_xgb_read_count(&r->param, "num_class", -1, &out->n_classes));
    MR_TRY(mr_xgb_read_count(&r->param, "num_target", 1, &n_targets));
    if (out->n_classes > 1 && n_targets > 1) {
        return mr_fail(r->err, MR_E_FORMAT, "a booster has %u classes and %u targets at once",
                       out->n_classes, n_targets);
    }
    out->n_outputs = n_targets > out->n_classes ? n_targets : out->n_classes;
    if (out->n_outputs == 0) out->n_outputs = 1;
    if (out->n_outputs > MR_TREE_MAX_OUTPUTS || out->n_features > MR_TREE_MAX_FEATURES) {
        return mr_fail(r->err, MR_E_UNSUPPORTED,
                       "boosters of %u outputs and %u features are not evaluated", out->n_outputs,
                       out->n_features);
    }
    return MR_OK;
}

static mr_status read_objective(struct reader *r) {
    struct mr_xgb_place place = r->learner;
    struct mr_str name;
    MR_TRY(mr_xgb_read_dict(&r->learner, "objective", &place.object));
    MR_TRY(read_text(&place, "name", &name));
    r->out->objective = mr_xgb_objective_find(name);
    if (!r->out->objective) {
        return mr_fail(r->err, MR_E_UNSUPPORTED, "no native engine for the objective \"%.*s\" yet",
                       MR_STR_ARGS(name));
    }
    mr_xgb_transform transform = r->out->objective->transform;
    bool needs_classes = transform == MR_XGB_SOFTMAX || transform == MR_XGB_CLASS;
    if (needs_classes && r->out->n_classes != r->out->n_outputs) {
        return mr_fail(r->err, MR_E_FORMAT, "\"%s\" of %u classes", r->out->objective->name,
                       r->out->n_classes);
    }
    return MR_OK;
}

/* Texts such as "5E-1", "[5E-1]" and "(0.5, 0.5)" (src/common/param_array.cc). */
static mr_status parse_base(struct reader *r, struct mr_str text, struct mr_xgb_array *out) {
    char *copy = mr_arena_strdup(r->arena, text);
    struct mr_object_list *list = mr_arena_zalloc(r->arena, sizeof(*list));
    const struct mr_object **items = mr_arena_array(r->arena, 1, sizeof(*items));
    if (!copy || !list || !items) return mr_arena_fail(r->arena, r->err);
    char *open = strchr(copy, '('), *close = strrchr(copy, ')');
    if (open && close) {
        *open = '[';
        *close = ']';
    }
    struct mr_error why = {0};
    mr_status status = mr_json_object_parse((struct mr_str){copy, text.size}, NULL, r->arena,
                                            &items[0], &why);
    if (status != MR_OK && status != MR_E_FORMAT) return mr_fail(r->err, status, "%s", why.message);
    if (status == MR_OK && items[0]->kind == MR_OBJECT_ARRAY) {
        *out = (struct mr_xgb_array){.n = (size_t)items[0]->array.n_values,
                                     .numbers = &items[0]->array};
        return MR_OK;
    }
    if (status == MR_OK && (items[0]->kind == MR_OBJECT_INT || items[0]->kind == MR_OBJECT_FLOAT)) {
        *list = (struct mr_object_list){1, items};
        *out = (struct mr_xgb_array){.n = 1, .items = list};
        return MR_OK;
    }
    return mr_fail(r->err, MR_E_FORMAT, "\"base_score\" is \"%.*s\", expected numbers",
                   MR_STR_ARGS(text));
}

/* The intercept is stored as a prediction and becomes a sum, unless nothing was ever fitted: then
 * it is half (Intercept::InitModelUserParam, ObjFunction::DefaultBaseScore). */
static mr_status read_base(struct reader *r, bool is_fitted) {
    struct mr_str text = {0};
    struct mr_xgb_array scores = {0};
    uint32_t is_estimated = 0, n_outputs = r->out->n_outputs;
    MR_TRY(read_text(&r->param, "base_score", &text));
    MR_TRY(parse_base(r, text, &scores));
    MR_TRY(mr_xgb_read_count(&r->param, "boost_from_average", 1, &is_estimated));
    if (scores.n != n_outputs && scores.n != 1) {
        return mr_fail(r->err, MR_E_FORMAT, "\"base_score\" has %zu numbers for %u outputs",
                       scores.n, n_outputs);
    }
    float *base = mr_arena_array(r->arena, n_outputs, sizeof(*base));
    if (!base) return mr_arena_fail(r->arena, r->err);
    for (uint32_t k = 0; k < n_outputs; k++) {
        base[k] = 0.5F;
        if (is_estimated && !is_fitted) continue;
        base[k] = mr_xgb_float_at(&scores, scores.n == 1 ? 0 : k);
        if (!mr_xgb_objective_link(r->out->objective, &base[k])) {
            return mr_fail(r->err, MR_E_FORMAT, "\"base_score\" is \"%.*s\", which %s cannot have",
                           MR_STR_ARGS(text), r->out->objective->name);
        }
    }
    r->out->base = base;
    return MR_OK;
}

static mr_status read_names(struct reader *r) {
    const struct mr_object *list = mr_object_item(r->learner.object, "feature_names");
    if (!list || list->kind != MR_OBJECT_LIST || list->list.n == 0) return MR_OK;
    size_t n = list->list.n;
    if (n != r->out->n_features) {
        return mr_fail(r->err, MR_E_FORMAT, "%zu names for %u features", n, r->out->n_features);
    }
    struct mr_str *names = mr_arena_array(r->arena, n, sizeof(*names));
    if (!names) return mr_arena_fail(r->arena, r->err);
    for (size_t i = 0; i < n; i++) {
        const struct mr_object *name = list->list.items[i];
        if (name->kind != MR_OBJECT_STR) {
            return mr_fail(r->err, MR_E_FORMAT, "the name of feature %zu is no text", i);
        }
        names[i] = name->text;
    }
    r->out->n_names = n;
    r->out->names = names;
    return MR_OK;
}

/* What early stopping and the scikit-learn wrappers leave with a booster. */
static mr_status read_attributes(struct reader *r) {
    struct mr_xgb_place place = r->learner;
    r->out->best_iteration = -1;
    MR_TRY(mr_xgb_read_dict(&r->learner, "attributes", &place.object));
    /* Training no rounds leaves -1. */
    const struct mr_object *best = mr_object_item(place.object, "best_iteration");
    if (best && !mr_object_is_str(best, "-1")) {
        uint32_t value = 0;
        MR_TRY(mr_xgb_read_count(&place, "best_iteration", -1, &value));
        r->out->best_iteration = (int)value;
    }
    const struct mr_object *meta = mr_object_item(place.object, "scikit_learn");
    if (!meta || meta->kind != MR_OBJECT_STR) return MR_OK;
    const struct mr_object *parsed = NULL;
    MR_TRY(mr_json_object_parse(meta->text, NULL, r->arena, &parsed, r->err));
    const struct mr_object *type = mr_object_item(parsed, "_estimator_type");
    if (type && type->kind == MR_OBJECT_STR) r->out->estimator_type = type->text;
    return MR_OK;
}

/* Boosters ---------------------------------------------------------------------------------- */

static mr_status copy_floats(const struct mr_xgb_place *place, const char *key, size_t n,
                             struct mr_arena *arena, const float **out) {
    struct mr_xgb_array array;
    MR_TRY(mr_xgb_read_array(place, key, &array));
    if (array.n != n) {
        return mr_fail(place->err, MR_E_FORMAT, "\"%s\" should have %zu items, but has %zu", key, n,
                       array.n);
    }
    float *copy = mr_arena_array(arena, n, sizeof(*copy));
    if (!copy) return mr_arena_fail(arena, place->err);
    for (size_t i = 0; i < n; i++) copy[i] = mr_xgb_float_at(&array, i);
    *out = copy;
    return MR_OK;
}

static mr_status read_linear(struct reader *r) {
    size_t n = ((size_t)r->out->n_features + 1) * r->out->n_outputs;
    MR_TRY(copy_floats(&r->model, "weights", n, r->arena, &r->out->weights));
    const struct mr_object *rounds = mr_object_item(r->model.object, "boosted_rounds");
    bool is_fitted = rounds && rounds->kind == MR_OBJECT_INT && rounds->integer != 0;
    return read_base(r, is_fitted);
}

static mr_status read_trees(struct reader *r) {
    const struct mr_object *trees = mr_object_item(r->model.object, "trees");
    MR_TRY(read_base(r, trees && trees->kind == MR_OBJECT_LIST && trees->list.n > 0));
    MR_TRY(mr_xgb_trees_read(r->model.object, r->arena, r->out, r->err));
    if (r->out->kind != MR_XGB_DART) return MR_OK;
    return copy_floats(&r->booster, "weight_drop", r->out->ensemble.n_trees, r->arena,
                       &r->out->tree_weights);
}

static mr_status read_booster(struct reader *r) {
    static const char *const names[] = {
        [MR_XGB_TREES] = "gbtree", [MR_XGB_DART] = "dart", [MR_XGB_LINEAR] = "gblinear"};
    struct mr_str name = {0};
    MR_TRY(mr_xgb_read_dict(&r->learner, "gradient_booster", &r->booster.object));
    MR_TRY(read_text(&r->booster, "name", &name));
    size_t kind = 0;
    while (kind < 3 && !mr_str_is(name, names[kind])) kind++;
    if (kind == 3) {
        return mr_fail(r->err, MR_E_UNSUPPORTED, "no native engine for the booster \"%.*s\" yet",
                       MR_STR_ARGS(name));
    }
    r->out->kind = (mr_xgb_kind)kind;
    struct mr_xgb_place outer = r->booster;
    if (kind == MR_XGB_DART) MR_TRY(mr_xgb_read_dict(&r->booster, "gbtree", &outer.object));
    MR_TRY(mr_xgb_read_dict(&outer, "model", &r->model.object));
    return kind == MR_XGB_LINEAR ? read_linear(r) : read_trees(r);
}

mr_status mr_xgb_booster_read(const struct mr_object *file, struct mr_arena *arena,
                              struct mr_xgb_booster *out, struct mr_error *err) {
    struct mr_xgb_place place = {.object = file, .name = "the model file", .err = err};
    struct reader r = {.arena = arena,
                       .err = err,
                       .learner = {.name = "learner", .err = err},
                       .param = {.name = "learner_model_param", .err = err},
                       .booster = {.name = "gradient_booster", .err = err},
                       .model = {.name = "model", .err = err},
                       .out = out};
    *out = (struct mr_xgb_booster){0};
    MR_TRY(read_version(&r, &place));
    MR_TRY(mr_xgb_read_dict(&place, "learner", &r.learner.object));
    MR_TRY(mr_xgb_read_dict(&r.learner, "learner_model_param", &r.param.object));
    MR_TRY(read_sizes(&r));
    MR_TRY(read_objective(&r));
    MR_TRY(read_names(&r));
    MR_TRY(read_attributes(&r));
    return read_booster(&r);
}
