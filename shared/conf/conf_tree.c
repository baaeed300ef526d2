/*
 * libyaml's events become a small tree with positions.
 *
 * Everything that YAML can do and a configuration file should not is refused
 * here, with a position: anchors, aliases, tags, directives, a second
 * document, keys that are no text, keys that stand twice, depth over 16.  The
 * walk goes on after an error wherever the text can still be followed, so that
 * one run shows all of them.  libyaml's own errors end the walk; what was read
 * before is kept and checked.
 */
#include "conf_internal.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct walk {
	struct conf_run *run;
	struct conf_node *root;
	struct conf_node *stack[CONF_DEPTH_MAX];
	unsigned depth;
	/* The key that waits for its value, of each level. */
	char *key[CONF_DEPTH_MAX];
	struct conf_pos key_at[CONF_DEPTH_MAX];
	bool bad_key[CONF_DEPTH_MAX]; /* the next value is thrown away */
	unsigned skip;                /* depth inside something that is thrown away */
	unsigned documents;
};

static unsigned
line_of(const yaml_mark_t *m)
{
	return (unsigned)m->line + 1;
}

static struct conf_pos
at_of(const struct walk *w, const yaml_mark_t *m)
{
	return (struct conf_pos){ w->run->file, line_of(m), (unsigned)m->column + 1 };
}

void
conf_tree_free(struct conf_node *n)
{
	struct conf_node *next;

	for (; n != NULL; n = next) {
		next = n->next;
		conf_tree_free(n->child); /* at most CONF_DEPTH_MAX deep */
		free(n->key);
		free(n->text);
		free(n);
	}
}

void
conf_node_append(struct conf_node *to, struct conf_node *n)
{
	if (to->last == NULL)
		to->child = n;
	else
		to->last->next = n;
	to->last = n;
	to->n++;
}

static struct conf_node *
node_new(struct walk *w, enum conf_kind kind, const yaml_mark_t *at)
{
	struct conf_node *n;

	if (w->run->nodes >= CONF_NODES_MAX) {
		conf_error(w->run, at_of(w, at),
		    "too many values: a configuration file holds at most %u", CONF_NODES_MAX);
		w->run->broken = true;
		return NULL;
	}
	if ((n = calloc(1, sizeof(*n))) == NULL) {
		w->run->no_memory = true;
		return NULL;
	}
	w->run->nodes++;
	n->kind = kind;
	n->at = at_of(w, at);
	return n;
}

static bool
key_known(const struct conf_node *map, const char *key, unsigned *line)
{
	for (const struct conf_node *c = map->child; c != NULL; c = c->next) {
		if (strcmp(c->key, key) == 0) {
			*line = c->key_at.line;
			return true;
		}
	}
	return false;
}

/* Hangs n into the innermost collection, or makes it the root.  Takes n. */
static void
attach(struct walk *w, struct conf_node *n)
{
	struct conf_node *top;
	unsigned level;

	if (w->depth == 0) {
		conf_tree_free(w->root);
		w->root = n;
		return;
	}
	level = w->depth - 1;
	top = w->stack[level];
	if (top->kind == CONF_MAPPING) {
		n->key = w->key[level];
		n->key_at = w->key_at[level];
		w->key[level] = NULL;
	}
	conf_node_append(top, n);
}

/* A scalar where a mapping's key belongs. */
static void
take_key(struct walk *w, const char *key, const yaml_mark_t *at)
{
	const unsigned level = w->depth - 1;
	struct conf_node *top = w->stack[level];
	char got[80];
	unsigned line;

	w->bad_key[level] = true;
	conf_quote_got(key, got, sizeof(got));
	if (key_known(top, key, &line)) {
		conf_error(w->run, at_of(w, at),
		    "key %s stands twice, first on line %u; remove one of the two", got, line);
		return;
	}
	if (top->n >= CONF_MAP_KEYS_MAX) {
		conf_error(
		    w->run, at_of(w, at), "more than %u keys in one section", CONF_MAP_KEYS_MAX);
		w->run->broken = true;
		return;
	}
	if ((w->key[level] = strdup(key)) == NULL) {
		w->run->no_memory = true;
		return;
	}
	w->key_at[level] = at_of(w, at);
	w->bad_key[level] = false;
}

/* True when the next node is a key of the innermost mapping. */
static bool
wants_key(const struct walk *w)
{
	return w->depth > 0 && w->stack[w->depth - 1]->kind == CONF_MAPPING &&
	       w->key[w->depth - 1] == NULL && !w->bad_key[w->depth - 1];
}

/* True when the next node is the value of a key that was refused; clears the mark. */
static bool
throws_away(struct walk *w)
{
	bool *bad = w->depth > 0 ? &w->bad_key[w->depth - 1] : NULL;

	if (bad == NULL || !*bad)
		return false;
	*bad = false;
	return true;
}

static void
refuse_features(
    struct walk *w, const yaml_char_t *anchor, const yaml_char_t *tag, const yaml_mark_t *at)
{
	if (anchor != NULL)
		conf_error(
		    w->run, at_of(w, at), "anchors (&name) are not supported; write the value out");
	if (tag != NULL)
		conf_error(w->run, at_of(w, at),
		    "tags (!name) are not supported; types follow from the keys");
}

static void
on_scalar(struct walk *w, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	struct conf_node *n;

	refuse_features(w, e->data.scalar.anchor, e->data.scalar.tag, &e->start_mark);
	if (strlen(text) != e->data.scalar.length) {
		conf_error(w->run, at_of(w, &e->start_mark),
		    "a NUL character (\\0) is not allowed in text");
	}
	if (wants_key(w)) {
		take_key(w, text, &e->start_mark);
		return;
	}
	if (throws_away(w))
		return;
	if ((n = node_new(w, CONF_SCALAR, &e->start_mark)) == NULL)
		return;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if ((n->text = strdup(text)) == NULL) {
		w->run->no_memory = true;
		conf_tree_free(n);
		return;
	}
	attach(w, n);
}

/* Refused; the value counts as present, so that the key is not called missing as well. */
static void
on_alias(struct walk *w, const yaml_event_t *e)
{
	struct conf_node *n;

	conf_error(w->run, at_of(w, &e->start_mark),
	    "aliases (*name) are not supported; write the value out");
	if (wants_key(w)) {
		w->bad_key[w->depth - 1] = true;
		return;
	}
	if (!throws_away(w) && (n = node_new(w, CONF_REFUSED, &e->start_mark)) != NULL)
		attach(w, n);
}

static void
on_open(struct walk *w, enum conf_kind kind, const yaml_event_t *e)
{
	const bool as_key = wants_key(w);
	struct conf_node *n;

	if (kind == CONF_MAPPING)
		refuse_features(
		    w, e->data.mapping_start.anchor, e->data.mapping_start.tag, &e->start_mark);
	else
		refuse_features(
		    w, e->data.sequence_start.anchor, e->data.sequence_start.tag, &e->start_mark);
	if (as_key) {
		conf_error(w->run, at_of(w, &e->start_mark),
		    "a key must be a word, not a list or a section");
		w->bad_key[w->depth - 1] = true;
		w->skip = 1;
		return;
	}
	if (throws_away(w)) {
		w->skip = 1;
		return;
	}
	if (w->depth == CONF_DEPTH_MAX) {
		conf_error(w->run, at_of(w, &e->start_mark), "nested deeper than %u levels",
		    CONF_DEPTH_MAX);
		w->run->broken = true;
		return;
	}
	if ((n = node_new(w, kind, &e->start_mark)) == NULL)
		return;
	attach(w, n);
	w->stack[w->depth] = n;
	w->key[w->depth] = NULL;
	w->bad_key[w->depth] = false;
	w->depth++;
}

/* Inside something that is thrown away only the nesting counts. */
static void
on_skipped(struct walk *w, const yaml_event_t *e)
{
	if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT)
		w->skip++;
	else if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT)
		w->skip--;
	if (w->skip > CONF_DEPTH_MAX) {
		conf_error(w->run, at_of(w, &e->start_mark), "nested deeper than %u levels",
		    CONF_DEPTH_MAX);
		w->run->broken = true;
	}
}

static void
on_document(struct walk *w, const yaml_event_t *e)
{
	if (++w->documents > 1) {
		conf_error(w->run, at_of(w, &e->start_mark),
		    "a second document (---) begins; a configuration file has one");
		w->run->broken = true;
		return;
	}
	if (e->data.document_start.tag_directives.start !=
	    e->data.document_start.tag_directives.end)
		conf_error(w->run, at_of(w, &e->start_mark), "%%TAG directives are not supported");
}

static void
on_event(struct walk *w, const yaml_event_t *e)
{
	if (w->skip > 0) {
		on_skipped(w, e);
		return;
	}
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document(w, e);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(w, e);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(w, e);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_open(w, CONF_SEQUENCE, e);
		break;
	case YAML_MAPPING_START_EVENT:
		on_open(w, CONF_MAPPING, e);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		w->depth--;
		break;
	default:
		break; /* starts and ends of the stream and the document */
	}
}

/* Where a byte offset lies; libyaml gives no mark for bytes that are no text. */
static void
locate(const char *text, size_t len, size_t offset, struct conf_pos *at)
{
	at->line = at->col = 1;
	for (size_t i = 0; i < offset && i < len; i++) {
		if (text[i] == '\n') {
			at->line++;
			at->col = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			at->col++;
		}
	}
}

static void
on_parser_error(struct walk *w, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *problem = p->problem != NULL ? p->problem : "unreadable";
	struct conf_pos at = { .file = w->run->file };

	w->run->broken = true;
	if (p->error == YAML_MEMORY_ERROR) {
		w->run->no_memory = true;
		return;
	}
	if (p->error == YAML_READER_ERROR) {
		locate(text, len, p->problem_offset, &at);
		conf_error(w->run, at, "not text in UTF-8: %s", problem);
		return;
	}
	if (p->context != NULL)
		conf_error(w->run, at_of(w, &p->problem_mark),
		    "not valid YAML: %s (%s that began on line %u)", problem, p->context,
		    line_of(&p->context_mark));
	else
		conf_error(w->run, at_of(w, &p->problem_mark), "not valid YAML: %s", problem);
}

struct conf_node *
conf_tree_read(struct conf_run *run, const char *text, size_t len)
{
	static const char bom[] = { '\xef', '\xbb', '\xbf' };
	struct walk w = { .run = run };
	yaml_parser_t parser;
	yaml_event_t e;
	bool done = false;

	if (len >= sizeof(bom) && memcmp(text, bom, sizeof(bom)) == 0) {
		text += sizeof(bom);
		len -= sizeof(bom);
	}
	if (!yaml_parser_initialize(&parser)) {
		run->no_memory = true;
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!done && !run->broken && !run->no_memory) {
		if (!yaml_parser_parse(&parser, &e)) {
			on_parser_error(&w, &parser, text, len);
			break;
		}
		done = e.type == YAML_STREAM_END_EVENT;
		on_event(&w, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&parser);
	for (unsigned i = 0; i < CONF_DEPTH_MAX; i++)
		free(w.key[i]);
	return w.root;
}
