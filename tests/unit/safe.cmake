bl_unit_test(test_safe LINK agent_core)
bl_unit_test(test_notify LINK agent_core)
