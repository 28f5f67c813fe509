/* LightGBM's models: texts of boosters, and pickles and skops archives of the wrappers around them.
 * What a native engine makes of one is asked for predictions. */
#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct mr_str file = {(const char *)data, size};
    struct mr_model_source source = {
        .flavor = mr_str_from("mlflow.lightgbm"),
        .path = "/proc/self",
        .serialization_format = mr_str_from("pickle"),
    };
    bool is_pickle = size > 0 && data[0] == 0x80; /* PROTO */
    bool is_archive = size > 1 && memcmp(data, "PK", 2) == 0;
    if (is_archive) source.serialization_format = mr_str_from("skops");
    if (is_pickle || is_archive) source.model_class = mr_str_from("lightgbm.sklearn.LGBMModel");
    predict_file(file, &source);
    return 0;
}
