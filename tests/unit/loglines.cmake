# From lines of logs to reports: expressions with named groups.
bl_unit_test(test_regex_groups LINK bl_regex PkgConfig::JANSSON)
bl_unit_test(test_loglines SOURCES unit/inlet_host.c LINK agent_loglines bl_json)
bl_unit_test(test_loglines_text SOURCES unit/inlet_host.c LINK agent_loglines bl_json)
bl_unit_test(test_loglines_conf LINK agent_loglines bl_json)
