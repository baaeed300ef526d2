# Configuration files that include others, and what is shown of the result.
bl_unit_test(test_conf_include LINK bl_conf)
