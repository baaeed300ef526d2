# What named groups hold; test_regex_groups.py asks Python's re, too.
add_executable(regex_tool contract/regex_tool.c)
target_link_libraries(regex_tool PRIVATE bl_regex bl_options bl_sanitize)
