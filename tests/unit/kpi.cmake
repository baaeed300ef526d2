# The telemetry store is a list of batches here: kpi_kit.h.
function(bl_kpi_test name)
  bl_unit_test(${name} ${ARGN} SOURCES unit/kpi_kit.c
    LINK collector_kpi collector_control bl_expr bl_log m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit)
  target_link_libraries(${name} PRIVATE PkgConfig::SQLITE)
  target_link_options(${name} PRIVATE -Wl,--wrap=store_log_series
    -Wl,--wrap=store_log_samples -Wl,--wrap=store_log_coverage)
endfunction()

bl_kpi_test(test_kpi)
bl_kpi_test(test_kpi_late)
bl_kpi_test(test_kpi_nomem NOMEM)

# And here it is a real one.
bl_unit_test(test_kpi_log SOURCES unit/kpi_kit.c contract/store_fixture.c
  LINK collector_kpi collector_control bl_expr bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_kpi_log PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit
  ${CMAKE_CURRENT_SOURCE_DIR}/contract)

# Figures, not tests: parts stored a second.
add_executable(bench_kpi EXCLUDE_FROM_ALL perf/bench_kpi.c unit/kpi_kit.c)
target_include_directories(bench_kpi PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit)
target_link_libraries(bench_kpi PRIVATE test_folder collector_kpi collector_control bl_expr bl_log m
  PkgConfig::SQLITE PkgConfig::CMOCKA bl_options bl_sanitize)
target_link_options(bench_kpi PRIVATE -Wl,--wrap=store_log_series
  -Wl,--wrap=store_log_samples -Wl,--wrap=store_log_coverage)
