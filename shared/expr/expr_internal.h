/*
 * What the files of this folder share: tokens, the tree, the program.
 *
 * One compile is lex + parse (a tree), check (types and names), emit (code);
 * each stops at its first mistake, which stands in expr_compile.error.  Spans
 * are bytes of the source, which is at most BL_EXPR_TEXT_MAX long.
 */
#ifndef EXPR_INTERNAL_H
#define EXPR_INTERNAL_H

#include "branchline/clock.h"
#include "branchline/expr.h"

#define EXPR_NODES_MAX 1024u /* more nodes than BL_EXPR_CODE_MAX instructions can come from */
#define EXPR_ARGS_MAX  16u
#define EXPR_NONE      UINT16_MAX

/* Static types: enum bl_value_type, and this one for what is known only at run time. */
#define EXPR_ANY       6u
#define EXPR_BIT(type) (1u << (type))
#define EXPR_VALUES                                                                                \
	(EXPR_BIT(BL_VALUE_BOOL) | EXPR_BIT(BL_VALUE_NUMBER) | EXPR_BIT(BL_VALUE_TEXT) |           \
	    EXPR_BIT(BL_VALUE_TIME) | EXPR_BIT(BL_VALUE_DURATION))

struct expr_span {
	uint16_t at, len;
};

/* A value while it is computed. */
struct expr_cell {
	union {
		double number;
		int64_t ms; /* TIME, DURATION; BOOL: 0 or 1 */
		const char *text;
	};
	size_t len;   /* TEXT */
	uint8_t type; /* enum bl_value_type */
	bool lower;   /* TEXT: to be read in lower case (lower() has no room for a copy) */
};

/* ---- characters (expr_chars.c) ---- */

/* Bytes of the character at s, and what it is; 0: no UTF-8 (or len is 0). */
size_t expr_utf8(const char *s, size_t len, uint32_t *cp);
size_t expr_utf8_put(char out[4], uint32_t cp);
size_t expr_chars(const char *s, size_t len); /* how many */
bool expr_is_letter(uint32_t cp);             /* may begin a name */
bool expr_is_name_char(uint32_t cp);          /* may go on with one (digits too) */
/* Full-width forms, quotes and signs as Chinese input methods type them, in ASCII. */
uint32_t expr_plain(uint32_t cp);
uint32_t expr_lower(uint32_t cp);

/* ---- text (expr_text.c): each side may be one to be read in lower case ---- */

int expr_text_compare(const struct expr_cell *a, const struct expr_cell *b);
bool expr_text_contains(const struct expr_cell *a, const struct expr_cell *part);
bool expr_text_starts(const struct expr_cell *a, const struct expr_cell *part);
/* Plain ASCII words, letters of either case alike. */
bool expr_word_is(const char *s, size_t len, const char *word);

/* ---- tokens ---- */

enum expr_tok {
	TOK_END,
	TOK_NUMBER,
	TOK_DURATION,
	TOK_TEXT,
	TOK_NAME,
	TOK_QUOTED, /* [name] */
	TOK_TRUE,
	TOK_FALSE,
	TOK_NULL,
	TOK_AND,
	TOK_OR,
	TOK_NOT,
	TOK_EQ,
	TOK_NE,
	TOK_LT,
	TOK_LE,
	TOK_GT,
	TOK_GE,
	TOK_PLUS,
	TOK_MINUS,
	TOK_STAR,
	TOK_SLASH,
	TOK_PERCENT,
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_COMMA,
};

struct expr_token {
	enum expr_tok kind;
	struct expr_span span;
	struct expr_span name;  /* NAME, QUOTED: without the brackets */
	struct expr_cell value; /* NUMBER, DURATION, TEXT */
};

/* ---- the tree ---- */

enum expr_kind {
	NODE_CONST,
	NODE_NAME,
	NODE_NOT,
	NODE_NEG,
	NODE_AND,
	NODE_OR,
	NODE_COMPARE,
	NODE_ARITH,
	NODE_CALL
};

/* A comparison is the set of outcomes for which it holds. */
enum expr_compare { CMP_LESS = 1, CMP_SAME = 2, CMP_MORE = 4 };

struct expr_node {
	uint8_t kind;               /* enum expr_kind */
	uint8_t op;                 /* COMPARE: set of enum expr_compare; ARITH: enum expr_op */
	uint8_t type;               /* after the check */
	bool lower;                 /* may be a text to be read in lower case */
	uint16_t first, last, next; /* children, sibling; EXPR_NONE: none */
	uint16_t n;                 /* children */
	uint16_t slot;              /* NAME, after the check */
	struct expr_span span;
	struct expr_span word;  /* the name, the operator, the function */
	struct expr_cell value; /* CONST */
	const struct expr_func *func;
};

/* ---- the program ---- */

/*
 * Every jump goes forward, so a program ends after at most its length.  In the
 * order in which evaluation tells them apart: control, one value, two values.
 */
enum expr_op {
	OP_END,
	OP_CONST,   /* push constant a */
	OP_LOAD,    /* push slot a; null unless it is of type arg (0: any) */
	OP_COMPARE, /* two -> truth; arg: set of enum expr_compare */
	/* Slot a compared with constant b; most conditions are made of these. */
	OP_TEST,          /* push */
	OP_TEST_AND_THEN, /* push; false: jump to c */
	OP_TEST_OR_ELSE,  /* push; true: jump to c */
	OP_TEST_AND,      /* combined with the top; false: jump to c */
	OP_TEST_OR,       /* combined with the top; true: jump to c */
	OP_AND_THEN,      /* top to a truth; false: jump to c */
	OP_OR_ELSE,       /* top to a truth; true: jump to c */
	OP_AND,           /* two -> one; false: jump to c */
	OP_OR,            /* two -> one; true: jump to c */
	OP_NOT,
	OP_IF,       /* pop; false: jump to c; unknown: push null, jump to b */
	OP_JUMP,     /* to c */
	OP_COALESCE, /* not null on top: jump to c; else pop */
	OP_NOW,

	OP_NEG,
	OP_ROUND,
	OP_ABS,
	OP_LEN,
	OP_LOWER,
	OP_IS_NULL,
	OP_AGE,
	OP_TIME,

	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_MIN,
	OP_MAX,
	OP_ROUND_TO,
	OP_CONTAINS,
	OP_STARTS,
};
#define OP_FIRST_OF_TWO OP_ADD

struct expr_insn {
	uint8_t op, arg;
	uint16_t a, b, c;
};

/* One allocation: this, constants, code, then names and texts as bytes. */
struct bl_expr {
	const struct expr_cell *consts;
	const struct expr_insn *code;
	const char *names[BL_EXPR_NAMES_MAX];
	size_t n_names;
	uint8_t want; /* enum bl_value_type; NULL: any */
};

/* ---- functions (expr_func.c) ---- */

#define EXPR_JOINED  7u /* result: the type that the arguments have in common */
#define EXPR_NO_JOIN 255u

struct expr_func {
	const char *name;
	const char *usage;
	uint8_t op;
	uint8_t min, max;    /* arguments */
	uint8_t first, rest; /* types allowed, as EXPR_BITs; BL_VALUE_NULL: also the word null */
	uint8_t join_from;   /* arguments from here on must be of one type */
	uint8_t result;
};

const struct expr_func *expr_func_find(const char *name, size_t len);
const struct expr_func *expr_func_at(size_t i); /* NULL: no more */

/* ---- one compile ---- */

struct expr_compile {
	const char *text;
	size_t len, pos;
	const struct bl_expr_scope *scope;
	enum bl_value_type want;
	struct expr_token tok, prev;
	unsigned depth;

	struct expr_node *nodes;
	size_t n_nodes, max_nodes;
	char *pool; /* the texts, without escapes; as long as the source */
	size_t pool_len;

	struct expr_span name[BL_EXPR_NAMES_MAX];
	size_t n_names;
	struct expr_cell consts[BL_EXPR_CONSTS_MAX];
	size_t n_consts;
	struct expr_insn code[BL_EXPR_CODE_MAX];
	size_t n_code;
	unsigned height; /* of the stack, at the instruction being emitted */

	bool failed;
	struct bl_expr_error error;
};

/* The next token into c->tok, the one before into c->prev.  False: c->error. */
bool expr_advance(struct expr_compile *c);
/* Its parts that read values; c->pos stands at the first character. */
bool expr_lex_number(struct expr_compile *c);
bool expr_lex_text(struct expr_compile *c);
/* What a text would be if it stood there without quotes: NUMBER, DURATION or END (nothing). */
enum expr_tok expr_lex_what(const char *s, size_t len);

uint16_t expr_parse(struct expr_compile *c); /* the root; EXPR_NONE: failed */
bool expr_check(struct expr_compile *c, uint16_t root);
bool expr_emit(struct expr_compile *c, uint16_t root);

/* ---- mistakes (expr_error.c, expr_slip.c, expr_near.c) ---- */

/* Keeps the first; always false. */
bool expr_fail(struct expr_compile *c, struct expr_span at, const char *expected, const char *got);
/* The same, got being the piece of source itself in quotes ("the end" when it is empty). */
bool expr_fail_source(struct expr_compile *c, struct expr_span at, const char *expected);
/* Proposes something for the mistake just made. */
void expr_suggest(struct expr_compile *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A printf argument pair "%.*s" of a span. */
#define EXPR_SPAN(c, s) (int)(s).len, (c)->text + (s).at
const char *expr_type_name(unsigned type); /* "a number" */

/* Whether word is one or two slips away from what was typed, and how many. */
bool expr_near(const char *typed, size_t len, const char *word, unsigned *distance);

/* Proposals; each is called right after the failure that it is for. */
void expr_slip_name(struct expr_compile *c, struct expr_span name, bool may_be_text);
void expr_slip_function(struct expr_compile *c, struct expr_span name);
void expr_slip_before(struct expr_compile *c); /* no value behind an operator, at c->tok */
void expr_slip_after(struct expr_compile *c);  /* what may stand behind a value, at c->tok */
void expr_slip_type(struct expr_compile *c, const struct expr_node *n, unsigned wanted);
/* "minutes" behind a number: the number with the unit as it is written.  False: no unit. */
bool expr_slip_unit(struct expr_compile *c, double number, const char *word, size_t len);
/* "1,000": digits, comma, three digits without a space; b is where the comma stands. */
bool expr_slip_thousands(struct expr_compile *c, size_t comma);

#endif
