bl_unit_test(test_ingest_fault SOURCES unit/ingest_work.c contract/store_fixture.c
  LINK collector_ingest test_shim bl_log PkgConfig::SQLITE m)
target_include_directories(test_ingest_fault PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_unit_test(test_ingest_nomem NOMEM SOURCES unit/alloc_faults.c unit/ingest_work.c contract/store_fixture.c
  LINK collector_ingest test_shim bl_log PkgConfig::SQLITE m)
target_include_directories(test_ingest_nomem PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
set_tests_properties(test_ingest_fault test_ingest_nomem PROPERTIES TIMEOUT 7200) # with BL_LONG=1
bl_caught(receipt-before-commit test_ingest_fault "unsynced writes lost:.* doubled 0 lost [1-9]"
  ARGS every_power_cut*)
bl_caught(dedupe-by-time test_ingest_fault "no fault:.* doubled 0 lost [1-9]" ARGS without_a_fault*)
bl_caught(dedupe-without-checksum test_ingest_fault "no fault:.* doubled 0 lost 1 " ARGS without_a_fault*)
