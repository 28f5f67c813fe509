/* Damaged models of tests/data/xgboost, all of them and each in the format it was saved in: ten
 * thousand of UBJSON, of JSON and of pickles with MLRACE_MUTATIONS=200; a few without. */
#include "mutations.h"
#include "saved_models.h"

#define N_MUTATIONS 8 /* of each model, instead of MLRACE_MUTATIONS */

/* Markers of UBJSON, which pickles hold too, and their own opcodes. */
static const char ubjson[] = "[]{}$#ZNTFiUIlLdDCSH\x01\x7f\xff";
static const char pickle[] = "(.012FGIJKLMNRSTUVX]abcdeghijlopqrstu})BC[{$#ZldD"
                             "\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8e\x8f\x90\x91\x93\x94\x95\x96";

static const struct mutated_format formats[] = {
    {.flavor = "mlflow.xgboost", .serialization_format = "ubj", .special_bytes = ubjson},
    {.flavor = "mlflow.xgboost", .serialization_format = "json"},
    {.flavor = "mlflow.sklearn", .serialization_format = "pickle", .special_bytes = pickle},
    {.flavor = "mlflow.sklearn", .serialization_format = "cloudpickle", .special_bytes = pickle},
};

static int n_mutations = N_MUTATIONS;
static int n_tried[4];

static void visit(const struct saved_models *models, const char *name, yyjson_val *model) {
    const char *saved = yyjson_get_str(yyjson_obj_get(model, "format"));
    size_t i = 0;
    while (strcmp(saved, formats[i].serialization_format) != 0) i++;
    struct mutated_format format = formats[i];
    format.model_class = yyjson_get_str(yyjson_obj_get(model, "class"));
    bool has_proba = yyjson_obj_get(yyjson_obj_get(model, "answers"), "predict_proba");
    if (has_proba && i >= 2) format.predict_fn = "predict_proba";
    if (strstr(name, "no rounds") && strcmp(models->version, "2") < 0)
        return; /* refused as it is */
    n_tried[i] += n_mutations;
    mutate_bytes(&format, saved_models_file(models, model), n_mutations);
}

static void test_mutations(void **state) {
    (void)state;
    const char *n = getenv("MLRACE_MUTATIONS");
    if (n) n_mutations = atoi(n);
    random_state = 1;
    saved_models_each("tests/data/xgboost", visit);
    print_message("ubj %d, json %d, pickle %d, cloudpickle %d: %d loaded, %d refused\n", n_tried[0],
                  n_tried[1], n_tried[2], n_tried[3], n_loaded, n_refused);
    assert_true(n_loaded > 500 && n_refused > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
