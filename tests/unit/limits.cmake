# What the agent's own limits refuse.
bl_unit_test(test_limits LINK agent_core)
