# The state in words.
bl_unit_test(test_status_print LINK agent_core)
