/* MLmodel: YAML, and the JSON texts of the signature in it. */
#include "model/mlmodel.h"
#include "schema/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    struct mr_mlmodel mlmodel;
    struct mr_signature signature;
    if (arena && mr_mlmodel_parse((struct mr_str){(const char *)data, size}, arena, &mlmodel,
                                  NULL) == MR_OK) {
        mr_status status = mr_signature_read(mlmodel.inputs_json, mlmodel.outputs_json,
                                             mlmodel.params_json, arena, &signature, NULL);
        (void)status;
    }
    mr_arena_free(arena);
    return 0;
}
