# Several batches in one message: the codec, the agent's sender, the collector's ingest.
bl_unit_test(test_codec_bundle LINK bl_codec)
bl_unit_test(test_codec_pack LINK bl_codec)
bl_unit_test(test_uplink_bundle SOURCES unit/uplink_kit.c LINK uplink)

bl_unit_test(test_ingest_bundle SOURCES unit/ingest_kit.c contract/store_fixture.c
  LINK collector_ingest bl_log PkgConfig::SQLITE m)
target_include_directories(test_ingest_bundle PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
target_link_options(test_ingest_bundle PRIVATE -Wl,--wrap=bl_batch_verify)
