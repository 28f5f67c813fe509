/* XGBoost's models: files of boosters, as UBJSON and as JSON, and pickles of the wrappers around
 * them. What a native engine makes of one is asked for predictions. */
#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const classes[] = {"xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"};
    const struct mr_str file = {(const char *)data, size};
    if (size > 0 && data[0] == 0x80) { /* PROTO */
        predict_with(file, "pickle");
        return 0;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct mr_model_source source = {
            .flavor = mr_str_from("mlflow.xgboost"),
            .path = "/proc/self",
            .model_class = mr_str_from(classes[i]),
        };
        predict_file(file, &source);
    }
    return 0;
}
