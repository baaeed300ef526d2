# The codec against a second reader; test_wire_golden.py runs wire_tool.  White box: a message
# with a section from the future is made from the codec's own parts.
add_executable(wire_tool contract/wire_tool.c contract/wire_json.c contract/wire_content.c contract/wire_random.c contract/wire_samples.c)
target_link_libraries(wire_tool PRIVATE bl_codec m bl_options bl_sanitize)
target_include_directories(wire_tool PRIVATE ${PROJECT_SOURCE_DIR}/shared/codec)
