# Built with the tests, run by tests/perf/run.
add_executable(bench_series perf/bench_series.c contract/store_fixture.c unit/folder.c)
target_include_directories(bench_series PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract
  ${CMAKE_CURRENT_SOURCE_DIR}/unit)
target_link_libraries(bench_series PRIVATE perf_mix collector_compact collector_store bl_codec bl_log m
  bl_options bl_sanitize)
