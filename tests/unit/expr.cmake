# Expressions: cases as tables, no memory.
bl_unit_test(test_expr LINK bl_expr bl_json)
bl_unit_test(test_expr_nomem NOMEM LINK bl_expr)

# A figure, not a test.
add_executable(bench_expr perf/bench_expr.c)
target_link_libraries(bench_expr PRIVATE bl_expr bl_options bl_sanitize)
