/* A whole JSON body: the first byte picks a signature, the rest is the body in any encoding.
 *
 * It is decoded twice, with room to be read in place and without: both must come to the same. */
#include <stdlib.h>

#include "codec/decode.h"
#include "schema/enforce.h"
#include "touch.h"

#define COLUMN(type, more) "{\"type\":\"" type "\"" more "}"
#define NAME(name) ",\"name\":\"" name "\""

static const char *const signatures[] = {
    NULL,
    "[" COLUMN("double", NAME("a")) "]",
    "[" COLUMN("double", NAME("a")) "," COLUMN("long", NAME("b")) "," COLUMN("string",
                                                                             NAME("c")) "]",
    "[" COLUMN("boolean", NAME("a")) "," COLUMN("integer", NAME("b") ",\"required\":false") "]",
    "[" COLUMN("float", NAME("a")) "," COLUMN("binary", NAME("b")) "]",
    "[" COLUMN("datetime", NAME("a")) "]",
    "[" COLUMN("double", "") "," COLUMN("string", "") "]",
    "[{\"type\":\"tensor\",\"tensor-spec\":{\"dtype\":\"float64\",\"shape\":[-1,2]}}]",
    "[{\"type\":\"tensor\",\"name\":\"a\",\"tensor-spec\":{\"dtype\":\"uint8\",\"shape\":[-1]}}]",
};

/* The status of decoding and enforcing; MR_E_TOO_LARGE also where the arena is full. */
static mr_status decode(const uint8_t *data, size_t size, size_t room,
                        const struct mr_signature *signature, struct mr_decoded *decoded) {
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    char *body = arena ? mr_arena_alloc(arena, size + room) : NULL;
    if (!body) abort();
    if (size) memcpy(body, data, size);
    struct mr_error err;
    mr_status status = mr_json_decode(body, size, size + room, signature, arena, decoded, &err);
    if (status == MR_OK) {
        touch_input(&decoded->input);
        status = mr_enforce_inputs(signature, &decoded->input, arena, &err);
        if (status == MR_OK) touch_input(&decoded->input);
    }
    mr_arena_free(arena);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const char *inputs = signatures[data[0] % (sizeof(signatures) / sizeof(signatures[0]))];
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_signature signature;
    struct mr_str none = {0};
    struct mr_error err;
    if (!arena) return 0;
    if (mr_signature_read(mr_str_from(inputs), none, none, arena, &signature, &err) != MR_OK)
        abort();
    struct mr_decoded first = {.params = NULL}, second = {.params = NULL};
    mr_status status = decode(data + 1, size - 1, 16, &signature, &first);
    mr_status again = decode(data + 1, size - 1, 0, &signature, &second);
    bool is_same = status == again && (status != MR_OK || first.input.kind == second.input.kind) &&
                   (status != MR_OK || first.input.table.n_rows == second.input.table.n_rows);
    if (!is_same) abort();
    mr_arena_free(arena);
    return 0;
}
