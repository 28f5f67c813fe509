/* Inside of the pickle reader: its state, and the steps of an opcode.
 *
 * pickle.c: the file. pickle_opcodes.c: the stack machine, pickle_stack.c: its stack and memo.
 * pickle_value.c: memory; objects made of bytes and texts. pickle_call.c: globals and what calling
 * them gives. pickle_numpy.c: dtypes and arrays. */
#ifndef MR_LOADER_PICKLE_INT_H
#define MR_LOADER_PICKLE_INT_H

#include "loader/pickle.h"
#include "loader/stream.h"

struct mr_unpickler {
    struct mr_stream *stream;
    struct mr_arena *arena;
    struct mr_error *err;
    size_t used_bytes;   /* of the arena */
    bool is_over_budget; /* the last allocation failed for that */
    uint64_t opcode_at;  /* where the opcode under way begins */
    int protocol;
    int numpy_major; /* see struct mr_pickle */
    bool is_nested;  /* a pickle within a file of joblib */
    bool is_stopped;
    struct mr_object **stack;
    size_t n_stack, stack_capacity;
    size_t *marks; /* heights of the stack */
    size_t n_marks, marks_capacity;
    struct mr_object **memo; /* NULL: not set */
    size_t n_memo;           /* as MEMOIZE counts: how often something was put */
    size_t memo_capacity;
    struct mr_object *none, *true_, *false_, *empty_tuple; /* shared by all who mean them */
};

/* Record what is wrong, with the byte where the opcode under way begins. */
mr_status mr_pickle_fail(struct mr_unpickler *u, mr_status status, const char *format, ...)
    MR_PRINTF(3, 4);

/* Memory, under a budget that grows with the bytes read. NULL: mr_pickle_no_memory says why.
 * mr_pickle_count counts what others will allocate. */
void *mr_pickle_alloc(struct mr_unpickler *u, size_t n, size_t size);
void *mr_pickle_grow(struct mr_unpickler *u, void *old, size_t n_old, size_t n, size_t size);
MR_MUST_CHECK mr_status mr_pickle_count(struct mr_unpickler *u, size_t n, size_t size);
mr_status mr_pickle_no_memory(struct mr_unpickler *u);

/* The next n bytes of the file, aligned to 16, with a NUL behind them. */
MR_MUST_CHECK mr_status mr_pickle_read_bytes(struct mr_unpickler *u, uint64_t n,
                                             struct mr_str *out);
/* A line, without its end. */
MR_MUST_CHECK mr_status mr_pickle_read_line(struct mr_unpickler *u, struct mr_str *out);
/* An unsigned integer of 1, 2, 4 or 8 bytes. */
MR_MUST_CHECK mr_status mr_pickle_read_uint(struct mr_unpickler *u, size_t n_bytes, uint64_t *out);

/* An empty stack with room for some. */
MR_MUST_CHECK mr_status mr_pickle_init_stack(struct mr_unpickler *u);
MR_MUST_CHECK mr_status mr_pickle_push(struct mr_unpickler *u, struct mr_object *object);
/* The newest n objects above the last mark. peek lets them stay; what pop takes away can be read up
 * to the next push. MR_E_FORMAT when there are fewer. */
MR_MUST_CHECK mr_status mr_pickle_peek(struct mr_unpickler *u, size_t n, struct mr_object ***out);
MR_MUST_CHECK mr_status mr_pickle_pop(struct mr_unpickler *u, size_t n, struct mr_object ***out);
/* Set a mark; take away what lies above the last one, and the mark. */
MR_MUST_CHECK mr_status mr_pickle_mark(struct mr_unpickler *u);
MR_MUST_CHECK mr_status mr_pickle_pop_mark(struct mr_unpickler *u, struct mr_object ***out,
                                           size_t *n);
/* Put the newest object into the memo; push one of the memo. */
MR_MUST_CHECK mr_status mr_pickle_memo_put(struct mr_unpickler *u, uint64_t index);
MR_MUST_CHECK mr_status mr_pickle_memo_get(struct mr_unpickler *u, uint64_t index);

/* New objects; the kind's own member is zero. */
MR_MUST_CHECK mr_status mr_pickle_new(struct mr_unpickler *u, mr_object_kind kind,
                                      const char *builtin, struct mr_object **out);
/* The two's complement of any length, little-endian, is overwritten. */
MR_MUST_CHECK mr_status mr_pickle_new_int(struct mr_unpickler *u, struct mr_str bytes,
                                          struct mr_object **out);
/* UTF-8 with surrogates. */
MR_MUST_CHECK mr_status mr_pickle_new_text(struct mr_unpickler *u, struct mr_str text,
                                           struct mr_object **out);
/* Lines as protocol 0 writes numbers and texts. */
MR_MUST_CHECK mr_status mr_pickle_parse_int(struct mr_unpickler *u, struct mr_str line,
                                            struct mr_object **out);
MR_MUST_CHECK mr_status mr_pickle_parse_unicode(struct mr_unpickler *u, struct mr_str line,
                                                struct mr_object **out);

/* Append to a list or set, or to a dict. The arrays of containers have room for the next power of
 * two of their items, so that nobody else may make containers that grow. */
MR_MUST_CHECK mr_status mr_pickle_append(struct mr_unpickler *u, struct mr_object_list *list,
                                         struct mr_object *const *items, size_t n);
MR_MUST_CHECK mr_status mr_pickle_set_items(struct mr_unpickler *u, struct mr_object_dict *dict,
                                            struct mr_object *const *items, size_t n_pairs);

/* A reference to a class or function. MR_E_UNSUPPORTED unless it is known to be harmless. */
MR_MUST_CHECK mr_status mr_pickle_global(struct mr_unpickler *u, struct mr_str module,
                                         struct mr_str name, struct mr_object **out);
/* callable(*args); args is a tuple. */
MR_MUST_CHECK mr_status mr_pickle_call(struct mr_unpickler *u, const struct mr_object *callable,
                                       const struct mr_object *args, struct mr_object **out);
/* class.__new__(class, *args). */
MR_MUST_CHECK mr_status mr_pickle_instance(struct mr_unpickler *u, const struct mr_object *class_,
                                           const struct mr_object *args, struct mr_object **out);
/* object.__setstate__(state). */
MR_MUST_CHECK mr_status mr_pickle_build(struct mr_unpickler *u, struct mr_object *object,
                                        const struct mr_object *state);

/* numpy.ndarray.__setstate__: an instance becomes an array. */
MR_MUST_CHECK mr_status mr_pickle_build_array(struct mr_unpickler *u, struct mr_object *object,
                                              const struct mr_object *state);
/* numpy.core.multiarray.scalar(dtype, bytes); numpy.core.numeric._frombuffer(bytes, dtype, shape,
 * order). */
MR_MUST_CHECK mr_status mr_pickle_scalar(struct mr_unpickler *u, const struct mr_object *args,
                                         struct mr_object **out);
MR_MUST_CHECK mr_status mr_pickle_from_buffer(struct mr_unpickler *u, const struct mr_object *args,
                                              struct mr_object **out);
/* joblib.numpy_pickle.NumpyArrayWrapper.read: the array whose bytes follow in the file. */
MR_MUST_CHECK mr_status mr_pickle_read_joblib_array(struct mr_unpickler *u,
                                                    struct mr_object *object);

/* Read a pickle up to its end. */
MR_MUST_CHECK mr_status mr_pickle_run(struct mr_unpickler *u, struct mr_object **out);

#endif
