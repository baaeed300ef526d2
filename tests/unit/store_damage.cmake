bl_unit_test(test_store_damage
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_damage PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_unit_test(test_store_fault
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_fixture.c
  LINK test_shim collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_fault PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_unit_test(test_store_wal
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE Threads::Threads m)
target_include_directories(test_store_wal PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
bl_unit_test(test_ingest_damage
  SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/ingest_kit.c ${CMAKE_CURRENT_SOURCE_DIR}/contract/store_fixture.c
  LINK collector_ingest bl_log PkgConfig::SQLITE m)
target_include_directories(test_ingest_damage PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
# What they do with BL_LONG=1 takes up to two hours.
set_tests_properties(test_store_damage test_store_fault test_store_wal PROPERTIES TIMEOUT 7200)
