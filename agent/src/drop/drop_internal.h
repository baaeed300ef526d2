/*
 * What the files of agent/src/drop share.
 *
 *   drop.c        the inlet: folders in turn
 *   drop_look.c   a folder's entries: what is complete
 *   drop_file.c   one file: from its opening until it is put away
 *   drop_send.c   its rows, reports on their way, how far it is done
 *   drop_text.c   bytes that are not UTF-8
 *   drop_rows.c   values of a row's fields
 *   drop_state.c  how far a file is done, over a restart
 *   drop_bad.c    lines that were not taken
 *   drop_tidy.c   done/ and bad/ kept small
 *   drop_try.c    what a file would become
 */
#ifndef DROP_INTERNAL_H
#define DROP_INTERNAL_H

#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>

#include "branchline/charset.h"
#include "branchline/rowmap.h"

#include "drop.h"
#include "drop_csv.h"
#include "inlet_keep.h"
#include "sample_log.h"

#define DROP_BUFFER       (32u * 1024u) /* two records at least */
#define DROP_LANES        8u            /* files of a folder in work at a time */
#define DROP_FLIGHT       64u           /* rows whose reports are not yet answered */
#define DROP_CANDIDATES   2048u         /* files of a folder that are remembered at a time */
#define DROP_ANCHOR       64u           /* bytes by which a place is known again */
#define DROP_HEAD         4096u         /* the same for a file */
#define DROP_TURN_ENTRIES 256u          /* of a folder, looked at in a turn */
#define DROP_TURN_ROWS    128u
#define DROP_TURN_MS      5
#define DROP_SAVE_MS      1000            /* progress is written so often at most */
#define DROP_RETRY_MS     5000            /* after a report that was not stored */
#define DROP_BAD_MAX      (1024u * 1024u) /* bytes of bad/NAME.bad */
#define DROP_WARN_MS      3600000         /* one log line an hour and folder */
#define DROP_KEPT         4096u           /* files in done/ and bad/ each */
#define DROP_AGES         64u             /* told apart in a pass through them */

enum drop_counter {
	DROP_N_ACCEPTED,
	DROP_N_REPEATED,
	DROP_N_FILES,
	DROP_N_OTHER_ROWS, /* no mapping is for them */
	DROP_N_BAD_LINES,
	DROP_N_BAD_FILES,
	DROP_N_NOT_STORED,
	DROP_N_UNREADABLE, /* looks at a folder, or reads of a file, that failed */
	DROP_COUNTERS
};

enum drop_warning { DROP_WARN_FOLDER, DROP_WARN_FILE, DROP_WARN_LINES, DROP_WARNINGS };

/* A file as it was when it was seen. */
struct drop_seen {
	char *name; /* owned */
	uint64_t dev, ino;
	int64_t size, mtime_ns;
	int64_t since_mono_ms; /* unchanged since */
	unsigned look;         /* of the last look that found it */
};

/* How far a file is done. */
struct drop_place {
	uint64_t identity; /* of the file; in the ids of its rows */
	uint64_t dev, ino;
	uint64_t born;   /* when it was made, where the file system tells */
	uint64_t size;   /* when it was begun */
	uint64_t head;   /* hash of its first bytes, of those that it had then */
	uint64_t offset; /* all before it is on disk, or in bad/ */
	uint64_t anchor; /* hash of what stands right before it */
	uint64_t line;   /* that begins there, from 1 */
	uint64_t rest;   /* 1: what follows up to the next line break belongs to a line not taken */
	uint64_t bad_bytes, bad_lines;
};

/* ---- rows ---- */

struct drop_map {
	struct bl_rowmap *map;
	unsigned n;
	int column[BL_ROWMAP_FIELDS_MAX]; /* of a CSV file */
};

struct drop_rows {
	const struct drop_folder_conf *conf;
	unsigned n_maps;
	struct drop_map map[DROP_REPORTS_MAX];
	unsigned n_columns; /* 0: not known yet */
	char separator;
	json_t *json; /* of the row that was read last; owned */
	char number[BL_ROWMAP_FIELDS_MAX][32];
	struct bl_rowmap_value value[BL_ROWMAP_FIELDS_MAX];
};

int drop_rows_open(struct drop_rows *r, const struct drop_folder_conf *conf, struct bl_err *err);
void drop_rows_close(struct drop_rows *r);
/* A file begins; *header: its first row names the columns. */
int drop_rows_begin(struct drop_rows *r, bool *header, struct bl_err *err);
/* The columns' names.  BL_EINVAL: one is not there, or stands twice. */
int drop_rows_header(struct drop_rows *r, const struct drop_csv_row *row, struct bl_err *err);
/* A row is looked at; good until the next one.  BL_EINVAL: it is none. */
int drop_rows_take(struct drop_rows *r, const struct drop_csv_row *row, struct bl_err *err);
/* What map k makes of it. */
int drop_rows_apply(struct drop_rows *r, unsigned k, const struct drop_csv_row *row,
    struct bl_str id, int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err);

/* ---- state ---- */

/* FNV-1a, begun with DROP_HASH. */
#define DROP_HASH 14695981039346656037ull
uint64_t drop_hash(uint64_t h, const void *p, size_t len);

/* The file in work of a folder, if one was; from PATH, or what a power cut left of it
 * (inlet_keep.h). False: none, or it cannot be read. */
bool drop_state_load(const char *path, struct drop_place *out);
int drop_state_save(const char *path, const struct drop_place *at, struct bl_err *err);

/* ---- lines that were not taken ---- */

struct drop_bad {
	const struct drop_told *told; /* of a file that is tried: nothing is written */
	unsigned mode;                /* of the file: who may read what is dropped may read this */
	int fd;                       /* -1: not open */
	char name[NAME_MAX + 1];      /* in bad/ */
	uint64_t bytes, lines;        /* in it */
	bool full;
};

/*
 * A folder in the folder, opened; one that is made has its rights.  Negative: errno.  Never through
 * a link: who may write to the folder could lead the agent into its own state with one.
 */
int drop_sub_open(int folder, const char *name);
/* Makes room for what comes behind at->bad_bytes; opens nothing yet. */
void drop_bad_begin(struct drop_bad *b, const struct drop_place *at);
/* All that comes before at->bad_bytes is; it may be open now. */
bool drop_bad_is_there(struct drop_bad *b, int folder, const char *file, uint64_t identity);
/* Appends a line with its reason. */
int drop_bad_put(struct drop_bad *b, int folder, const char *file, uint64_t identity, uint64_t line,
    const char *why, struct bl_str text, struct bl_err *err);
void drop_bad_close(struct drop_bad *b);

/* ---- text that is not UTF-8 ---- */

struct drop_text {
	enum bl_charset is;
	size_t mark;                  /* bytes of a byte order mark */
	struct bl_charset_conv *conv; /* NULL: the text is what the file holds.  Else: */
	char *raw;                    /* owned: bytes of the file; */
	size_t from, used, len;       /* from..used are the text, used..len are not yet converted */
};

struct drop_file;
struct drop_lane;

/* BL_EUNSUPPORTED, BL_ENOMEM; to be closed also then. */
int drop_text_open(struct drop_text *t, int fd, enum bl_charset encoding, struct bl_err *err);
void drop_text_close(struct drop_text *t);
void drop_text_empty(struct drop_file *file);
/* What was passed makes room. */
void drop_text_make_room(struct drop_file *file);
/* For bytes of the file, and of those how many are there and not passed. */
size_t drop_text_room(struct drop_file *file, char **to);
size_t drop_text_read(const struct drop_file *file);
void drop_text_add(struct drop_file *file, size_t n);
/* True: more of its text is there.  end: nothing comes behind it. */
bool drop_text_convert(struct drop_file *file, bool end);
/* So much text is dealt with, with so many line breaks. */
void drop_text_pass(struct drop_file *file, size_t used, unsigned lines);
/* The next `used` are not of its encoding: why; NULL: they are. */
const char *drop_text_wrong(
    const struct drop_file *file, size_t used, unsigned lines, char *why, size_t size);

/* ---- a file in work ---- */

struct drop_flight {
	struct drop_place behind; /* when this row and all before it are done */
	unsigned left;            /* answers to come */
	unsigned reports;         /* that it has made */
	bool sent;                /* all of them */
	bool bad;
};

struct drop_file {
	bool open;
	bool refused; /* goes to bad/ as a whole */
	int fd;
	char name[NAME_MAX + 1];
	struct drop_place at;   /* done */
	struct drop_place next; /* read: where the next row begins */
	struct drop_text text;  /* where it is not UTF-8 */
	char *buf;              /* DROP_BUFFER of its text, owned while open */
	char *scratch;          /* DROP_ROW_MAX */
	size_t from, len;       /* of buf: what is not yet read, up to len */
	bool end;               /* nothing comes behind len */
	bool header;            /* the next row names the columns */
	bool have_row;          /* row is being reported: */
	struct drop_csv_row row;
	unsigned map, report; /* which comes next */
	unsigned first, n_flight;
	struct drop_flight flight[DROP_FLIGHT];
	unsigned under_way;
	bool failed; /* one was not stored: read again from `at` when all are answered */
	bool anew;   /* it was cut or written anew under way: another file now */
	int64_t size, grown_mono_ms;
	int64_t due_mono_ms; /* when there is something to do */
	struct drop_bad bad;
};

/* ---- done/ and bad/ ---- */

/* A pass through one of the two, which may take many turns. */
struct drop_tidy {
	DIR *dir;         /* NULL: none is going on */
	bool in_bad;      /* else in done/ */
	int64_t from_ms;  /* what came here before goes */
	int64_t width_ms; /* of an age; 0: the first pass */
	struct {
		unsigned n;
		int64_t bytes;
	} age[DROP_AGES + 1]; /* the last one: all that is younger */
};

/* ---- a folder ---- */

/*
 * Files are taken one after another; while the last rows of one wait for the disk, the next one
 * may begin, in a lane of its own.  So a folder of small files needs no commit for each.
 */
struct drop_lane {
	struct drop_folder *of;
	unsigned place; /* among all lanes */
	char *state;    /* path, owned; NULL: none is kept */
	struct drop_rows rows;
	unsigned generation; /* of tokens: answers to an older reading do not count */
	struct drop_file file;
	int64_t wait_mono_ms, saved_mono_ms;
	bool kept; /* the last process left a file in work: kept_at */
	struct drop_place kept_at;
	bool dirty; /* file.at is not what the state says */
};

struct drop_folder {
	const struct drop_folder_conf *conf;
	struct drop *in;
	unsigned place; /* among the folders */
	int fd;         /* of the folder; -1: not open */
	int watch;      /* inotify's; -1 */
	struct log_way *where;
	struct drop_lane *lane[DROP_LANES]; /* owned; NULL: not needed so far, but the first */
	DIR *dir;                           /* a look that is going on */
	unsigned look;
	unsigned entries; /* in the folder, at the look that goes on, or went last */
	unsigned files;   /* to be taken, of them */
	unsigned waiting; /* the same of the last look that was through, without those dealt with
			     since */
	unsigned taken;   /* dealt with since the look began */
	bool crowded;     /* not all of them found room in `seen` */
	unsigned n_seen, room_seen, youngest; /* youngest: place of it, or beyond: not known */
	struct drop_seen *seen;               /* room_seen, owned; DROP_CANDIDATES at most */
	struct drop_tidy tidy;
	bool looked; /* all entries, once at least */
	int64_t look_mono_ms, looked_mono_ms;
	int64_t due_mono_ms; /* when one of `seen` is complete, as far as known */
	unsigned put_away;   /* since the last look through done/ and bad/ */
	int64_t tidy_mono_ms;
	bool more;  /* a file is ready */
	bool wrong; /* it cannot be looked at, and that was said */
	char problem[200];
	int64_t problem_until_mono_ms; /* it would have come again by then */
	int64_t warned_mono_ms[DROP_WARNINGS];
};

struct drop {
	const struct inlet_host *host;
	struct inlet_keep *keep; /* owned: the states */
	int notify;              /* inotify */
	int64_t ahead_ms;        /* wall clock before monotonic one, when it was looked at last */
	int64_t steady_mono_ms;  /* since when nobody has set it */
	bool finishing;
	unsigned n, turn;
	struct drop_folder *folder; /* n, owned */
	char id[64];                /* of the row that is mapped */
	struct bl_rowmap_out out;
	struct inlet_report report;
	uint64_t count[DROP_COUNTERS];
};

/* Something is wrong with a folder: each kind is logged once an hour. */
void drop_warn(struct drop_folder *f, enum drop_warning kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Looks on at the folder's entries.  True: there is more to do at once. */
bool drop_look(struct drop_folder *f);
int64_t drop_mtime_ns(const struct stat *st);
void drop_look_close(struct drop_folder *f);
/* The kernel says that something changed. */
void drop_look_soon(struct drop_folder *f);
/* The oldest file that is complete; NULL: none.  *lane: where it has to go on, else as it was. */
const struct drop_seen *drop_look_ready(struct drop_folder *f, struct drop_lane **lane);
/* It is dealt with. */
void drop_look_forget(struct drop_folder *f, const char *name);
/* Not before the next look. */
void drop_look_later(struct drop_folder *f, const char *name);

/* Said and counted, with errno. */
void drop_file_unreadable(struct drop_folder *f, const char *name);
/* False: it cannot be opened now.  *waits: it can later, and where it was is remembered. */
bool drop_file_open(struct drop_lane *l, const struct drop_seen *seen, bool *waits);
/* All its rows are on their way. */
bool drop_file_is_sent(const struct drop_file *file);
/* Goes on for a turn; file.due_mono_ms says when to come again. */
void drop_file_serve(struct drop_lane *l);
/* Writes down how far it is and lets it go. */
void drop_file_close(struct drop_lane *l);
/* The same when it is time to. */
void drop_file_save(struct drop_lane *l, bool at_once);
/* Not taken, all of it. */
void drop_file_refuse(struct drop_lane *l, const char *why);

/* What a turn with rows ended with. */
enum drop_step { DROP_STEP_MORE, DROP_STEP_WAIT, DROP_STEP_END };

/* Rows to reports (drop_send.c).  END: all of the file is read and answered. */
enum drop_step drop_send(struct drop_lane *l);
void drop_send_done(struct drop_lane *l, uint64_t token, int rc);
/* More of the file into its buffer.  WAIT: none at the moment; END: there is no more. */
enum drop_step drop_file_fill(struct drop_lane *l);

/* Goes on removing what is too old or too much in done/ and bad/; says when to come again. */
void drop_tidy(struct drop_folder *f);
void drop_tidy_close(struct drop_tidy *t);

#endif
