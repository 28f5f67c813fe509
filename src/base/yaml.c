#include "base/yaml.h"

#include <stdlib.h>
#include <yaml.h>

struct mr_yaml {
    yaml_document_t document;
    const char *name;
};

/* libyaml asks for a document that it could change. */
static const yaml_node_t *get(const struct mr_yaml *yaml, int node) {
    return node ? yaml_document_get_node((yaml_document_t *)&yaml->document, node) : NULL;
}

static struct mr_str scalar_text(const yaml_node_t *node) {
    return (struct mr_str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

/* YAML 1.1's spellings of null, unquoted only. */
static bool is_null(const yaml_node_t *node) {
    struct mr_str text = scalar_text(node);
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.size == 0 || mr_str_is(text, "null") || mr_str_is(text, "Null") ||
            mr_str_is(text, "NULL") || mr_str_is(text, "~"));
}

static mr_status fail_to_parse(const yaml_parser_t *parser, const char *name,
                               struct mr_error *err) {
    if (parser->error == YAML_MEMORY_ERROR) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    return mr_fail(err, MR_E_FORMAT, "%s line %zu: not YAML: %s", name,
                   parser->problem_mark.line + 1, parser->problem ? parser->problem : "?");
}

/* libyaml looks at all open brackets for each token, so that 100 KB of them would take it 10 s: the
 * text is gone through once to see that there are few at a time. */
static mr_status check_depth(struct mr_str text, const char *name, struct mr_error *err) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    mr_status status = MR_OK;
    yaml_event_type_t type = YAML_NO_EVENT;
    for (int depth = 0; status == MR_OK && type != YAML_STREAM_END_EVENT;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = fail_to_parse(&parser, name, err);
            break;
        }
        type = event.type;
        depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
        depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
        if (depth > MR_YAML_MAX_DEPTH) {
            status = mr_fail(err, MR_E_FORMAT, "%s line %zu: nested deeper than %d", name,
                             event.start_mark.line + 1, MR_YAML_MAX_DEPTH);
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

mr_status mr_yaml_parse(struct mr_str text, const char *name, struct mr_yaml **out,
                        struct mr_error *err) {
    MR_TRY(check_depth(text, name, err));
    yaml_parser_t parser;
    struct mr_yaml *yaml = calloc(1, sizeof(*yaml));
    if (!yaml || !yaml_parser_initialize(&parser)) {
        free(yaml);
        return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    }
    yaml->name = name;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    mr_status status = MR_OK;
    if (!yaml_parser_load(&parser, &yaml->document)) status = fail_to_parse(&parser, name, err);
    yaml_parser_delete(&parser);
    if (status != MR_OK) {
        free(yaml);
        return status;
    }
    const yaml_node_t *root = get(yaml, mr_yaml_root(yaml));
    if (!root || root->type != YAML_MAPPING_NODE) {
        mr_yaml_free(yaml);
        return mr_fail(err, MR_E_FORMAT, "%s: expected a YAML mapping at the top", name);
    }
    *out = yaml;
    return MR_OK;
}

void mr_yaml_free(struct mr_yaml *yaml) {
    if (yaml) yaml_document_delete(&yaml->document);
    free(yaml);
}

int mr_yaml_root(const struct mr_yaml *yaml) {
    return yaml->document.nodes.top > yaml->document.nodes.start ? 1 : 0;
}

int mr_yaml_child(const struct mr_yaml *yaml, int map, const char *key) {
    const yaml_node_t *node = get(yaml, map);
    if (!node || node->type != YAML_MAPPING_NODE) return 0;
    int found = 0;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = get(yaml, pair->key);
        if (!name || name->type != YAML_SCALAR_NODE) continue;
        if (mr_str_is(scalar_text(name), key)) found = pair->value;
    }
    return found;
}

bool mr_yaml_is_sequence(const struct mr_yaml *yaml, int node) {
    const yaml_node_t *at = get(yaml, node);
    return at && at->type == YAML_SEQUENCE_NODE;
}

size_t mr_yaml_size(const struct mr_yaml *yaml, int node) {
    const yaml_node_t *at = get(yaml, node);
    if (at && at->type == YAML_SEQUENCE_NODE) {
        return (size_t)(at->data.sequence.items.top - at->data.sequence.items.start);
    }
    if (!at || at->type != YAML_MAPPING_NODE) return 0;
    return (size_t)(at->data.mapping.pairs.top - at->data.mapping.pairs.start);
}

int mr_yaml_item(const struct mr_yaml *yaml, int node, size_t i) {
    const yaml_node_t *at = get(yaml, node);
    bool is_sequence = at->type == YAML_SEQUENCE_NODE;
    return is_sequence ? at->data.sequence.items.start[i] : at->data.mapping.pairs.start[i].value;
}

struct mr_str mr_yaml_key(const struct mr_yaml *yaml, int map, size_t i) {
    const yaml_node_t *at = get(yaml, map);
    if (at->type != YAML_MAPPING_NODE) return (struct mr_str){NULL, 0};
    const yaml_node_t *key = get(yaml, at->data.mapping.pairs.start[i].key);
    bool is_text = key && key->type == YAML_SCALAR_NODE;
    return is_text ? scalar_text(key) : (struct mr_str){NULL, 0};
}

size_t mr_yaml_line(const struct mr_yaml *yaml, int node) {
    const yaml_node_t *at = get(yaml, node);
    return at ? at->start_mark.line + 1 : 1;
}

mr_status mr_yaml_text(const struct mr_yaml *yaml, int map, const char *key, struct mr_arena *arena,
                       struct mr_str *out, struct mr_error *err) {
    *out = (struct mr_str){0};
    const yaml_node_t *node = get(yaml, mr_yaml_child(yaml, map, key));
    if (!node) return MR_OK;
    if (node->type != YAML_SCALAR_NODE) {
        return mr_fail(err, MR_E_FORMAT, "%s line %zu: \"%s\" is not a text", yaml->name,
                       node->start_mark.line + 1, key);
    }
    if (is_null(node)) return MR_OK;
    const char *copy = mr_arena_strdup(arena, scalar_text(node));
    if (!copy) return mr_arena_fail(arena, err);
    *out = (struct mr_str){copy, node->data.scalar.length};
    return MR_OK;
}
