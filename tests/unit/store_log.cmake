# The telemetry store as a log.
bl_unit_test(test_store_log NOMEM SOURCES contract/store_fixture.c LINK collector_store bl_codec bl_log m)
target_include_directories(test_store_log PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
