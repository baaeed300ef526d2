# Expressions: cases as tables, no memory, the fuzz target's corpus.
bl_unit_test(test_expr LINK bl_expr bl_json)
bl_unit_test(test_expr_nomem NOMEM LINK bl_expr)

# A fuzz target with a main() that feeds it files: what was found once stays found.
add_executable(replay_expr fuzz/fuzz_expr.c fuzz/replay.c)
target_link_libraries(replay_expr PRIVATE bl_expr bl_options bl_sanitize)
add_test(NAME fuzz_expr_corpus
  COMMAND replay_expr ${CMAKE_CURRENT_SOURCE_DIR}/data/expr/corpus)
set_tests_properties(fuzz_expr_corpus PROPERTIES TIMEOUT 120)

# A figure, not a test.
add_executable(bench_expr perf/bench_expr.c)
target_link_libraries(bench_expr PRIVATE bl_expr bl_options bl_sanitize)
