#include "base/utf8.h"
#include "loader/pickle_int.h"

/* Known names ------------------------------------------------------------------------------- */

/* Everything in these packages: what of it matters, the builders of models decide. */
static const char *const packages[] = {"lightgbm", "numpy", "scipy", "sklearn", "xgboost"};

static const struct {
    const char *module, *name;
} known_names[] = {
    {"_codecs", "encode"},
    {"builtins", "bool"},
    {"builtins", "bytearray"},
    {"builtins", "bytes"},
    {"builtins", "complex"},
    {"builtins", "dict"},
    {"builtins", "float"},
    {"builtins", "frozenset"},
    {"builtins", "int"},
    {"builtins", "list"},
    {"builtins", "object"},
    {"builtins", "range"},
    {"builtins", "set"},
    {"builtins", "slice"},
    {"builtins", "str"},
    {"builtins", "tuple"},
    {"builtins", "type"},
    {"collections", "OrderedDict"},
    {"collections", "defaultdict"},
    {"copyreg", "_reconstructor"},
    {"functools", "partial"},
    {"joblib.numpy_pickle", "NumpyArrayWrapper"},
};

/* Names of Python 2, which protocols 0 to 2 use (Lib/_compat_pickle.py). */
static const struct {
    const char *module, *name; /* NULL: all of the module, with their own names */
    const char *new_module, *new_name;
} old_names[] = {
    {"__builtin__", "long", "builtins", "int"},
    {"__builtin__", "unicode", "builtins", "str"},
    {"__builtin__", "xrange", "builtins", "range"},
    {"__builtin__", NULL, "builtins", NULL},
    {"copy_reg", NULL, "copyreg", NULL},
};

static bool starts_with(struct mr_str text, const char *prefix) {
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static void rename_global(struct mr_str *module, struct mr_str *name) {
    for (size_t i = 0; i < sizeof(old_names) / sizeof(*old_names); i++) {
        if (!mr_str_is(*module, old_names[i].module)) continue;
        if (old_names[i].name && !mr_str_is(*name, old_names[i].name)) continue;
        *module = mr_str_from(old_names[i].new_module);
        if (old_names[i].new_name) *name = mr_str_from(old_names[i].new_name);
        return;
    }
}

static bool is_known(struct mr_str module, struct mr_str name) {
    for (size_t i = 0; i < sizeof(packages) / sizeof(*packages); i++) {
        size_t size = strlen(packages[i]);
        if (!starts_with(module, packages[i])) continue;
        if (module.size == size || module.data[size] == '.') return true;
    }
    for (size_t i = 0; i < sizeof(known_names) / sizeof(*known_names); i++) {
        if (mr_str_is(module, known_names[i].module) && mr_str_is(name, known_names[i].name)) {
            return true;
        }
    }
    /* sklearn._loss._loss as scikit-learn 1.4 and 1.5 were compiled. */
    return mr_str_is(module, "_loss") &&
           (starts_with(name, "Cy") || starts_with(name, "__pyx_unpickle_Cy"));
}

mr_status mr_pickle_global(struct mr_unpickler *u, struct mr_str module, struct mr_str name,
                           struct mr_object **out) {
    if (u->protocol < 3) rename_global(&module, &name);
    if (!is_known(module, name)) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "it needs Python: it uses %.*s.%.*s",
                              MR_STR_ARGS(module), MR_STR_ARGS(name));
    }
    if (starts_with(module, "numpy.core.")) u->numpy_major = 1;
    if (starts_with(module, "numpy._core.")) u->numpy_major = 2;
    MR_TRY(mr_pickle_new(u, MR_OBJECT_GLOBAL, "", out));
    (*out)->module = module;
    (*out)->name = name;
    return MR_OK;
}

/* Instances --------------------------------------------------------------------------------- */

static mr_status new_instance(struct mr_unpickler *u, struct mr_str module, struct mr_str name,
                              const struct mr_object *args, struct mr_object **out) {
    MR_TRY(mr_pickle_new(u, MR_OBJECT_INSTANCE, "", out));
    (*out)->module = module;
    (*out)->name = name;
    (*out)->instance.args = args->list.n ? args : NULL;
    return MR_OK;
}

static mr_status fail_call(struct mr_unpickler *u, const struct mr_object *callable) {
    char type[200];
    return mr_pickle_fail(u, MR_E_FORMAT, "%s is called with other arguments than it takes",
                          mr_object_describe(callable, type, sizeof(type)));
}

mr_status mr_pickle_instance(struct mr_unpickler *u, const struct mr_object *class_,
                             const struct mr_object *args, struct mr_object **out) {
    if (class_->kind != MR_OBJECT_GLOBAL || args->kind != MR_OBJECT_TUPLE) {
        char type[200];
        return mr_pickle_fail(u, MR_E_FORMAT,
                              "an object of %s is no class, or its arguments are "
                              "no tuple",
                              mr_object_describe(class_, type, sizeof(type)));
    }
    return new_instance(u, class_->module, class_->name, args, out);
}

/* Argument i of a call, if it is of that kind; else NULL. */
static const struct mr_object *argument(const struct mr_object *args, size_t i,
                                        mr_object_kind kind) {
    return i < args->list.n && args->list.items[i]->kind == kind ? args->list.items[i] : NULL;
}

/* Calls ------------------------------------------------------------------------------------- */

/* An instance of the class that is the first argument: copyreg._reconstructor(class, object, None),
 * sklearn.neighbors._kd_tree.newObj(class), Cython's __pyx_unpickle_Name(class, checksum, state).
 */
static mr_status call_new(struct mr_unpickler *u, const struct mr_object *callable,
                          const struct mr_object *args, struct mr_object **out) {
    const struct mr_object *class_ = argument(args, 0, MR_OBJECT_GLOBAL);
    if (!class_) return fail_call(u, callable);
    const struct mr_object *kept = args;
    if (mr_str_is(callable->module, "copyreg")) {
        if (!mr_object_is(argument(args, 1, MR_OBJECT_GLOBAL), "builtins", "object") ||
            !argument(args, 2, MR_OBJECT_NONE)) {
            return mr_pickle_fail(u, MR_E_UNSUPPORTED,
                                  "only Python makes objects of %.*s.%.*s, which is not derived "
                                  "from object alone",
                                  MR_STR_ARGS(class_->module), MR_STR_ARGS(class_->name));
        }
        kept = u->empty_tuple;
    }
    return new_instance(u, class_->module, class_->name, kept, out);
}

/* numpy.core.multiarray._reconstruct(class, (0,), b"b"): the state comes later. */
static mr_status call_reconstruct(struct mr_unpickler *u, const struct mr_object *callable,
                                  const struct mr_object *args, struct mr_object **out) {
    const struct mr_object *class_ = argument(args, 0, MR_OBJECT_GLOBAL);
    if (!class_) return fail_call(u, callable);
    return new_instance(u, class_->module, class_->name, u->empty_tuple, out);
}

static mr_status call_scalar(struct mr_unpickler *u, const struct mr_object *callable,
                             const struct mr_object *args, struct mr_object **out) {
    (void)callable;
    return mr_pickle_scalar(u, args, out);
}

static mr_status call_from_buffer(struct mr_unpickler *u, const struct mr_object *callable,
                                  const struct mr_object *args, struct mr_object **out) {
    (void)callable;
    return mr_pickle_from_buffer(u, args, out);
}

/* set, frozenset, list, tuple of a list or tuple: protocols before 4 know no sets. */
static mr_status call_sequence(struct mr_unpickler *u, const struct mr_object *callable,
                               const struct mr_object *args, struct mr_object **out) {
    const struct mr_object *items = argument(args, 0, MR_OBJECT_LIST);
    if (!items) items = argument(args, 0, MR_OBJECT_TUPLE);
    if (args->list.n > 1 || (args->list.n == 1 && !items)) return fail_call(u, callable);
    mr_object_kind kind = mr_str_is(callable->name, "list")    ? MR_OBJECT_LIST
                          : mr_str_is(callable->name, "tuple") ? MR_OBJECT_TUPLE
                                                               : MR_OBJECT_SET;
    MR_TRY(mr_pickle_new(u, kind, "", out));
    (*out)->name = callable->name;
    if (!items) return MR_OK;
    return mr_pickle_append(u, &(*out)->list,
                            (struct mr_object *const *)(uintptr_t)items->list.items, items->list.n);
}

/* OrderedDict(), defaultdict(factory), dict(): what is in them comes later. */
static mr_status call_dict(struct mr_unpickler *u, const struct mr_object *callable,
                           const struct mr_object *args, struct mr_object **out) {
    size_t n_allowed = mr_str_is(callable->name, "defaultdict") ? 1 : 0;
    if (args->list.n > n_allowed) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python makes a dict from arguments");
    }
    MR_TRY(mr_pickle_new(u, MR_OBJECT_DICT, "", out));
    (*out)->module = callable->module;
    (*out)->name = callable->name;
    return MR_OK;
}

/* The bytes of a text's Latin-1; size 0 with data NULL when it has other characters. */
static mr_status encode_latin1(struct mr_unpickler *u, struct mr_str text, struct mr_str *out) {
    char *bytes = mr_pickle_alloc(u, text.size + 1, 1);
    if (!bytes) return mr_pickle_no_memory(u);
    size_t n = 0;
    for (size_t at = 0; at < text.size; n++) {
        unsigned code = mr_utf8_next(text.data, text.size, &at);
        if (code > 0xff) return mr_pickle_fail(u, MR_E_FORMAT, "a text is no Latin-1");
        bytes[n] = (char)code;
    }
    bytes[n] = '\0';
    *out = (struct mr_str){bytes, n};
    return MR_OK;
}

/* bytes(), bytearray(), bytearray(b""), bytearray("", "latin-1"), _codecs.encode("", "latin1"):
 * protocols before 3 know no bytes, those before 5 no bytearray. */
static mr_status call_bytes(struct mr_unpickler *u, const struct mr_object *callable,
                            const struct mr_object *args, struct mr_object **out) {
    const struct mr_object *bytes = argument(args, 0, MR_OBJECT_BYTES);
    const struct mr_object *text = argument(args, 0, MR_OBJECT_STR);
    const struct mr_object *codec = argument(args, 1, MR_OBJECT_STR);
    size_t n = args->list.n;
    bool is_latin1 = mr_object_is_str(codec, "latin1") || mr_object_is_str(codec, "latin-1");
    if (!(n == 0 || (n == 1 && bytes) || (n == 2 && text && is_latin1))) {
        return fail_call(u, callable);
    }
    MR_TRY(mr_pickle_new(u, MR_OBJECT_BYTES,
                         mr_str_is(callable->name, "bytearray") ? "bytearray" : "bytes", out));
    if (bytes) (*out)->text = bytes->text;
    return text ? encode_latin1(u, text->text, &(*out)->text)
           : n  ? MR_OK
                : encode_latin1(u, mr_str_from(""), &(*out)->text);
}

/* Random states and generators: scikit-learn draws from them in fit only. */
static mr_status call_random(struct mr_unpickler *u, const struct mr_object *callable,
                             const struct mr_object *args, struct mr_object **out) {
    (void)args;
    bool is_state = mr_str_is(callable->name, "__randomstate_ctor");
    const char *module = is_state ? "numpy.random.mtrand" : "numpy.random._generator";
    return new_instance(u, mr_str_from(module), mr_str_from(is_state ? "RandomState" : "Generator"),
                        u->empty_tuple, out);
}

static const struct {
    const char *module, *name;
    mr_status (*call)(struct mr_unpickler *u, const struct mr_object *callable,
                      const struct mr_object *args, struct mr_object **out);
} functions[] = {
    {"_codecs", "encode", call_bytes},
    {"builtins", "bytearray", call_bytes},
    {"builtins", "bytes", call_bytes},
    {"builtins", "dict", call_dict},
    {"builtins", "frozenset", call_sequence},
    {"builtins", "list", call_sequence},
    {"builtins", "set", call_sequence},
    {"builtins", "tuple", call_sequence},
    {"collections", "OrderedDict", call_dict},
    {"collections", "defaultdict", call_dict},
    {"copyreg", "_reconstructor", call_new},
    {"numpy._core.multiarray", "_reconstruct", call_reconstruct},
    {"numpy._core.multiarray", "scalar", call_scalar},
    {"numpy._core.numeric", "_frombuffer", call_from_buffer},
    {"numpy.core.multiarray", "_reconstruct", call_reconstruct},
    {"numpy.core.multiarray", "scalar", call_scalar},
    {"numpy.core.numeric", "_frombuffer", call_from_buffer},
    {"numpy.random._pickle", "__generator_ctor", call_random},
    {"numpy.random._pickle", "__randomstate_ctor", call_random},
};

mr_status mr_pickle_call(struct mr_unpickler *u, const struct mr_object *callable,
                         const struct mr_object *args, struct mr_object **out) {
    if (callable->kind != MR_OBJECT_GLOBAL || args->kind != MR_OBJECT_TUPLE) {
        char type[200];
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python calls an object of %s",
                              mr_object_describe(callable, type, sizeof(type)));
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (mr_object_is(callable, functions[i].module, functions[i].name)) {
            return functions[i].call(u, callable, args, out);
        }
    }
    if (starts_with(callable->name, "__pyx_unpickle_") || mr_str_is(callable->name, "newObj")) {
        return call_new(u, callable, args, out);
    }
    return new_instance(u, callable->module, callable->name, args, out);
}

/* State ------------------------------------------------------------------------------------- */

mr_status mr_pickle_build(struct mr_unpickler *u, struct mr_object *object,
                          const struct mr_object *state) {
    if (object->kind == MR_OBJECT_DICT && state->kind == MR_OBJECT_DICT && state->dict.n == 0) {
        return MR_OK; /* sklearn.utils.Bunch has no attributes of its own */
    }
    if (object->kind != MR_OBJECT_INSTANCE || object->instance.state) {
        char type[200];
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python sets the state of %s%s",
                              mr_object_describe(object, type, sizeof(type)),
                              object->kind == MR_OBJECT_INSTANCE ? " again" : "");
    }
    if (mr_object_is(object, "numpy", "ndarray")) return mr_pickle_build_array(u, object, state);
    object->instance.state = state;
    if (mr_object_is(object, "joblib.numpy_pickle", "NumpyArrayWrapper") && !u->is_nested) {
        return mr_pickle_read_joblib_array(u, object);
    }
    return MR_OK;
}
