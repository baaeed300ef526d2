# The data of all benches and of the fleet simulator: link perf_mix, include "mix.h".
add_library(perf_mix STATIC EXCLUDE_FROM_ALL perf/mix.c perf/mix_names.c)
target_include_directories(perf_mix PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/perf)
target_link_libraries(perf_mix PUBLIC bl_codec PRIVATE m bl_options bl_sanitize)

# The same as Influx lines, for the stores that others make.
add_executable(mix_lines perf/mix_lines.c)
target_link_libraries(mix_lines PRIVATE perf_mix m bl_options bl_sanitize)

# The way from the wire into parts, without a broker.
add_library(perf_straight STATIC EXCLUDE_FROM_ALL perf/straight.c)
target_include_directories(perf_straight PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/perf)
target_link_libraries(perf_straight PUBLIC perf_mix collector_compact collector_ingest
  PRIVATE m bl_options bl_sanitize)
add_executable(bench_store perf/bench_store.c)
target_link_libraries(bench_store PRIVATE perf_straight bl_options bl_sanitize)
add_executable(bench_growth perf/bench_growth.c)
target_link_libraries(bench_growth PRIVATE perf_straight collector_query collector_query_store bl_options
  bl_sanitize)
