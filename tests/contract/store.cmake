foreach(name test_store_contract test_store_query test_store_file)
  bl_unit_test(${name} DIR contract SOURCES contract/store_kit.c contract/store_fixture.c
    LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
endforeach()
