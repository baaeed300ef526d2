# What shared/tz says of a zone; test_tz.py holds it against Python's zoneinfo.
add_executable(tz_tool contract/tz_tool.c)
target_link_libraries(tz_tool PRIVATE bl_tz bl_options bl_sanitize)
