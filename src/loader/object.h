/* The object graph: what a saved Python object looks like to C, whatever file it came from.
 *
 * A loader (skops, pickle) yields it, a builder of an engine reads it. Nothing in it has been
 * executed: a class is only its name, an instance only its state. Immutable once loaded, lives in
 * the loader's arena.
 * The file was untrusted, so the graph may have any shape: an object may be reached by several
 * paths, and it may contain itself. Readers therefore follow names they expect, to a fixed depth,
 * and check every kind on the way; nobody walks it recursively. */
#ifndef MR_LOADER_OBJECT_H
#define MR_LOADER_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "schema/dtype.h"

typedef enum mr_object_kind {
    MR_OBJECT_NONE,
    MR_OBJECT_BOOL,
    MR_OBJECT_INT,   /* what fits int64 */
    MR_OBJECT_FLOAT, /* also integers that do not fit int64 */
    MR_OBJECT_STR,
    MR_OBJECT_BYTES, /* bytes, bytearray */
    MR_OBJECT_LIST,
    MR_OBJECT_TUPLE, /* also named tuples: see module and name */
    MR_OBJECT_SET,
    MR_OBJECT_DICT,    /* also OrderedDict, defaultdict */
    MR_OBJECT_ARRAY,   /* numpy.ndarray, and numpy scalars such as numpy.float64 */
    MR_OBJECT_GLOBAL,  /* a class or function, referred to by name */
    MR_OBJECT_INSTANCE /* anything else: its class, and its state where that is known */
} mr_object_kind;

struct mr_object;

struct mr_object_list {
    size_t n;
    const struct mr_object *const *items;
};

/* Keys and values in insertion order; a key may come twice, then the last one counts. */
struct mr_object_dict {
    size_t n;
    const struct mr_object *const *keys;
    const struct mr_object *const *values;
};

/* A field of a structured dtype. In item i of an array its value begins at
 * values + i * record->item_bytes + offset_bytes, at any alignment, in native byte order. */
struct mr_field {
    struct mr_str name;
    bool is_known; /* false: a structure or an array itself, text, or no dtype of ours */
    mr_dtype dtype;
    size_t offset_bytes; /* the whole value is inside of the item */
};

/* A structured dtype: what numpy's record arrays have, such as the nodes of a tree. */
struct mr_record {
    size_t n_fields;
    const struct mr_field *fields;
    size_t item_bytes;
};

struct mr_ndarray {
    bool is_known; /* false: dtype is not one of ours (complex, structured, ...): see descr, record
                    */
    mr_dtype dtype;
    size_t n_dims; /* 0: a scalar */
    const int64_t *shape;
    int64_t n_values; /* product of the shape */
    /* In C order. is_known: native byte order; MR_STRING, MR_BINARY: struct mr_str each, MR_STRING
     * UTF-8 (lone surrogates as in WTF-8); MR_OBJECT: const struct mr_object * each. With a record:
     * the items. Else NULL. */
    const void *values;
    const struct mr_record *record; /* NULL: the dtype is not structured */
    struct mr_str descr; /* dtype as the .npy header writes it: "<f8"; size 0 for objects and for
                            structured dtypes */
};

struct mr_object_instance {
    const struct mr_object *args;  /* tuple given to the constructor; NULL: none or not kept */
    const struct mr_object *state; /* usually a dict of attributes; NULL: none or not kept */
};

struct mr_object {
    mr_object_kind kind;
    /* Class: "sklearn.linear_model._base", "LinearRegression"; of a GLOBAL, its own name. */
    struct mr_str module, name;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct mr_str text;         /* STR, BYTES; a NUL follows it */
        struct mr_object_list list; /* LIST, TUPLE, SET */
        struct mr_object_dict dict;
        struct mr_ndarray array;
        struct mr_object_instance instance;
    };
};

/* Whether the object's class (or the global itself) has that module and name. */
bool mr_object_is(const struct mr_object *object, const char *module, const char *name);

/* The value under a string key of a dict; NULL when there is none or `dict` is no dict (or NULL).
 */
const struct mr_object *mr_object_item(const struct mr_object *dict, const char *key);

/* An attribute of an instance whose state is a dict; NULL when there is none (or for NULL). */
const struct mr_object *mr_object_attr(const struct mr_object *instance, const char *name);

/* The field of a structured array that has that name and dtype; NULL when there is none, or the
 * array is not structured. */
const struct mr_field *mr_ndarray_field(const struct mr_ndarray *array, const char *name,
                                        mr_dtype dtype);

/* Whether a string object is exactly that text; false for every other kind and for NULL. */
bool mr_object_is_str(const struct mr_object *object, const char *text);

/* The dtype that a numpy.dtype is, in any byte order; false when it is none of ours (complex,
 * datetimes, ...) or the object is no numpy.dtype (or NULL). */
bool mr_object_dtype(const struct mr_object *object, mr_dtype *out);

/* What the object is, for messages: "list", "sklearn.svm._classes.LinearSVC". Writes at most size
 * bytes with the NUL; returns `out`. */
const char *mr_object_describe(const struct mr_object *object, char *out, size_t size);

#endif
