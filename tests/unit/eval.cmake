# The evaluator over a real telemetry store and a real control database.
bl_unit_test(test_eval SOURCES contract/store_fixture.c
  LINK collector_eval collector_incident collector_define collector_store collector_control collector_fleet bl_codec
    PkgConfig::SQLITE)
target_include_directories(test_eval PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
