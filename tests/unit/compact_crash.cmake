# The compactor dies at its named places.
bl_unit_test(test_compact_crash SOURCES unit/compact_kit.c unit/compact_crash_kit.c
  contract/store_fixture.c
  LINK collector_compact collector_store collector_parts collector_chunk bl_codec bl_buf bl_log
    bl_fault PkgConfig::SQLITE m)
target_include_directories(test_compact_crash PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
# What has been freed is copied with each fork: less of it is kept back.
set_tests_properties(test_compact_crash PROPERTIES
  ENVIRONMENT "ASAN_OPTIONS=quarantine_size_mb=4:thread_local_quarantine_size_kb=64")
