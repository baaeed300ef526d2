bl_unit_test(test_report SOURCES unit/ingest_kit.c contract/store_fixture.c
  LINK collector_ingest bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_report PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
