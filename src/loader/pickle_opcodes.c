/* The opcodes of Lib/pickletools.py, each with what Lib/pickle.py's _Unpickler does for it. */
#include "base/number.h"
#include "loader/pickle_int.h"

#define MAX_PROTOCOL 5

/* Stack and memo ---------------------------------------------------------------------------- */

static mr_status op_mark(struct mr_unpickler *u, unsigned n) {
    (void)n;
    return mr_pickle_mark(u);
}

static mr_status op_pop(struct mr_unpickler *u, unsigned n) {
    struct mr_object **top;
    if (u->n_marks && u->marks[u->n_marks - 1] == u->n_stack) {
        u->n_marks--;
        return MR_OK;
    }
    return mr_pickle_pop(u, n, &top);
}

static mr_status op_pop_mark(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object **items;
    size_t n_items;
    return mr_pickle_pop_mark(u, &items, &n_items);
}

static mr_status op_dup(struct mr_unpickler *u, unsigned n) {
    struct mr_object **top;
    MR_TRY(mr_pickle_peek(u, n, &top));
    return mr_pickle_push(u, *top);
}

/* n_bytes: of the index; 0: a line of digits. */
static mr_status read_index(struct mr_unpickler *u, unsigned n_bytes, uint64_t *out) {
    if (n_bytes) return mr_pickle_read_uint(u, n_bytes, out);
    struct mr_str line;
    int64_t index;
    bool is_big = false;
    MR_TRY(mr_pickle_read_line(u, &line));
    if (!mr_int_parse(line, &index, &is_big) || is_big || index < 0) {
        return mr_pickle_fail(u, MR_E_FORMAT, "\"%.*s\" is no place of the memo",
                              MR_STR_ARGS(line));
    }
    *out = (uint64_t)index;
    return MR_OK;
}

static mr_status op_put(struct mr_unpickler *u, unsigned n) {
    uint64_t index;
    MR_TRY(read_index(u, n, &index));
    return mr_pickle_memo_put(u, index);
}

static mr_status op_get(struct mr_unpickler *u, unsigned n) {
    uint64_t index;
    MR_TRY(read_index(u, n, &index));
    return mr_pickle_memo_get(u, index);
}

static mr_status op_memoize(struct mr_unpickler *u, unsigned n) {
    (void)n;
    return mr_pickle_memo_put(u, u->n_memo);
}

/* Constants and numbers --------------------------------------------------------------------- */

static mr_status op_none(struct mr_unpickler *u, unsigned n) {
    (void)n;
    return mr_pickle_push(u, u->none);
}

static mr_status op_bool(struct mr_unpickler *u, unsigned n) {
    return mr_pickle_push(u, n ? u->true_ : u->false_);
}

static mr_status op_uint(struct mr_unpickler *u, unsigned n) {
    uint64_t value;
    struct mr_object *object;
    MR_TRY(mr_pickle_read_uint(u, n, &value));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_INT, "int", &object));
    object->integer = n == 4 ? (int32_t)(uint32_t)value : (int64_t)value; /* BININT has a sign */
    return mr_pickle_push(u, object);
}

static mr_status op_int_line(struct mr_unpickler *u, unsigned is_long) {
    struct mr_str line;
    struct mr_object *object;
    MR_TRY(mr_pickle_read_line(u, &line));
    if (!is_long && mr_str_is(line, "00")) return mr_pickle_push(u, u->false_);
    if (!is_long && mr_str_is(line, "01")) return mr_pickle_push(u, u->true_);
    if (is_long && line.size && line.data[line.size - 1] == 'L') line.size--;
    MR_TRY(mr_pickle_parse_int(u, line, &object));
    return mr_pickle_push(u, object);
}

static mr_status op_long(struct mr_unpickler *u, unsigned n) {
    uint64_t size;
    struct mr_str bytes;
    struct mr_object *object;
    MR_TRY(mr_pickle_read_uint(u, n, &size));
    if (size > INT32_MAX) return mr_pickle_fail(u, MR_E_FORMAT, "an integer has a negative length");
    MR_TRY(mr_pickle_read_bytes(u, size, &bytes));
    MR_TRY(mr_pickle_new_int(u, bytes, &object));
    return mr_pickle_push(u, object);
}

static mr_status op_float(struct mr_unpickler *u, unsigned n) {
    unsigned char bytes[8];
    uint64_t bits = 0;
    struct mr_object *object;
    MR_TRY(mr_stream_read(u->stream, bytes, n, u->err));
    for (size_t i = 0; i < 8; i++) bits = bits << 8 | bytes[i];
    MR_TRY(mr_pickle_new(u, MR_OBJECT_FLOAT, "float", &object));
    memcpy(&object->real, &bits, sizeof(bits));
    return mr_pickle_push(u, object);
}

static mr_status op_float_line(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_str line;
    struct mr_object *object;
    MR_TRY(mr_pickle_read_line(u, &line));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_FLOAT, "float", &object));
    if (!mr_float_parse(line, &object->real)) {
        return mr_pickle_fail(u, MR_E_FORMAT, "\"%.*s\" is no number", MR_STR_ARGS(line));
    }
    return mr_pickle_push(u, object);
}

/* Texts and bytes --------------------------------------------------------------------------- */

static mr_status read_sized(struct mr_unpickler *u, unsigned n, struct mr_str *out) {
    uint64_t size;
    MR_TRY(mr_pickle_read_uint(u, n, &size));
    return mr_pickle_read_bytes(u, size, out);
}

static mr_status op_unicode(struct mr_unpickler *u, unsigned n) {
    struct mr_str text;
    struct mr_object *object;
    MR_TRY(read_sized(u, n, &text));
    MR_TRY(mr_pickle_new_text(u, text, &object));
    return mr_pickle_push(u, object);
}

static mr_status op_unicode_line(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_str line;
    struct mr_object *object;
    MR_TRY(mr_pickle_read_line(u, &line));
    MR_TRY(mr_pickle_parse_unicode(u, line, &object));
    return mr_pickle_push(u, object);
}

/* Python 2's str: Python 3 takes it for ASCII. */
static mr_status push_ascii(struct mr_unpickler *u, struct mr_str text) {
    struct mr_object *object;
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < 0x80) continue;
        return mr_pickle_fail(u, MR_E_FORMAT, "a text of Python 2 is no ASCII");
    }
    MR_TRY(mr_pickle_new_text(u, text, &object));
    return mr_pickle_push(u, object);
}

static mr_status op_string(struct mr_unpickler *u, unsigned n) {
    struct mr_str text;
    MR_TRY(read_sized(u, n, &text));
    return push_ascii(u, text);
}

/* A literal in quotes. Escapes would need Python 2's rules; no pickler of today writes them. */
static mr_status op_string_line(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_str line;
    MR_TRY(mr_pickle_read_line(u, &line));
    char quote = line.size ? line.data[0] : '\0';
    if (line.size < 2 || (quote != '\'' && quote != '"') || line.data[line.size - 1] != quote) {
        return mr_pickle_fail(u, MR_E_FORMAT, "a text of Python 2 has no quotes");
    }
    if (memchr(line.data, '\\', line.size)) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python reads escapes of Python 2");
    }
    char *text = (char *)(uintptr_t)line.data + 1;
    text[line.size - 2] = '\0';
    return push_ascii(u, (struct mr_str){text, line.size - 2});
}

static mr_status push_bytes(struct mr_unpickler *u, unsigned n, const char *type) {
    struct mr_str bytes;
    struct mr_object *object;
    MR_TRY(read_sized(u, n, &bytes));
    MR_TRY(mr_pickle_new(u, MR_OBJECT_BYTES, type, &object));
    object->text = bytes;
    return mr_pickle_push(u, object);
}

static mr_status op_bytes(struct mr_unpickler *u, unsigned n) {
    return push_bytes(u, n, "bytes");
}

static mr_status op_bytearray(struct mr_unpickler *u, unsigned n) {
    return push_bytes(u, n, "bytearray");
}

/* Containers -------------------------------------------------------------------------------- */

static mr_status push_tuple(struct mr_unpickler *u, struct mr_object **items, size_t n) {
    struct mr_object *tuple;
    if (n == 0) return mr_pickle_push(u, u->empty_tuple);
    MR_TRY(mr_pickle_new(u, MR_OBJECT_TUPLE, "tuple", &tuple));
    const struct mr_object **copy = mr_pickle_alloc(u, n, sizeof(*copy));
    if (!copy) return mr_pickle_no_memory(u);
    for (size_t i = 0; i < n; i++) copy[i] = items[i];
    tuple->list = (struct mr_object_list){n, copy};
    return mr_pickle_push(u, tuple);
}

static mr_status op_tuple_of(struct mr_unpickler *u, unsigned n) {
    struct mr_object **items = NULL;
    MR_TRY(mr_pickle_pop(u, n, &items));
    return push_tuple(u, items, n);
}

static mr_status op_tuple(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object **items;
    size_t n_items;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    return push_tuple(u, items, n_items);
}

static mr_status op_empty(struct mr_unpickler *u, unsigned kind) {
    struct mr_object *object;
    const char *name = kind == MR_OBJECT_LIST ? "list" : kind == MR_OBJECT_SET ? "set" : "dict";
    MR_TRY(mr_pickle_new(u, (mr_object_kind)kind, name, &object));
    return mr_pickle_push(u, object);
}

/* LIST and FROZENSET. */
static mr_status op_list(struct mr_unpickler *u, unsigned kind) {
    struct mr_object **items, *object;
    size_t n_items;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    MR_TRY(mr_pickle_new(u, (mr_object_kind)kind, kind == MR_OBJECT_LIST ? "list" : "frozenset",
                         &object));
    MR_TRY(mr_pickle_append(u, &object->list, items, n_items));
    return mr_pickle_push(u, object);
}

static mr_status add_items(struct mr_unpickler *u, mr_object_kind kind, struct mr_object **items,
                           size_t n) {
    struct mr_object **target;
    MR_TRY(mr_pickle_peek(u, 1, &target));
    if ((*target)->kind == kind) return mr_pickle_append(u, &(*target)->list, items, n);
    char type[200];
    return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python adds items to an object of %s",
                          mr_object_describe(*target, type, sizeof(type)));
}

static mr_status op_append(struct mr_unpickler *u, unsigned kind) {
    struct mr_object **items;
    MR_TRY(mr_pickle_pop(u, 1, &items));
    return add_items(u, (mr_object_kind)kind, items, 1);
}

/* APPENDS and ADDITEMS. */
static mr_status op_appends(struct mr_unpickler *u, unsigned kind) {
    struct mr_object **items;
    size_t n_items;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    return add_items(u, (mr_object_kind)kind, items, n_items);
}

/* A new instance of a class that is given items is of a class derived from dict. */
static mr_status set_items(struct mr_unpickler *u, struct mr_object **items, size_t n_items) {
    struct mr_object **target;
    MR_TRY(mr_pickle_peek(u, 1, &target));
    if (n_items % 2) return mr_pickle_fail(u, MR_E_FORMAT, "a key of a dict has no value");
    struct mr_object *dict = *target;
    if (dict->kind == MR_OBJECT_INSTANCE && !dict->instance.args && !dict->instance.state) {
        dict->kind = MR_OBJECT_DICT;
        dict->dict = (struct mr_object_dict){0};
    }
    if (dict->kind == MR_OBJECT_DICT) {
        return mr_pickle_set_items(u, &dict->dict, items, n_items / 2);
    }
    char type[200];
    return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python sets items of an object of %s",
                          mr_object_describe(dict, type, sizeof(type)));
}

static mr_status op_set_item(struct mr_unpickler *u, unsigned n) {
    struct mr_object **items;
    MR_TRY(mr_pickle_pop(u, n, &items));
    return set_items(u, items, n);
}

static mr_status op_set_items(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object **items;
    size_t n_items;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    return set_items(u, items, n_items);
}

static mr_status op_dict(struct mr_unpickler *u, unsigned n) {
    struct mr_object **items, *dict;
    size_t n_items;
    (void)n;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    if (n_items % 2) return mr_pickle_fail(u, MR_E_FORMAT, "a key of a dict has no value");
    MR_TRY(mr_pickle_new(u, MR_OBJECT_DICT, "dict", &dict));
    MR_TRY(mr_pickle_set_items(u, &dict->dict, items, n_items / 2));
    return mr_pickle_push(u, dict);
}

/* Classes, calls, state --------------------------------------------------------------------- */

static mr_status read_global(struct mr_unpickler *u, struct mr_object **out) {
    struct mr_str module, name;
    MR_TRY(mr_pickle_read_line(u, &module));
    MR_TRY(mr_pickle_read_line(u, &name));
    return mr_pickle_global(u, module, name, out);
}

static mr_status op_global(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object *global;
    MR_TRY(read_global(u, &global));
    return mr_pickle_push(u, global);
}

static mr_status op_stack_global(struct mr_unpickler *u, unsigned n) {
    struct mr_object **names, *global;
    MR_TRY(mr_pickle_pop(u, n, &names));
    if (names[0]->kind != MR_OBJECT_STR || names[1]->kind != MR_OBJECT_STR) {
        return mr_pickle_fail(u, MR_E_FORMAT, "the name of a global is no text");
    }
    MR_TRY(mr_pickle_global(u, names[0]->text, names[1]->text, &global));
    return mr_pickle_push(u, global);
}

static mr_status op_reduce(struct mr_unpickler *u, unsigned n) {
    struct mr_object **operands, *object;
    MR_TRY(mr_pickle_pop(u, n, &operands));
    MR_TRY(mr_pickle_call(u, operands[0], operands[1], &object));
    return mr_pickle_push(u, object);
}

static mr_status op_newobj(struct mr_unpickler *u, unsigned n) {
    struct mr_object **operands, *object;
    MR_TRY(mr_pickle_pop(u, n, &operands));
    if (n == 3 && (operands[2]->kind != MR_OBJECT_DICT || operands[2]->dict.n)) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "only Python calls with named arguments");
    }
    MR_TRY(mr_pickle_instance(u, operands[0], operands[1], &object));
    return mr_pickle_push(u, object);
}

/* Calls a class with the objects above a mark (_instantiate of Lib/pickle.py). */
static mr_status instantiate(struct mr_unpickler *u, const struct mr_object *class_,
                             struct mr_object **items, size_t n_items) {
    struct mr_object **args, *object;
    MR_TRY(push_tuple(u, items, n_items));
    MR_TRY(mr_pickle_pop(u, 1, &args));
    if (n_items) {
        MR_TRY(mr_pickle_call(u, class_, *args, &object));
    } else {
        MR_TRY(mr_pickle_instance(u, class_, *args, &object));
    }
    return mr_pickle_push(u, object);
}

static mr_status op_inst(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object *class_, **items;
    size_t n_items;
    MR_TRY(read_global(u, &class_));
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    return instantiate(u, class_, items, n_items);
}

static mr_status op_obj(struct mr_unpickler *u, unsigned n) {
    (void)n;
    struct mr_object **items;
    size_t n_items;
    MR_TRY(mr_pickle_pop_mark(u, &items, &n_items));
    if (n_items == 0) return mr_pickle_fail(u, MR_E_FORMAT, "there is no class above the mark");
    /* push_tuple puts its result where the class lies. */
    const struct mr_object *class_ = items[0];
    return instantiate(u, class_, items + 1, n_items - 1);
}

static mr_status op_build(struct mr_unpickler *u, unsigned n) {
    struct mr_object **state, **target;
    MR_TRY(mr_pickle_pop(u, n, &state));
    MR_TRY(mr_pickle_peek(u, 1, &target));
    return mr_pickle_build(u, *target, *state);
}

/* Frame ------------------------------------------------------------------------------------- */

static mr_status op_proto(struct mr_unpickler *u, unsigned n) {
    uint64_t protocol;
    MR_TRY(mr_pickle_read_uint(u, n, &protocol));
    if (protocol > MAX_PROTOCOL) {
        return mr_pickle_fail(u, MR_E_UNSUPPORTED, "protocol %u is later than %d",
                              (unsigned)protocol, MAX_PROTOCOL);
    }
    u->protocol = (int)protocol;
    return MR_OK;
}

/* Frames only tell how much to read at once. */
static mr_status op_frame(struct mr_unpickler *u, unsigned n) {
    uint64_t size;
    MR_TRY(mr_pickle_read_uint(u, n, &size));
    if (size <= mr_stream_max_left(u->stream)) return MR_OK;
    return mr_pickle_fail(u, MR_E_FORMAT, "a frame of %llu bytes is longer than the file",
                          (unsigned long long)size);
}

static mr_status op_stop(struct mr_unpickler *u, unsigned n) {
    (void)n;
    u->is_stopped = true;
    return MR_OK;
}

static mr_status op_refused(struct mr_unpickler *u, unsigned reason) {
    static const char *const reasons[] = {
        "only Python knows persistent ids",
        "only Python has a registry of extensions",
        "buffers that lie outside of the file are missing",
    };
    return mr_pickle_fail(u, MR_E_UNSUPPORTED, "%s", reasons[reason]);
}

/* n: bytes of a size or number, objects taken from the stack, or what the handler says. */
static const struct {
    mr_status (*run)(struct mr_unpickler *u, unsigned n);
    unsigned n;
} opcodes[256] = {
    ['('] = {op_mark, 0},
    ['.'] = {op_stop, 0},
    ['0'] = {op_pop, 1},
    ['1'] = {op_pop_mark, 0},
    ['2'] = {op_dup, 1},
    ['F'] = {op_float_line, 0},
    ['G'] = {op_float, 8},
    ['I'] = {op_int_line, false},
    ['J'] = {op_uint, 4},
    ['K'] = {op_uint, 1},
    ['L'] = {op_int_line, true},
    ['M'] = {op_uint, 2},
    ['N'] = {op_none, 0},
    ['P'] = {op_refused, 0},
    ['Q'] = {op_refused, 0},
    ['R'] = {op_reduce, 2},
    ['S'] = {op_string_line, 0},
    ['T'] = {op_string, 4},
    ['U'] = {op_string, 1},
    ['V'] = {op_unicode_line, 0},
    ['X'] = {op_unicode, 4},
    ['a'] = {op_append, MR_OBJECT_LIST},
    ['b'] = {op_build, 1},
    ['c'] = {op_global, 0},
    ['d'] = {op_dict, 0},
    ['e'] = {op_appends, MR_OBJECT_LIST},
    ['g'] = {op_get, 0},
    ['h'] = {op_get, 1},
    ['i'] = {op_inst, 0},
    ['j'] = {op_get, 4},
    ['l'] = {op_list, MR_OBJECT_LIST},
    ['o'] = {op_obj, 0},
    ['p'] = {op_put, 0},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['s'] = {op_set_item, 2},
    ['t'] = {op_tuple, 0},
    ['u'] = {op_set_items, 0},
    [']'] = {op_empty, MR_OBJECT_LIST},
    ['}'] = {op_empty, MR_OBJECT_DICT},
    [')'] = {op_tuple_of, 0},
    ['B'] = {op_bytes, 4},
    ['C'] = {op_bytes, 1},
    [0x80] = {op_proto, 1},
    [0x81] = {op_newobj, 2},
    [0x82] = {op_refused, 1},
    [0x83] = {op_refused, 1},
    [0x84] = {op_refused, 1},
    [0x85] = {op_tuple_of, 1},
    [0x86] = {op_tuple_of, 2},
    [0x87] = {op_tuple_of, 3},
    [0x88] = {op_bool, true},
    [0x89] = {op_bool, false},
    [0x8a] = {op_long, 1},
    [0x8b] = {op_long, 4},
    [0x8c] = {op_unicode, 1},
    [0x8d] = {op_unicode, 8},
    [0x8e] = {op_bytes, 8},
    [0x8f] = {op_empty, MR_OBJECT_SET},
    [0x90] = {op_appends, MR_OBJECT_SET},
    [0x91] = {op_list, MR_OBJECT_SET},
    [0x92] = {op_newobj, 3},
    [0x93] = {op_stack_global, 2},
    [0x94] = {op_memoize, 0},
    [0x95] = {op_frame, 8},
    [0x96] = {op_bytearray, 8},
    [0x97] = {op_refused, 2},
    [0x98] = {op_refused, 2},
};

mr_status mr_pickle_run(struct mr_unpickler *u, struct mr_object **out) {
    MR_TRY(mr_pickle_init_stack(u));
    while (!u->is_stopped) {
        unsigned char code;
        u->opcode_at = mr_stream_offset(u->stream);
        MR_TRY(mr_stream_read(u->stream, &code, 1, u->err));
        if (!opcodes[code].run) {
            return mr_pickle_fail(u, MR_E_FORMAT, "0x%02x is no opcode", code);
        }
        MR_TRY(opcodes[code].run(u, opcodes[code].n));
    }
    struct mr_object **root;
    MR_TRY(mr_pickle_pop(u, 1, &root));
    *out = *root;
    return MR_OK;
}
