# The part format against a second reader; test_part_golden.py runs part_tool.
add_executable(part_tool contract/part_tool.c unit/chunk_kit.c)
target_link_libraries(part_tool PRIVATE collector_chunk PkgConfig::CMOCKA m bl_options bl_sanitize)
