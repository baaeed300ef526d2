# Series that others name, and the fake host that inlets are tested against.
bl_unit_test(test_intake SOURCES unit/inlet_host.c LINK agent_intake agent_inlet bl_json)
bl_unit_test(test_intake_nomem NOMEM LINK agent_intake)
