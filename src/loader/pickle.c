#include "loader/pickle.h"

#include "loader/pickle_int.h"

static mr_status read_stream(struct mr_unpickler *u, struct mr_pickle *out) {
    MR_TRY(mr_pickle_new(u, MR_OBJECT_NONE, "NoneType", &u->none));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_BOOL, "bool", &u->false_));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_BOOL, "bool", &u->true_));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_TUPLE, "tuple", &u->empty_tuple));
    u->true_->boolean = true;
    struct mr_object *root = NULL;
    MR_TRY(mr_pickle_run(u, &root));
    MR_TRY(mr_stream_check_end(u->stream, u->err));
    *out = (struct mr_pickle){.root = root, .protocol = u->protocol, .numpy_major = u->numpy_major};
    return MR_OK;
}

static mr_status open_and_read(const char *path, struct mr_str memory, struct mr_arena *arena,
                               struct mr_pickle *out, struct mr_error *err) {
    struct mr_unpickler u = {.arena = arena, .err = err};
    MR_TRY(mr_stream_open(path, memory, &u.stream, err));
    mr_status status = read_stream(&u, out);
    mr_stream_close(u.stream);
    return status;
}

mr_status mr_pickle_load(const char *path, struct mr_arena *arena, struct mr_pickle *out,
                         struct mr_error *err) {
    return open_and_read(path, (struct mr_str){0}, arena, out, err);
}

mr_status mr_pickle_parse(struct mr_str file, struct mr_arena *arena, struct mr_pickle *out,
                          struct mr_error *err) {
    return open_and_read(NULL, file, arena, out, err);
}
