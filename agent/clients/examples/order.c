/*
 * An order, from its arrival to its delivery, as a shop's program reports it.
 *
 *   cc -I .. order.c -o order && ./order 4711
 */
#include "branchline.h"

/* A shop goes on selling when its monitoring does not work: it says so, and no more. */
static void
check(struct branchline *b, int result)
{
	if (result < 0)
		(void)fprintf(stderr, "not reported: %s\n", b->error);
}

int
main(int argc, char **argv)
{
	const char *order = argc > 1 ? argv[1] : "4711";
	const struct branchline_attribute arrived[] = { branchline_text("customer", "李华"),
		branchline_number("amount", 129.5), branchline_flag("express", 1) };
	const struct branchline_attribute lane[] = { branchline_text("lane", "3") };
	struct branchline_more more = { "order", NULL, NULL, arrived, 3 };
	struct branchline b;

	branchline_open(&b, NULL);
	check(&b, branchline_step_begin(&b, order, "review", &more));
	more.n_attributes = 0;
	/* ... what the shop does ... */
	check(&b, branchline_step_end(&b, order, "review", &more));
	check(&b, branchline_step_begin(&b, order, "pick", &more));
	check(&b, branchline_step_end(&b, order, "pick", &more));
	check(&b, branchline_case(&b, order, "delivered", &more));

	more.process = NULL;
	check(&b, branchline_event(&b, "shutter.opened", &more));
	more.attribute = lane;
	more.n_attributes = 1;
	check(&b, branchline_metric(&b, "queue_length", 12, "orders", NULL, &more));
	branchline_close(&b);
	return 0;
}
