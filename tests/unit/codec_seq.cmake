# Sequences apart from any batch.
bl_unit_test(test_codec_seq LINK bl_codec m)
add_executable(bench_seq EXCLUDE_FROM_ALL perf/bench_seq.c)
target_link_libraries(bench_seq PRIVATE perf_mix bl_codec bl_buf m bl_options)
