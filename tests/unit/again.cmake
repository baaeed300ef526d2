bl_unit_test(test_store_again SOURCES unit/ingest_kit.c contract/store_fixture.c
  LINK collector_ingest bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_again PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
