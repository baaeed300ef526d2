# Hours of parts that cannot be read, in the ledger.
bl_unit_test(test_compact_ledger SOURCES unit/compact_kit.c contract/store_fixture.c
  LINK collector_compact collector_store collector_parts collector_chunk bl_codec bl_buf bl_log
    bl_fault test_shim PkgConfig::SQLITE m)
target_include_directories(test_compact_ledger PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
