bl_unit_test(test_pki LINK bl_pki)
