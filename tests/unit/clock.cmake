# Time: the clock map against a played truth, former boots.
bl_unit_test(test_clockmap_world LINK agent_core m)
bl_unit_test(test_boots LINK agent_spool)

# What the store knows of it.
bl_unit_test(test_store_doubt SOURCES contract/store_kit.c contract/store_fixture.c
  LINK collector_store bl_codec bl_log PkgConfig::SQLITE m)
target_include_directories(test_store_doubt PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
