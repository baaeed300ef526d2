# The loss ledger: what an agent says of rows that vanished, and how the centre counts.
bl_unit_test(test_ledger_spool SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/unit/spool_kit.c LINK agent_spool PkgConfig::SQLITE)
bl_unit_test(test_ledger_store SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_ledger_store PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
# A row of coverage that is days long.  White box: how far readers look back.
bl_unit_test(test_store_wide SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_wide PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract
  ${PROJECT_SOURCE_DIR}/collector/src/store)
# What was set aside is decoded again; the decoder of an older build stands in for the real one.
bl_unit_test(test_ingest_requeue SOURCES unit/ingest_kit.c contract/store_fixture.c
  LINK collector_ingest bl_log PkgConfig::SQLITE m)
target_include_directories(test_ingest_requeue PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
target_link_options(test_ingest_requeue PRIVATE -Wl,--wrap=bl_batch_verify)
