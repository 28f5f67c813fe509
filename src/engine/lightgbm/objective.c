#include "engine/lightgbm/objective.h"

#include <math.h>

#include "loader/lightgbm.h"

/* What the words after an objective's name say. */
enum parameters {
    NONE,    /* nothing that predicting needs */
    SQRT,    /* maybe "sqrt" */
    FACTOR,  /* "sigmoid:1" */
    CLASSES, /* "num_class:3" */
    CLASSES_AND_FACTOR
};

static const struct {
    const char *name;
    mr_lgb_transform transform;
    enum parameters parameters;
} objectives[] = {
    {"regression", MR_LGB_IDENTITY, SQRT},   {"regression_l1", MR_LGB_IDENTITY, SQRT},
    {"huber", MR_LGB_IDENTITY, NONE},        {"fair", MR_LGB_IDENTITY, SQRT},
    {"quantile", MR_LGB_IDENTITY, SQRT},     {"mape", MR_LGB_IDENTITY, SQRT},
    {"poisson", MR_LGB_EXP, NONE},           {"gamma", MR_LGB_EXP, NONE},
    {"tweedie", MR_LGB_EXP, NONE},           {"binary", MR_LGB_SIGMOID, FACTOR},
    {"multiclass", MR_LGB_SOFTMAX, CLASSES}, {"multiclassova", MR_LGB_SIGMOID, CLASSES_AND_FACTOR},
    {"cross_entropy", MR_LGB_SIGMOID, NONE}, {"cross_entropy_lambda", MR_LGB_LOG_EXP, NONE},
    {"xentropy", MR_LGB_SIGMOID, NONE}, /* the last two's names until 2.1 */
    {"xentlambda", MR_LGB_LOG_EXP, NONE},    {"lambdarank", MR_LGB_IDENTITY, NONE},
    {"rank_xendcg", MR_LGB_IDENTITY, NONE},
};

/* Numbers ----------------------------------------------------------------------------------- */

/* Common::Pow */
static double power_of(double base, int power) {
    if (power == 0) return 1;
    if (power % 2 == 0) return power_of(base * base, power / 2);
    if (power % 3 == 0) return power_of(base * base * base, power / 3);
    return base * power_of(base, power - 1);
}

/* Common::Atof, which does not round correctly, for [-]digits[.digits][e[+-]digits]. False: the
 * text is something else. */
static bool parse_roughly(struct mr_str text, double *out) {
    const char *p = text.data, *end = text.data + text.size;
    bool is_negative = p < end && *p == '-', has_digits = false;
    double value = 0;
    p += is_negative;
    for (; p < end && *p >= '0' && *p <= '9'; p++, has_digits = true) {
        value = value * 10 + (*p - '0');
    }
    if (p < end && *p == '.') {
        double right = 0;
        int n = 0;
        for (p++; p < end && *p >= '0' && *p <= '9'; p++, n++) right = (*p - '0') + right * 10;
        value += right / power_of(10, n);
    }
    double scale = 1;
    bool is_divided = false;
    if (p < end && *p == 'e') {
        uint32_t exponent = 0;
        p++;
        is_divided = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        for (; p < end && *p >= '0' && *p <= '9' && exponent < 1000; p++) {
            exponent = exponent * 10 + (uint32_t)(*p - '0');
        }
        if (exponent > 308) exponent = 308;
        for (; exponent >= 50; exponent -= 50) scale *= 1e50;
        for (; exponent >= 8; exponent -= 8) scale *= 1e8;
        for (; exponent > 0; exponent--) scale *= 10;
    }
    value = is_divided ? value / scale : value * scale;
    *out = is_negative ? -value : value;
    return has_digits && p == end;
}

/* Reading ----------------------------------------------------------------------------------- */

static bool take_key(struct mr_str word, const char *key, struct mr_str *value) {
    size_t n = strlen(key);
    if (word.size <= n || memcmp(word.data, key, n) != 0) return false;
    *value = (struct mr_str){word.data + n, word.size - n};
    return true;
}

/* The words after the name; the last of two with one key counts. */
static bool read_parameters(struct mr_str rest, enum parameters parameters, uint32_t n_classes,
                            struct mr_lgb_objective *out) {
    struct mr_str word, value;
    double number = 0, classes = 0;
    out->sigmoid = 1;
    bool has_factor = parameters == FACTOR || parameters == CLASSES_AND_FACTOR;
    bool has_classes = parameters == CLASSES || parameters == CLASSES_AND_FACTOR;
    if (has_factor) out->sigmoid = -1;
    while (mr_lgb_next_word(&rest, &word)) {
        if (parameters == SQRT && mr_str_is(word, "sqrt")) out->transform = MR_LGB_SQUARE;
        if (has_factor && take_key(word, "sigmoid:", &value)) {
            if (!parse_roughly(value, &out->sigmoid)) return false;
        } else if (has_classes && take_key(word, "num_class:", &value)) {
            if (!parse_roughly(value, &number)) return false;
            classes = number;
        }
    }
    return out->sigmoid > 0 && (has_classes ? classes == n_classes : n_classes == 1);
}

mr_status mr_lgb_objective_read(struct mr_str text, uint32_t n_classes,
                                struct mr_lgb_objective *out, struct mr_error *err) {
    struct mr_str rest = text, name;
    if (!mr_lgb_next_word(&rest, &name)) {
        *out = (struct mr_lgb_objective){.name = "custom", .transform = MR_LGB_IDENTITY};
        return MR_OK;
    }
    for (size_t i = 0; i < sizeof(objectives) / sizeof(*objectives); i++) {
        if (!mr_str_is(name, objectives[i].name)) continue;
        *out = (struct mr_lgb_objective){.name = objectives[i].name,
                                         .transform = objectives[i].transform};
        if (read_parameters(rest, objectives[i].parameters, n_classes, out)) return MR_OK;
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "no native engine for LightGBM's objective \"%.*s\" with %u classes",
                       MR_STR_ARGS(text), n_classes);
    }
    return mr_fail(err, MR_E_UNSUPPORTED, "no native engine for LightGBM's objective \"%.*s\" yet",
                   MR_STR_ARGS(name));
}

/* Transforming ------------------------------------------------------------------------------ */

/* Common::Softmax, with std::max's answer where a value is NaN. */
static void softmax(double *x, size_t n) {
    double largest = x[0], sum = 0;
    for (size_t i = 1; i < n; i++) largest = x[i] < largest ? largest : x[i];
    for (size_t i = 0; i < n; i++) {
        x[i] = exp(x[i] - largest);
        sum += x[i];
    }
    for (size_t i = 0; i < n; i++) x[i] /= sum;
}

void mr_lgb_objective_transform(const struct mr_lgb_objective *objective, double *sums,
                                size_t n_rows, size_t n_outputs) {
    size_t n = n_rows * n_outputs;
    switch (objective->transform) {
    case MR_LGB_IDENTITY: break;
    case MR_LGB_SQUARE:
        for (size_t i = 0; i < n; i++) {
            double sign = (sums[i] > 0) - (sums[i] < 0);
            sums[i] = sign * sums[i] * sums[i];
        }
        break;
    case MR_LGB_EXP:
        for (size_t i = 0; i < n; i++) sums[i] = exp(sums[i]);
        break;
    case MR_LGB_SIGMOID:
        for (size_t i = 0; i < n; i++) sums[i] = 1 / (1 + exp(-objective->sigmoid * sums[i]));
        break;
    case MR_LGB_LOG_EXP:
        for (size_t i = 0; i < n; i++) sums[i] = log1p(exp(sums[i]));
        break;
    case MR_LGB_SOFTMAX:
        for (size_t r = 0; r < n_rows; r++) softmax(sums + r * n_outputs, n_outputs);
        break;
    }
}
