/* The MLmodel file: what MLflow wrote down about a model when it was saved.
 *
 * Reads the YAML with libyaml and keeps only what serving needs. The file is untrusted: size,
 * nesting and every path in it are checked. Texts are NUL-terminated and live in the arena. */
#ifndef MR_MODEL_MLMODEL_H
#define MR_MODEL_MLMODEL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mr_mlmodel {
    /* flavors.python_function; size 0 when a key is absent */
    struct mr_str loader_module; /* "mlflow.sklearn" */
    struct mr_str data;          /* model_path, else data, else python_model: relative path */
    struct mr_str predict_fn;    /* "predict" when absent */
    /* flavors.sklearn, or flavors.lightgbm where that loads the model */
    struct mr_str serialization_format; /* "pickle" when absent, as in mlflow/sklearn; of LightGBM
                                           "cloudpickle", which writes pickles */
    /* flavors.xgboost, flavors.lightgbm */
    struct mr_str model_class; /* size 0 when absent */
    /* signature: JSON texts */
    struct mr_str inputs_json;
    struct mr_str outputs_json;
    struct mr_str params_json;
    bool has_type_hints; /* the signature comes from predict's type hints, which MLflow checks
                            itself: is_signature_from_type_hint or type_hint_from_example */
    struct mr_str mlflow_version;
    struct mr_str run_id, model_id; /* size 0 when the model was not logged */
    /* saved_input_example_info: relative paths. The first holds a body of a request; the second,
     * of older versions, what `inputs` or, if the rest says so, `dataframe_split` would. */
    struct mr_str serving_example;
    struct mr_str example;
    bool is_example_split;
};

/* Parse the text of an MLmodel file.
 * returns  MR_OK; MR_E_FORMAT with line and what was expected; MR_E_UNSUPPORTED when there is no
 *          python_function flavor; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_mlmodel_parse(struct mr_str text, struct mr_arena *arena,
                                         struct mr_mlmodel *out, struct mr_error *err);

/* Read and parse FOLDER/MLmodel. Also MR_E_NOT_FOUND (no such file), MR_E_IO. */
MR_MUST_CHECK mr_status mr_mlmodel_read(const char *folder, struct mr_arena *arena,
                                        struct mr_mlmodel *out, struct mr_error *err);

#endif
