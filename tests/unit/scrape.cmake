# The inlet that reads Prometheus exporters: numbers and lines, pages, the inlet itself against a played exporter.
foreach(name test_scrape_pure test_scrape_page test_scrape_model test_scrape)
  bl_unit_test(${name} SOURCES unit/inlet_host.c LINK agent_scrape agent_intake agent_probe bl_log m)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/scrape)
endforeach()
bl_unit_test(test_scrape_nomem NOMEM SOURCES unit/inlet_host.c LINK agent_scrape agent_intake agent_probe bl_log m)
target_include_directories(test_scrape_nomem PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/scrape)

# Built with the tests, run by tests/perf/run.
add_executable(bench_scrape perf/bench_scrape.c)
target_include_directories(bench_scrape PRIVATE ${PROJECT_SOURCE_DIR}/agent/src/scrape)
target_link_libraries(bench_scrape PRIVATE agent_scrape agent_intake agent_probe bl_log bl_options bl_sanitize)
