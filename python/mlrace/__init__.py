"""What mlrace runs in Python: the processes that hold a model which C cannot evaluate.

The server starts these modules by their names; nothing here is to be imported by models.
"""
