"""`make bench`: how fast events travel from a publisher's commit to a consumer's, beside other tools in the same run.

Read `__main__` for what is measured, `pair` for the services it is measured with, `report` for the targets.
"""
