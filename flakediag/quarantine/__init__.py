"""The quarantine: failures that people excused until a day.

`file` reads and writes them, `verbs` are what `flakediag quarantine` is made of, `selections` puts the tests into the
words of each runner. Nothing is imported here: the pytest plugin reads the file inside of other people's test runs.
"""
