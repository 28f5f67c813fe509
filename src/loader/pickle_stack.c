#include "loader/pickle_int.h"

mr_status mr_pickle_init_stack(struct mr_unpickler *u) {
    u->stack_capacity = 64;
    u->stack = mr_pickle_alloc(u, u->stack_capacity, sizeof(*u->stack));
    return u->stack ? MR_OK : mr_pickle_no_memory(u);
}

mr_status mr_pickle_push(struct mr_unpickler *u, struct mr_object *object) {
    if (u->n_stack == u->stack_capacity) {
        size_t capacity = u->stack_capacity * 2;
        void *grown = mr_pickle_grow(u, u->stack, u->stack_capacity, capacity, sizeof(*u->stack));
        if (!grown) return mr_pickle_no_memory(u);
        u->stack = grown;
        u->stack_capacity = capacity;
    }
    u->stack[u->n_stack++] = object;
    return MR_OK;
}

mr_status mr_pickle_peek(struct mr_unpickler *u, size_t n, struct mr_object ***out) {
    size_t floor = u->n_marks ? u->marks[u->n_marks - 1] : 0;
    *out = NULL;
    if (u->n_stack - floor < n) {
        return mr_pickle_fail(u, MR_E_FORMAT, "it takes %zu objects, the stack has %zu", n,
                              u->n_stack - floor);
    }
    *out = u->stack + u->n_stack - n;
    return MR_OK;
}

mr_status mr_pickle_pop(struct mr_unpickler *u, size_t n, struct mr_object ***out) {
    MR_TRY(mr_pickle_peek(u, n, out));
    u->n_stack -= n;
    return MR_OK;
}

mr_status mr_pickle_pop_mark(struct mr_unpickler *u, struct mr_object ***out, size_t *n) {
    *out = NULL;
    *n = 0;
    if (u->n_marks == 0) return mr_pickle_fail(u, MR_E_FORMAT, "there is no mark");
    size_t floor = u->marks[--u->n_marks];
    *n = u->n_stack - floor;
    u->n_stack = floor;
    *out = u->stack + floor;
    return MR_OK;
}

mr_status mr_pickle_mark(struct mr_unpickler *u) {
    if (u->n_marks == u->marks_capacity) {
        size_t capacity = u->marks_capacity ? u->marks_capacity * 2 : 16;
        void *grown = mr_pickle_grow(u, u->marks, u->marks_capacity, capacity, sizeof(*u->marks));
        if (!grown) return mr_pickle_no_memory(u);
        u->marks = grown;
        u->marks_capacity = capacity;
    }
    u->marks[u->n_marks++] = u->n_stack;
    return MR_OK;
}

/* Picklers count from 0, so that no honest index is larger than the number of bytes before it. */
mr_status mr_pickle_memo_put(struct mr_unpickler *u, uint64_t index) {
    struct mr_object **top;
    MR_TRY(mr_pickle_peek(u, 1, &top));
    if (index > u->opcode_at) {
        return mr_pickle_fail(u, MR_E_FORMAT, "memo %llu is too far from the last one",
                              (unsigned long long)index);
    }
    if (index >= u->memo_capacity) {
        size_t capacity = u->memo_capacity ? u->memo_capacity * 2 : 64;
        while (capacity <= index) capacity *= 2;
        void *grown = mr_pickle_grow(u, u->memo, u->memo_capacity, capacity, sizeof(*u->memo));
        if (!grown) return mr_pickle_no_memory(u);
        u->memo = grown;
        memset(&u->memo[u->memo_capacity], 0, (capacity - u->memo_capacity) * sizeof(*u->memo));
        u->memo_capacity = capacity;
    }
    u->n_memo += u->memo[index] == NULL;
    u->memo[index] = *top;
    return MR_OK;
}

mr_status mr_pickle_memo_get(struct mr_unpickler *u, uint64_t index) {
    if (index >= u->memo_capacity || !u->memo[index]) {
        return mr_pickle_fail(u, MR_E_FORMAT, "memo %llu is not set", (unsigned long long)index);
    }
    return mr_pickle_push(u, u->memo[index]);
}
