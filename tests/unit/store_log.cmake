# The telemetry store as a log.
foreach(name test_store_log test_store_log_time)
  bl_unit_test(${name} NOMEM SOURCES unit/store_log_kit.c contract/store_fixture.c
    LINK collector_store bl_codec bl_log m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
endforeach()
