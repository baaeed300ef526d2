bl_unit_test(test_store_contract DIR contract SOURCES contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
