# Stores of an earlier program that lack what is due to be packed.
bl_unit_test(test_due_again SOURCES unit/compact_kit.c contract/store_fixture.c
  LINK collector_compact collector_store collector_parts collector_chunk bl_codec bl_buf bl_log
    bl_fault test_shim PkgConfig::SQLITE m)
target_include_directories(test_due_again PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
