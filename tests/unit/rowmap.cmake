bl_unit_test(test_rowmap LINK bl_rowmap bl_json)
