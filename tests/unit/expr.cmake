# Expressions: cases as tables, no memory, the fuzz target's corpus.
bl_unit_test(test_expr LINK bl_expr bl_json)
bl_unit_test(test_expr_nomem LINK bl_expr)
target_link_options(test_expr_nomem PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)

