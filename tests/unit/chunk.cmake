# The part format: regions written and read, by a model and by hostile bytes.
bl_unit_test(test_chunk LINK collector_chunk m
  SOURCES unit/chunk_kit.c unit/chunk_part.c)
bl_unit_test(test_chunk_limits NOMEM LINK collector_chunk perf_mix m
  SOURCES unit/chunk_kit.c unit/chunk_part.c)
# Checksums that always hold: what stands behind them must hold, too.
bl_unit_test(test_chunk_hostile LINK collector_chunk ZLIB::ZLIB m SOURCES unit/chunk_kit.c)
target_link_options(test_chunk_hostile PRIVATE -Wl,--wrap=chunk_span_ok)
# Figures, not tests: bench_chunk prints bytes and ns a sample.
add_executable(bench_chunk EXCLUDE_FROM_ALL perf/bench_chunk.c)
target_link_libraries(bench_chunk PRIVATE collector_chunk perf_mix m bl_options bl_sanitize)
