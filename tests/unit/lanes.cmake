# Built with the tests, run by tests/perf/run.
add_executable(fill_spool perf/fill_spool.c)
target_link_libraries(fill_spool PRIVATE agent_spool m bl_options bl_sanitize)

bl_unit_test(test_credit LINK collector_ingest m)
target_include_directories(test_credit PRIVATE ${PROJECT_SOURCE_DIR}/collector/src/ingest)

bl_unit_test(test_rival LINK bl_mqtt bl_clock)
target_include_directories(test_rival PRIVATE ${PROJECT_SOURCE_DIR}/shared/mqtt)

bl_unit_test(test_identity SOURCES unit/ingest_kit.c contract/store_fixture.c LINK collector_ingest bl_log PkgConfig::SQLITE m)
target_include_directories(test_identity PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
