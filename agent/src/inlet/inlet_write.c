/* Writing lines, for who reports by them; see the header. */
#include "inlet_line.h"

#include <string.h>

#include "inlet_words.h"

static void
put_quoted(struct bl_buf *out, const char *text)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";

	bl_buf_u8(out, '"');
	for (; *text != '\0'; text++) {
		const char *which = strchr(from, *text);

		if (which != NULL)
			bl_buf_u8(out, '\\');
		bl_buf_u8(out, which != NULL ? (uint8_t)to[which - from] : (uint8_t)*text);
	}
	bl_buf_u8(out, '"');
}

void
inlet_line_put_word(struct bl_buf *out, const char *word)
{
	bl_buf_u8(out, ' ');
	if (word[0] == '\0' || strpbrk(word, " \t\r\n\"\\=") != NULL)
		put_quoted(out, word);
	else
		bl_buf_bytes(out, word, strlen(word));
}

void
inlet_line_put_text(struct bl_buf *out, const char *key, const char *value)
{
	bl_buf_u8(out, ' ');
	bl_buf_bytes(out, key, strlen(key));
	bl_buf_u8(out, '=');
	put_quoted(out, value);
}

void
inlet_line_put_value(struct bl_buf *out, const char *key, const char *value)
{
	const size_t len = strlen(value);
	size_t whole;

	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0 &&
	    !inlet_is_number(value, len, &whole)) {
		inlet_line_put_text(out, key, value);
		return;
	}
	bl_buf_u8(out, ' ');
	bl_buf_bytes(out, key, strlen(key));
	bl_buf_u8(out, '=');
	bl_buf_bytes(out, value, len);
}
